"""What the search in a folder was begun with: it goes on with the same space and settings, or not at all."""

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra.core.override_parser.types import Override

from cnnrun.errors import ConfigError
from cnnrun.settings import HOW_TO_RUN
from cnnrun.sweeps.folders import others
from cnnrun.sweeps.names import without
from cnnrun.sweeps.search.space import Space
from cnnrun.sweeps.search.storage import FILE

if TYPE_CHECKING:
    from optuna.study import Study

SPACE, SETTINGS = "space", "settings"
"""What the storage keeps of a study, as JSON."""
NOTHING = "nothing"


def settings_of(config: Mapping[str, Any], space: Space, fixed: Iterable[Override]) -> dict[str, str]:
    """All settings that the trials share, by dotted name; of a part that is searched only what was typed."""
    typed = {word.key_or_group: word.get_value_element_as_str() for word in fixed}
    inside = {key: value for key, value in typed.items() if key.partition(".")[0] in space.distributions}
    return dict(_leaves(without(config, [*space.distributions, *HOW_TO_RUN]))) | inside


def refuse_another_search(study: "Study", folder: Path, space: Space, settings: Mapping[str, str]) -> None:
    """Let only the same search go on; the first leaves its mark.

    Raises:
        ConfigError: names what differs, or the runs of another sweep.
    """
    attributes = study.user_attrs
    if SETTINGS not in attributes:
        if others(folder, ()):
            raise ConfigError(
                f"{folder} holds runs of no search that is stored there: put its {FILE} back if it had one, "
                "or choose another folder: sweep=NAME"
            )
        study.set_user_attr(SPACE, json.dumps(space.stored()))
        study.set_user_attr(SETTINGS, json.dumps(settings))
        return
    for stored, now in ((attributes[SPACE], space.stored()), (attributes[SETTINGS], settings)):
        there = json.loads(stored)
        for key in sorted(there.keys() | now.keys()):
            if there.get(key) != now.get(key):
                was, is_now = there.get(key, NOTHING), now.get(key, NOTHING)
                raise ConfigError(
                    f"{folder} holds another search ({key}: {was} there, {is_now} now); "
                    "choose another folder: sweep=NAME"
                )


def _leaves(value: Any, name: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _leaves(inner, f"{name}.{key}" if name else str(key))
    else:
        yield name, json.dumps(value)

"""Checking and building from plain values, and reading words and conf folders. `pytest tests/test_config.py`"""

import sys
from dataclasses import fields
from pathlib import Path
from typing import Annotated, Literal

import pytest
import yaml
from hydra.core.override_parser.overrides_parser import OverridesParser
from pydantic import Field, NonNegativeInt, PositiveInt

from cnnrun import config as configs
from cnnrun.config import options, overrides
from cnnrun.config.schema import COMMAND_GROUPS, signature_of
from cnnrun.errors import ConfigError
from cnnrun.settings import OF_COMMAND

CONF = Path(__file__).parents[1] / "conf"
SETTINGS = OF_COMMAND


# --- the commands' own YAML


@pytest.mark.parametrize("command", SETTINGS)
def test_the_yaml_of_a_command_lists_its_settings_and_groups(command):
    content = yaml.safe_load((CONF / f"{command}.yaml").read_text())
    groups = [name for entry in content.pop("defaults") if isinstance(entry, dict) for name in entry]
    own = [group for group in groups if not group.startswith("override") and group != "experiment"]
    assert sorted(content) == sorted(field.name for field in fields(SETTINGS[command]))
    assert sorted(own) == sorted(COMMAND_GROUPS[command])


@pytest.mark.parametrize("command", SETTINGS)
def test_every_setting_of_a_command_is_explained(command):
    for setting in options.settings_in_full(command, [CONF]):
        assert setting.value, f"{setting.key} has no default in conf/{command}.yaml"
        assert setting.comment, f"{setting.key} has no comment in conf/{command}.yaml"
        assert "  " not in setting.comment


# --- check


def good(toy):
    """A config as a run stores it."""
    from cnnrun import cli

    assert cli.main(["train"]) == 0
    return toy.CALLS[-1][0]


def problem(config, **more):
    with pytest.raises(ConfigError) as caught:
        configs.check("train", config, **more)
    return str(caught.value)


def test_a_composed_config_passes(toy):
    configs.check("train", good(toy))
    configs.check("train", good(toy), trusted=False)


def test_what_is_missing_is_named(toy):
    config = good(toy)
    del config["epochs"], config["task"], config["model"]["dropout"]
    assert problem(config).splitlines() == [
        "3 problems in the settings",
        "  missing setting 'epochs': cnnrun train needs it",
        "  missing setting 'model.dropout': cnn needs it",
        "  missing setting 'task': cnnrun train needs it",
    ]


def test_what_is_too_much_is_named(toy):
    config = good(toy) | {"epoch": 3}
    assert problem(config) == "unknown setting 'epoch' - did you mean 'epochs'?"


def test_a_number_is_no_float_when_it_is_true(toy):
    config = good(toy) | {"min_delta": True}
    assert problem(config) == "min_delta=true: must be a number"
    configs.check("train", good(toy) | {"min_delta": 0})


def test_code_of_others_needs_trust(toy):
    config = good(toy)
    config["model"] = {"name": "json:JSONDecoder", "strict": True}
    message = "model.name=json:JSONDecoder: this is code that did not come with cnnrun; trust_code=true runs it"
    assert problem(config, trusted=False) == message
    assert "trust_code" not in problem(config | {"epochs": 0})


def test_keys_that_are_no_text_are_refused(toy):
    assert problem(good(toy) | {3: 4}) == "the config has the key '3': a setting's name is text without a leading _"


# --- build


def test_build_passes_settings_and_the_facts_that_are_asked_for(toy):
    node = {"name": "mlp", "hidden": [3], "dropout": 0.5}
    net = configs.build("model", node, input_shape=(1, 8, 8), num_outputs=10)
    assert net.facts == ((1, 8, 8), 10)
    assert net.settings == {"hidden": [3], "dropout": 0.5}
    assert configs.build("augment", {"name": "batch", "flip": True}, input_shape=(1,), num_classes=3) is True


def test_build_says_which_fact_it_does_not_know(toy, monkeypatch):
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.delitem(sys.modules, "odd_nets", raising=False)
    Path("odd_nets.py").write_text("def net(input_shape, depth): ...\n")
    with pytest.raises(ConfigError) as caught:
        configs.build("model", {"name": "odd_nets:net"}, input_shape=(1,), num_outputs=2)
    assert str(caught.value) == (
        "model.name=odd_nets:net: its positional parameter 'depth' is not known here "
        "(known are input_shape, num_outputs); settings must be keyword-only: put a * before them"
    )


def test_a_signature_splits_facts_from_settings():
    def part(shape, size=3, *rest, width: int, depth: int = 2, **others): ...

    signature = signature_of(part, "part")
    assert signature.facts == {"shape": True, "size": False}
    assert {name: knob.required for name, knob in signature.knobs.items()} == {"width": True, "depth": False}
    assert signature.takes_any


# --- reasons


REASONS = [
    (PositiveInt | None, "x", "v=x: must be a whole number"),
    (list[int] | None, 3, "v=3: must be a list such as [1,2]"),
    (Literal["a"] | list[Literal["a", "b", "c"]], "x", "v=x: must be a or a list such as [b,c]"),
    (Annotated[list[Annotated[str, Field(min_length=1)]], Field(min_length=1)], 3, "v=3: must be a list such as [a,b]"),
    (list[list[int]], [[1], [2, "a"]], "v[1][1]=a: must be a whole number"),
    (int | list[int], [1, None], "v[1]=null: must be a whole number"),
    (Literal["auto"] | bool, "yes", "v=yes: must be auto or true or false"),
    (Literal["same", "valid"], "some", "v=some: must be same or valid - did you mean 'same'?"),
    (
        Literal["a", "b"],
        1240,
        "v=1240: must be a or b; in YAML an unquoted 20:40 is the number 1240: put text in quotes",
    ),
    (dict[str, int], [], "v=[]: must be keys and values"),
    (Annotated[list[int], Field(max_length=2)], [1, 2, 3], "v=[1,2,3]: must be a list of 2 or fewer"),
    (Annotated[int, Field(le=4)], 5, "v=5: must be 4 or less"),
    (NonNegativeInt, -1, "v=-1: must be 0 or more"),
    (Annotated[str, Field(min_length=1)], "", "v=: must be text that is not empty"),
    (Annotated[str, Field(pattern="^a+$")], "b", "v=b: must be text like ^a+$"),
    (Annotated[int, Field(multiple_of=2)], 3, "v=3: must be a multiple of 2"),
]


@pytest.mark.parametrize(("annotation", "value", "message"), REASONS)
def test_a_value_that_does_not_fit_gets_its_reason(annotation, value, message):
    from cnnrun.config.schema import _value_problems

    assert list(_value_problems("v", annotation, value, "part")) == [message]


# --- words


@pytest.mark.parametrize(
    "text", ["a", "a'b", "\\", "a\\'b", "\\\\'\\", "'", "a,b(c)[d]{e}", "x=y", " spaces ", "'quoted'"]
)
def test_a_quoted_text_is_read_by_hydra_as_it_was(text):
    (parsed,) = OverridesParser.create().parse_overrides([f"run={overrides.quote(text)}"])
    assert parsed.value() == text
    assert overrides.unquote(overrides.quote(text)) == text


def test_with_multirun_commas_part_paths_unless_there_is_something_at_the_whole(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("a,b").touch()
    for word, prepared in {
        "run=c,d/e f": "run='c','d/e f'",
        "model.weights=imagenet, none": "model.weights='imagenet','none'",
        "dataset.root='c',\"d,e\"": "dataset.root='c',\"d,e\"",
        "inputs='c,d'": "inputs='c,d'",
        "inputs=x{c,d}[e,f]": "inputs='x{c,d}[e,f]'",
        "runs=a,b": "runs='a,b'",
        "inputs=?,*": "inputs='?,*'",
        "inputs=?,?x": "inputs='?','?x'",
        "hydra.sweep.dir=c,d": "hydra.sweep.dir='c,d'",
        f"run={'x' * 200},{'y' * 200}": f"run='{'x' * 200}','{'y' * 200}'",
    }.items():
        assert overrides.prepare([word], {}, multirun=True) == (prepared,)
    assert overrides.prepare(["run=c,d"], {}) == ("run='c,d'",)
    assert overrides.bare("run", "'c','d e'") == "c,d e"
    with pytest.raises(ConfigError, match="must not be empty"):
        overrides.prepare(["run=c,"], {}, multirun=True)


def test_only_paths_and_each_of_several_layer_ranges_are_quoted():
    ranges = "model.trainable=0:40,[a,b[12]],x{1,2},'y,z',\"\""
    words = ["run=a,b", "dataset.root=x y", "labels=null", "seed=1,2", ranges, "dataset.csv='q'"]
    assert overrides.prepare(words, {}) == (
        "run='a,b'",
        "dataset.root='x y'",
        "labels=null",
        "seed=1,2",
        "model.trainable='0:40','[a,b[12]]','x{1,2}','y,z',\"\"",
        "dataset.csv='q'",
    )

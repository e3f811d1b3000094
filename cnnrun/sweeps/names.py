"""Folder names that are the same for the same command, so that it finds what it has done."""

import hashlib
import json
import re
from collections.abc import Container, Iterable, Mapping
from pathlib import PurePath
from typing import Any

from cnnrun.config.overrides import is_path, unquote

LONGEST = 120
"""Bytes; file systems end at 255, of which some are for digests and for what is written beside."""


def sweep_name(keys: Iterable[str], rest: Any) -> str:
    """The swept keys and 8 hex of everything else that decides the results."""
    digest = _digest(json.dumps(rest, sort_keys=True, default=str), 8)
    return "-".join([*(key.replace("/", ".") for key in keys), digest]).encode()[-LONGEST:].decode(errors="ignore")


def job_name(settings: Mapping[str, str], taken: Container[str] = ()) -> str:
    """`key=value,key=value`, with a digest where characters that do not belong into a file name had to go.

    Of a path only the last part is named.

    Args:
        taken: names of other jobs, for settings that differ from these in no more than quotes or brackets.
    """
    texts = {key: unquote(value) if is_path(key) else value for key, value in settings.items()}
    exact = _joined(texts)
    short = _joined({key: PurePath(text).name or text if is_path(key) else text for key, text in texts.items()})
    listed = re.sub(r"(?<=\[)[^\[\]]*(?=\])", lambda match: match[0].replace(",", "-"), short)
    bare = re.sub(r"[\[\]\"']", "", listed)
    safe = re.sub(r"[^\w.=+,-]", "_", bare)
    if len(safe.encode()) > LONGEST or short != exact or safe != bare or safe in taken:
        safe = f"{safe.encode()[:LONGEST].decode(errors='ignore')}-{_digest(exact, 8)}"
    return safe


def _joined(settings: Mapping[str, str]) -> str:
    return ",".join(f"{key}={value}" for key, value in settings.items()) or "only"


def without(config: Mapping[str, Any], keys: Iterable[str]) -> dict[str, Any]:
    """A copy of a config that lacks some dotted keys."""
    kept = dict(config)
    for key in keys:
        head, _, tail = key.partition(".")
        if not tail:
            kept.pop(head, None)
        elif isinstance(kept.get(head), Mapping):
            kept[head] = without(kept[head], [tail])
    return kept


def _digest(text: str, length: int) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:length]

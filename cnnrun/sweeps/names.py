"""Folder names that are the same for the same command, so that it finds what it has done."""

import hashlib
import json
import re
from collections.abc import Container, Iterable, Mapping
from typing import Any

LONGEST = 120
"""Characters; file systems end at 255 bytes."""


def sweep_name(keys: Iterable[str], rest: Any) -> str:
    """The swept keys and 8 hex of everything else that decides the results."""
    digest = _digest(json.dumps(rest, sort_keys=True, default=str), 8)
    return "-".join([*(key.replace("/", ".") for key in keys), digest])[-LONGEST:]


def job_name(settings: Mapping[str, str], taken: Container[str] = ()) -> str:
    """`key=value,key=value`, with a digest where characters that do not belong into a file name had to go.

    Args:
        taken: names of other jobs, for settings that differ from these in no more than quotes or brackets.
    """
    exact = ",".join(f"{key}={value}" for key, value in settings.items()) or "only"
    listed = re.sub(r"(?<=\[)[^\[\]]*(?=\])", lambda match: match[0].replace(",", "-"), exact)
    bare = re.sub(r"[\[\]\"']", "", listed)
    safe = re.sub(r"[^\w.=+,-]", "_", bare)
    if len(safe) > LONGEST or safe != bare or safe in taken:
        safe = f"{safe[:LONGEST]}-{_digest(exact, 8)}"
    return safe


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

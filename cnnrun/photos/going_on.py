"""What a prediction was begun with, so that it can go on with the same, or is refused."""

import hashlib
from dataclasses import asdict
from typing import Any

import torch

from cnnrun import provenance
from cnnrun.data.image_walk import counted
from cnnrun.errors import ConfigError, DataError
from cnnrun.photos.inputs import Inputs
from cnnrun.photos.network import Network
from cnnrun.photos.truth import Truth
from cnnrun.run import Run
from cnnrun.tables import PHOTOS

EXACT = ("versions", "machine", "device", "precision", "threads")
"""Entries of run.json that must be as they were for a prediction that goes on to end with the same bytes."""
BOUND = {
    "inputs": "the files of the inputs",
    "network": "the network, or the names of its classes,",
    "truth": "what the files show",
    "batch_size": "the number of photos at a time",
}
"""Entries that must be as they were for rows of then and of now to stand in one table."""


def facts_of(network: Network, inputs: Inputs, truth: Truth) -> dict[str, Any]:
    """What run.json says about where the numbers come from."""
    compute = network.compute
    return {
        **provenance.facts(),
        "device": str(compute.device),
        "precision": compute.precision,
        "threads": torch.get_num_threads(),
        "batch_size": network.batch_size,
        "parameters": network.parameters,
        "epoch": network.epoch,
        "geometry": asdict(network.geometry),
        "network": network.digest(),
        "inputs": {"files": len(inputs.paths), "digest": inputs.digest()},
        "truth": {"files": len(truth.indices), "digest": _digest_of(truth)},
    }


def _digest_of(truth: Truth) -> str:
    return hashlib.sha256(repr(sorted(truth.indices.items())).encode(errors="surrogateescape")).hexdigest()[:16]


def _then_and_now(then: Any, now: Any) -> str:
    """` (1,768 files then, 1,740 now)`; nothing where digests differ alone, which tell nobody anything."""
    if isinstance(then, dict) and isinstance(now, dict):
        then, now = then.get("files"), now["files"]
        if then == now:
            return f" ({counted(now, 'file')} as then, but not the same)"
        return f" ({counted(then, 'file')} then, {now:,} now)" if isinstance(then, int) else ""
    return f" ({then} then, {now} now)" if isinstance(now, int) else ""


def unfinished(folder: str) -> Run:
    """The prediction in a folder.

    Raises:
        ConfigError: if it is finished.
    """
    run = Run.open(folder)
    if run.status == "finished":
        table = run.table_file(PHOTOS.name)
        raise ConfigError(f"resume={folder}: it is finished, and nothing is left to do; its predictions are in {table}")
    return run


def go_on(run: Run, facts: dict[str, Any]) -> list[str]:
    """Hold the folder, and note that it is written again; sentences about what differs.

    Raises:
        ConfigError: if another process is writing it.
        DataError: if it was begun with something else.
    """
    for name, what in BOUND.items():
        if run.record.get(name) != facts[name]:
            counts = _then_and_now(run.record.get(name), facts[name])
            raise DataError(f"{what} changed since {run.path} was begun{counts}; predict again, into a new folder")
    changed = [name for name in EXACT if run.record.get(name) != facts[name]]
    run.lock()
    run.update(status="running", reason=None, **facts)
    where = f"not exact: {', '.join(changed)} differ from those that the prediction was started with"
    return [where] if changed else []

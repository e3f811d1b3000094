"""Where the processes of jobs come from: forked from one that has imported what jobs need, or new ones."""

import multiprocessing
import os
import pkgutil
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from multiprocessing import resource_tracker
from typing import Any

from cnnrun.signals import NOTED
from cnnrun.sweeps.launchers import sharing
from cnnrun.sweeps.launchers.worker import work

PARTS = ("data", "models", "tasks", "metrics", "training", "experiment", "report", "config")
"""Packages of ours that jobs import from when they know what they need."""
FIGURES = "plots"
"""The one that jobs with figures import from; with matplotlib, it takes as long as all others."""
LATE = {
    ("dataset", "digits"): "sklearn.datasets",
    ("dataset", "torchvision"): "torchvision",
    ("model", "backbone"): "torchvision.models",
}
"""What a part of that name imports when it is used."""


def context_for(function: str, config: dict[str, Any], more: Sequence[str]) -> Any:
    """Fork from a process that has imported what jobs need, and has computed nothing; spawn where that is not safe."""
    if not sys.platform.startswith("linux"):
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([*_to_import(function, config), *more])
    return context


def warm_up(function: str, config: dict[str, Any], more: Sequence[str]) -> None:
    """Let it import, where there is such a process."""
    if context_for(function, config, more).get_start_method() == "forkserver":
        from multiprocessing import forkserver

        with undisturbed():
            forkserver.ensure_running()


def _to_import(function: str, config: dict[str, Any]) -> list[str]:
    module = function.partition(":")[0]
    if not module.startswith("cnnrun."):
        return [work.__module__, module]
    import cnnrun

    parts = [*PARTS, FIGURES] if config.get("figures") else PARTS
    names = [(group, node.get("name")) for group, node in config.items() if isinstance(node, dict)]
    ours = [
        found.name
        for part in parts
        for found in pkgutil.iter_modules([f"{cnnrun.__path__[0]}/{part}"], f"cnnrun.{part}.")
    ]
    return ["torch", work.__module__, module, *ours, *(LATE[name] for name in names if name in LATE)]


@contextmanager
def undisturbed() -> Iterator[None]:
    """Around what may start the fork server: signals are for its parent, and no file beside the user is a module.

    It inherits what is blocked; a job takes that back. The standard library's resource tracker is started before, as
    its start lets signals through again.
    """
    resource_tracker.ensure_running()
    safe_path = os.environ.get("PYTHONSAFEPATH")
    os.environ["PYTHONSAFEPATH"] = "1"
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, NOTED) if hasattr(signal, "pthread_sigmask") else None
    try:
        yield
    finally:
        if blocked is not None:
            signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
        if safe_path is None:
            del os.environ["PYTHONSAFEPATH"]
        else:
            os.environ["PYTHONSAFEPATH"] = safe_path


def count_devices(context: Any) -> int:
    """GPUs that torch sees, asked for in a child: the parent never touches one."""
    if sys.platform.startswith("linux") and not any(map(os.path.exists, sharing.DRIVERS)):
        return 0
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_send_count, args=(sender,))
    with undisturbed():
        process.start()
    sender.close()
    try:
        return int(receiver.recv())
    except EOFError:
        return 0
    finally:
        process.join()


def _send_count(sender: Any) -> None:
    import torch

    sender.send(torch.cuda.device_count() or int(torch.backends.mps.is_available()))

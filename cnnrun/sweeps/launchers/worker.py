"""What a process of a sweep does: one job, in a group of its own, with a file for a screen; it ends with its parent."""

import faulthandler
import gc
import multiprocessing
import os
import signal
import sys
import threading
import time
import traceback
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import wait
from pathlib import Path
from typing import Any, NoReturn

from cnnrun import console
from cnnrun.config import Invocation
from cnnrun.config.callables import load
from cnnrun.errors import CnnrunError, Interrupted
from cnnrun.signals import NOTED, Signals
from cnnrun.sweeps.folders import settle, to_run

GRACE = 30.0
"""Seconds for a job that was told to end: it saves its state after a step."""
PATIENCE = 2 * GRACE
"""Seconds to wait for the process of a sweep that was killed: it ends within GRACE."""
BUG = 1
"""Exit code of an error that is not ours."""


@dataclass(frozen=True)
class Assignment:
    """All that a process needs for one job; plain, so that it can be pickled."""

    command: str
    function: str
    """Where the command is, as `module:function`."""
    config: dict[str, Any]
    invocation: Invocation
    console: Path
    """The file that takes what the job writes on its screen."""
    threads: int | None
    """Its share of the cores, for a job that takes all; None leaves them alone."""
    environment: dict[str, str]
    """What to set in it, CUDA_VISIBLE_DEVICES for one."""


def work(assignment: Assignment) -> None:
    """Do the job and end the process, with the exit code that `cnnrun` would have."""
    gc.freeze()  # what was forked stays shared: looking for cycles in it would copy its pages
    _be_alone()
    _write_to(assignment.console)
    os.environ.update(assignment.environment)
    guard = _end_with_parent()
    try:
        _share_cores(assignment.threads)
        sys.exit(perform(assignment))
    finally:
        _dismiss(guard)


def perform(assignment: Assignment) -> int:
    """Do the job where this process stands; its exit code. What came of it is in its folder in any case."""
    told, folder = assignment.invocation, assignment.invocation.output_dir
    reason = ""
    try:
        with Signals() as signals:
            signals.interrupt_at_once()
            if config := to_run(folder, assignment.config, PATIENCE):
                load(assignment.function)(config, told)
        return 0
    except Interrupted as error:
        console.tell(str(error))
        return error.exit_code
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    except CnnrunError as error:
        console.tell(f"error: {error}")
        code, reason = error.exit_code, str(error)
    except (Exception, SystemExit) as error:
        traceback.print_exc()
        code, reason = BUG, f"{type(error).__name__}: {error}"
    settle(folder, assignment.command, assignment.config, told, reason)
    return code


def _be_alone() -> None:
    """Away from the terminal: its Ctrl-C is for the parent, which tells its jobs."""
    if hasattr(os, "setsid"):
        with suppress(OSError):
            os.setsid()
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for signum in NOTED[1:]:
        signal.signal(signum, signal.SIG_DFL)
    if hasattr(signal, "pthread_sigmask"):  # the fork server lives with them blocked
        signal.pthread_sigmask(signal.SIG_UNBLOCK, NOTED)


def _write_to(file: Path) -> None:
    """From now on stdout and stderr are the file, those of libraries and of processes that the job starts, too."""
    file.parent.mkdir(parents=True, exist_ok=True)
    sys.stdout.flush()
    sys.stderr.flush()
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | getattr(os, "O_NOFOLLOW", 0)
    descriptor = os.open(file, flags, 0o666)
    for standard in (1, 2):
        os.dup2(descriptor, standard)
    os.close(descriptor)
    faulthandler.enable(2)


def _end_with_parent() -> int | None:
    """Where the parent is killed, end as it would have asked for: save, and if that takes too long, at once.

    A thread cannot see to the second where the job hangs in C and keeps Python's lock, so that a process does. The
    kernel could kill at the death of a parent (PR_SET_PDEATHSIG), but leaves no time to save.

    Returns:
        That process, where there is one.
    """
    parent = multiprocessing.parent_process()
    if parent is None:
        return None
    guard = os.fork() if sys.platform.startswith("linux") else None  # before there are threads
    if guard == 0:
        _kill_late(parent.sentinel)
    threading.Thread(target=_outlive_briefly, args=(parent.sentinel,), daemon=True).start()
    return guard


def _kill_late(sentinel: int) -> NoReturn:
    """Be the process that kills the group of the job, itself included; it is killed when the job has ended."""
    try:
        for signum in NOTED:
            signal.signal(signum, signal.SIG_IGN)
        wait([sentinel])
        time.sleep(GRACE)
        os.killpg(0, signal.SIGKILL)
    finally:
        os._exit(1)


def _dismiss(guard: int | None) -> None:
    if guard is None:
        return
    with suppress(OSError):
        os.kill(guard, signal.SIGKILL)
        os.waitpid(guard, 0)


def _outlive_briefly(sentinel: int) -> None:
    wait([sentinel])
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(GRACE)
    kill_group(os.getpid())


def kill_group(leader: int) -> None:
    """Kill a process and all that it started, if there is any left."""
    with suppress(ProcessLookupError, PermissionError):
        if hasattr(os, "killpg"):
            os.killpg(leader, signal.SIGKILL)
        else:
            os.kill(leader, signal.SIGTERM)


def _share_cores(threads: int | None) -> None:
    """Let torch take so many threads, also where the fork server has imported it."""
    if threads is None:
        return
    os.environ["OMP_NUM_THREADS"] = str(threads)
    if "torch" in sys.modules:
        from cnnrun.training.device import take_threads

        take_threads(threads)

"""Where a run comes from: versions, machine, git commit; stored with it, and compared when it is resumed."""

import platform
import subprocess
from importlib.metadata import version
from typing import Any

import cnnrun

PACKAGES = ("torch", "torchvision", "numpy", "pillow", "hydra-core")


def facts() -> dict[str, Any]:
    """All of it, as run.json has it."""
    return {"versions": versions(), "machine": machine(), "git_commit": git_commit()}


def versions() -> dict[str, str]:
    """Versions of what the numbers depend on."""
    packages = {package: version(package) for package in PACKAGES}
    return {"cnnrun": cnnrun.__version__, "python": platform.python_version()} | packages


def git_commit() -> str | None:
    """The commit of the working directory, with `+changes` where files differ from it; None outside a repository."""
    try:
        commit = _git("rev-parse", "HEAD")
        return commit + ("+changes" if _git("status", "--porcelain", "--untracked-files=no") else "")
    except (OSError, subprocess.SubprocessError):
        return None


def _git(*arguments: str) -> str:
    done = subprocess.run(["git", *arguments], capture_output=True, text=True, check=True, timeout=10)
    return done.stdout.strip()


def machine() -> dict[str, str]:
    """Processor and system, without the host's name."""
    return {"system": f"{platform.system()} {platform.machine()}", "processor": _processor()}


def _processor() -> str:
    try:
        with open("/proc/cpuinfo") as lines:
            names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    except OSError:
        names = []
    return names[0] if names else platform.processor()

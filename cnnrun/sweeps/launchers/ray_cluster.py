"""The launcher for a Ray cluster that runs already: each job is a task there, in a process of its own."""

import logging
import signal
import socket
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig
from pydantic import NonNegativeFloat, PositiveFloat, PositiveInt

from cnnrun import console
from cnnrun.config.schema import check_value
from cnnrun.errors import ConfigError, Interrupted
from cnnrun.sweeps.jobs import Ended, Job
from cnnrun.sweeps.launchers.errand import Errand, run
from cnnrun.sweeps.launchers.worker import GRACE
from cnnrun.sweeps.running import Runner, SweepLauncher

if TYPE_CHECKING:
    from ray import ObjectRef

PREFIX = "hydra.launcher."
ANSWERS_WITHIN = 5.0
"""Seconds. Ray itself still tries an address at which nobody listens after five minutes."""


class RayLauncher(SweepLauncher):
    """As many jobs at a time as the cluster has room for. A job that dies dies alone."""

    def __init__(self, address: Any, num_cpus: Any, num_gpus: Any, jobs: Any, timeout_min: Any) -> None:
        self._address = address
        self._num_cpus = num_cpus
        self._num_gpus = num_gpus
        self._jobs = jobs
        self._timeout_min = timeout_min

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Raises: ConfigError: if a setting of the launcher is wrong, or Ray is not installed."""
        check_value(f"{PREFIX}address", str, self._address)
        check_value(f"{PREFIX}num_cpus", PositiveFloat, self._num_cpus)
        check_value(f"{PREFIX}num_gpus", NonNegativeFloat, self._num_gpus)
        check_value(f"{PREFIX}jobs", PositiveInt | None, self._jobs)
        check_value(f"{PREFIX}timeout_min", PositiveFloat | None, self._timeout_min)
        try:
            import ray  # noqa: F401
        except ImportError as error:
            raise ConfigError(f"hydra/launcher=ray needs Ray: pip install 'cnnrun[ray]' ({error})") from error
        super().setup(hydra_context=hydra_context, task_function=task_function, config=config)

    def runner(self, number_of_jobs: int) -> Runner:
        """Raises: ConfigError: if there is no cluster to join."""
        most = min(number_of_jobs, self._jobs or number_of_jobs)
        _join(self._address)
        return RayRunner(
            self.task.command, self.task.function, most, self._num_cpus, self._num_gpus, timeout_min=self._timeout_min
        )


class RayRunner:
    """Hands jobs to the cluster that this process has joined, and leaves it when closed."""

    def __init__(
        self,
        command: str,
        function: str,
        jobs: int,
        num_cpus: float,
        num_gpus: float,
        *,
        timeout_min: float | None,
    ) -> None:
        import ray

        self._command = command
        self._function = function
        self._jobs = jobs
        self._share = {"CPU": num_cpus, "GPU": num_gpus}
        self._timeout_min = timeout_min
        # a worker that has run a job would keep its modules, its threads and its memory on a GPU
        self._run = ray.remote(num_cpus=num_cpus, num_gpus=num_gpus, max_calls=1, max_retries=0)(run)
        self._running: dict[ObjectRef, Job] = {}
        if not _room(self._share):
            asked = ", ".join(f"{name}={amount:g}" for name, amount in self._share.items() if amount)
            console.warn(f"no machine of the cluster has {asked} for a job: they wait until one joins that has")

    def free(self) -> int:
        """One waits where there is no room at all, so that a cluster can see that it should grow."""
        return min(self._jobs, max(_room(self._share), 1)) - len(self._running)

    def start(self, jobs: Sequence[Job]) -> None:
        for job in jobs:
            hidden = {} if self._share["GPU"] else {"CUDA_VISIBLE_DEVICES": ""}
            errand = Errand.of(
                job,
                self._command,
                self._function,
                timeout_min=self._timeout_min,
                threads=max(int(self._share["CPU"]), 1),
                **hidden,
            )
            self._running[self._run.options(name=f"cnnrun {job.name}").remote(errand)] = job

    def ended(self, seconds: float) -> list[Ended]:
        import ray

        if self._running:
            ray.wait(list(self._running), timeout=seconds)
        done, _ = ray.wait(list(self._running), num_returns=len(self._running), timeout=0)
        return [Ended(self._running.pop(ref), _reason(ref)) for ref in done]

    def stop(self, signum: int) -> None:
        """They hear it as Ctrl-C, whatever the signal is. A second one, which interrupts the waiting, kills them."""
        self._cancel(force=False)
        until = time.monotonic() + GRACE
        with suppress(Interrupted, KeyboardInterrupt):
            while self._running and time.monotonic() < until:
                self.ended(1.0)
        self._cancel(force=True)
        self.ended(1.0)
        self._running.clear()

    def close(self) -> None:
        import ray

        if self._running:
            self.stop(signal.SIGTERM)
        ray.shutdown()

    def _cancel(self, *, force: bool) -> None:
        import ray

        for ref in self._running:
            ray.cancel(ref, force=force)


def _join(address: str) -> None:
    """Raises: ConfigError: if that is not possible; it says what to do."""
    import ray
    from ray.exceptions import RayError

    where = f"hydra.launcher.address={address}"
    handler = signal.getsignal(signal.SIGTERM)
    try:
        address = _found(address)
        _refuse_silence(address)
        ray.init(address=address, log_to_driver=False, configure_logging=False, logging_level=logging.ERROR)
    except (RayError, ConnectionError, RuntimeError, ValueError, OSError) as error:
        raise ConfigError(f"{where}: {_advice(error)}") from error
    finally:
        signal.signal(signal.SIGTERM, handler)  # Ray's would end this process before its jobs are told


def _found(address: str) -> str:
    """What Ray takes `auto` for, which may be that of a cluster that has died.

    Raises:
        ConnectionError: if there is none.
    """
    if address != "auto":
        return address
    from ray._private import services

    return str(services.canonicalize_bootstrap_address(address))


def _refuse_silence(address: str) -> None:
    """Raises: ConnectionError: if nobody listens there."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not port.isdigit():
        return
    try:
        socket.create_connection((host.strip("[]"), int(port)), ANSWERS_WITHIN).close()
    except OSError as error:
        raise ConnectionError(f"nobody answers at {host}:{port} ({error.strerror or error})") from error


def _advice(error: Exception) -> str:
    from ray.exceptions import AuthenticationError

    said = " ".join(str(error).split())
    if isinstance(error, AuthenticationError):
        return (
            "the cluster asks for a token: RAY_AUTH_TOKEN or ~/.ray/auth_token as on the machine that started it, "
            f"see ray get-auth-token ({said.partition('. ')[0]})"
        )
    if isinstance(error, ConnectionError):
        return f"no Ray cluster: {said.partition('. ')[0]}; start one with: ray start --head"
    if "Version mismatch" in said:
        return (
            f"the cluster has another Python or Ray, install the same there: {said.removeprefix('Version mismatch: ')}"
        )
    return said


def _room(share: dict[str, float]) -> int:
    """How many jobs the cluster can have at a time, if nobody else uses it."""
    import ray

    asked = {name: amount for name, amount in share.items() if amount}
    machines = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    return sum(min(int(has.get(name, 0) // amount) for name, amount in asked.items()) for has in machines)


def _reason(ref: "ObjectRef") -> str:
    """Why a job ended that could not say so itself."""
    import ray
    from ray import exceptions

    try:
        return str(ray.get(ref))
    except exceptions.RayTaskError as error:
        return f"{type(error.cause).__name__}: {error.cause}"
    except exceptions.OutOfMemoryError:
        return "killed by Ray: its machine ran out of memory"
    except exceptions.NodeDiedError:
        return "its machine left the Ray cluster"
    except exceptions.WorkerCrashedError:
        return "its Ray worker was killed (most often: out of memory)"
    except exceptions.RayError as error:
        return f"{type(error).__name__}: {' '.join(str(error).split())}"

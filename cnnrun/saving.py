"""What a training keeps on the disk while it runs: `last`, `best` and the history."""

import time
from typing import Any

from torch import Tensor

from cnnrun.errors import DataError
from cnnrun.run import Run
from cnnrun.tables import HISTORY
from cnnrun.training import checkpoints, distributed
from cnnrun.training.fit import Fit
from cnnrun.training.records import Epoch
from cnnrun.training.state import State

SECONDS_BETWEEN = 1.0
"""Between two savings, at least: a checkpoint that reaches the disk takes some ten milliseconds, longer than many an
epoch. What a kill can cost is this, and the epoch that was running."""


BEST = "best"
"""In the checkpoint `last`: the best weights, where they were not on the disk yet."""


Checkpoint = tuple[dict[str, dict[str, Tensor]], dict[str, Any]]
"""Tensors by file and name, and plain values."""


class Saving:
    """Writes the state after an epoch, unless it did a moment ago; `now` writes what was left."""

    def __init__(self, run: Run, fit: Fit) -> None:
        self.run = run
        self.fit = fit
        self._best: tuple[dict[str, Tensor], dict[str, Any]] | None = None
        self._saved = time.monotonic()

    def epoch(self, epoch: Epoch) -> None:
        """Take note of an epoch that has just ended."""
        if epoch.is_best:
            weights = {name: tensor.clone() for name, tensor in self.fit.state.judged.state_dict().items()}
            self._best = weights, best_facts(self.fit.state)
        monitor = f"val/{self.fit.task.monitor}"
        losses = f"train/loss {epoch.train['loss']:.4g}, {monitor} {epoch.row()[monitor]:.4g}"
        self.run.log(f"epoch {epoch.number}: {losses}")
        if epoch.stop:
            self.run.log(epoch.stop)
        is_due = epoch.stop or time.monotonic() - self._saved >= SECONDS_BETWEEN
        if distributed.most_urgent(bool(is_due), self.fit.compute.device):  # all processes save, or none
            self.now()

    def now(self) -> None:
        """Write `last` first: a run that ends before the others are written finds in it what they hold."""
        state = self.fit.state
        tensors, values = state.tensors(), state.values()
        if self._best is not None and self._best[1]["epoch"] == state.progress.epoch and not state.progress.step:
            self.run.save_checkpoint("last", tensors, values)  # its weights are the best ones
            save_best(self.run, *self._best)
        elif self._best is not None:
            weights, facts = self._best
            self.run.save_checkpoint("last", tensors | {BEST: weights}, values | {BEST: facts})
            save_best(self.run, weights, facts)
            self.run.save_checkpoint("last", tensors, values)
        else:
            self.run.save_checkpoint("last", tensors, values)
        self._best = None
        self.run.write_rows(HISTORY, state.progress.history)
        self._saved = time.monotonic()


def best_facts(state: State) -> dict[str, Any]:
    """What the checkpoint `best` says beside its weights, right after the best epoch."""
    row = state.progress.history[-1]
    val = {name.removeprefix("val/"): value for name, value in row.items() if name.startswith("val/")}
    return {"epoch": state.progress.epoch, "val": val}


def save_best(run: Run, weights: dict[str, Tensor], facts: dict[str, Any]) -> None:
    run.save_checkpoint("best", {"model": weights}, facts)


def restore_best(run: Run, fit: Fit, last: Checkpoint) -> None:
    """Let `best` hold what `last` calls the best, also where the run ended before it was written.

    Raises:
        DataError: if it holds something else, and the weights are gone.
    """
    progress, (tensors, values) = fit.state.progress, last
    if not progress.best_epoch:
        return
    if BEST in tensors:
        save_best(run, tensors[BEST], values[BEST])
    elif progress.best_epoch == progress.epoch == len(progress.history) and not progress.step:
        save_best(run, dict(fit.state.judged.state_dict()), best_facts(fit.state))
    if not run.has_checkpoint("best"):
        raise DataError(f"{run.checkpoint('best')} is gone, and with it the best epoch; train again, into a new folder")
    _, values = checkpoints.read(run.checkpoint("best"))
    there = values.get("epoch"), values.get("val", {}).get(fit.task.monitor)
    if there != (progress.best_epoch, progress.best):
        raise DataError(
            f"{run.checkpoint('best')} is of epoch {there[0]} (val/{fit.task.monitor} {there[1]}), but 'last' says "
            f"that epoch {progress.best_epoch} was the best ({progress.best}), whose weights are gone; "
            "train again, into a new folder"
        )

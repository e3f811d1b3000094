"""When training ends, and which epoch is the best."""

from dataclasses import dataclass

from cnnrun.training.state import Progress


@dataclass(frozen=True)
class Plan:
    """When training ends, and what is done to gradients."""

    epochs: int
    max_seconds: float | None
    patience: int | None
    min_delta: float
    grad_clip: float | None
    seed: int
    keeps_last: bool = False
    """Whether the best epoch is the last one: val was trained on, and cannot tell."""

    def reason_to_end(self, progress: Progress, out_of_time: bool) -> str | None:
        """Why training is over, None while it is not."""
        if progress.epoch >= self.epochs:
            return f"all {self.epochs} epochs are done"
        if self.patience is not None and progress.waited >= self.patience:
            return f"no improvement for {progress.waited} epochs (patience={self.patience})"
        # The first epoch has a step at least, whatever filling took: without any there would be nothing to judge.
        if progress.epoch and out_of_time:
            return f"the time is used up (max_seconds={self.max_seconds:g})"
        return None

    def is_out_of_time(self, progress: Progress) -> bool:
        """By the clock of this process."""
        return self.max_seconds is not None and progress.seconds + progress.epoch_seconds >= self.max_seconds

    def judge(self, progress: Progress, monitor: float, higher_is_better: bool) -> bool:
        """Note how good the epoch was that ends, for `best` and early stopping; whether it is the best so far."""
        sign = 1 if higher_is_better else -1
        if progress.reference is None or sign * (monitor - progress.reference) > self.min_delta:
            progress.reference, progress.waited = monitor, 0
        else:
            progress.waited += 1
        is_best = progress.best is None or sign * (monitor - progress.best) > 0
        if not is_best and not self.keeps_last:
            return False
        progress.best, progress.best_epoch = monitor, progress.epoch + 1
        return True

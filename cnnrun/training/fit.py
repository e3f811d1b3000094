"""The training loop: a generator that knows no files and prints nothing."""

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from cnnrun.data.loaders import Batch, ResidentLoader
from cnnrun.errors import Diverged
from cnnrun.seeds import seed_of
from cnnrun.tasks.classification import Classification
from cnnrun.training import distributed
from cnnrun.training.device import Compute
from cnnrun.training.records import Epoch, Step, Stopped
from cnnrun.training.state import State

SHOW_EVERY = 0.25
"""Seconds between two `Step` records."""


@dataclass(frozen=True)
class Plan:
    """When training ends, and what is done to gradients."""

    epochs: int
    max_seconds: float | None
    patience: int | None
    min_delta: float
    grad_clip: float | None
    seed: int


class Fit:
    """One training: what stays the same while its `State` moves."""

    def __init__(
        self,
        state: State,
        task: Classification,
        train: ResidentLoader,
        val: ResidentLoader,
        compute: Compute,
        plan: Plan,
    ) -> None:
        self.state = state
        self.task = task
        self.train = train
        self.val = val
        self.compute = compute
        self.plan = plan
        forward = distributed.wrap(state.model, compute.device)
        self._forward = torch.compile(forward) if compute.compile else forward
        self._trainable = [parameter for parameter in state.model.parameters() if parameter.requires_grad]

    def run(self, should_stop: Callable[[], bool]) -> Iterator[Step | Epoch | Stopped]:
        """Train to the end of the plan from wherever the state stands.

        Yields a Step a few times a second, an Epoch after each epoch, and one Stopped, as its last, once `should_stop`
        is true. At each of them the state may be saved.

        Raises:
            Diverged: if a loss is NaN or infinite.
        """
        while not self.reason_to_end():
            for record in self._steps(should_stop):
                yield record
                if isinstance(record, Stopped):
                    return
            yield self._end_epoch()

    def _steps(self, should_stop: Callable[[], bool]) -> Iterator[Step | Stopped]:
        progress, state = self.state.progress, self.state
        state.model.train()
        began, before = time.perf_counter(), progress.epoch_seconds
        shown = began
        for batch in self.train.batches(progress.epoch, progress.step):
            self._update(batch)
            now = time.perf_counter()
            progress.epoch_seconds = before + now - began
            if now - shown > SHOW_EVERY:
                shown = now
                yield self._step_record()
            if distributed.agree(should_stop(), progress.updates, self.compute.device):
                yield Stopped(progress.epoch + 1, progress.step)
                return
            if self._out_of_time(progress.updates):
                return

    def _update(self, batch: Batch) -> None:
        """One optimizer step."""
        state, progress = self.state, self.state.progress
        torch.manual_seed(seed_of(self.plan.seed, progress.epoch, progress.step, distributed.rank()))
        state.set_lr()
        with self.compute.autocast():
            outputs = self._forward(batch.inputs)
        loss = self.task.loss(outputs, batch.targets)
        # Processes average their gradients, so each scales its share up to the mean over the whole batch.
        state.scaler.scale(loss * (distributed.world_size() / batch.total)).backward()
        if self.plan.grad_clip is not None:
            state.scaler.unscale_(state.optimizer)
            nn.utils.clip_grad_norm_(self._trainable, self.plan.grad_clip)
        state.scaler.step(state.optimizer)
        state.scaler.update()
        state.optimizer.zero_grad(set_to_none=True)
        progress.step += 1
        progress.updates += 1
        if state.average:
            state.average.update(progress.updates)
        state.loss_sum += loss.detach()
        state.correct += self.task.correct(outputs.detach(), batch.targets)

    def _step_record(self) -> Step:
        progress = self.state.progress
        seen = min(progress.step * self.train.batch_size, self.train.num_samples)
        loss = self.state.loss_sum.item() * distributed.world_size() / seen
        if not math.isfinite(loss):
            raise self._diverged("train/loss", loss)
        return Step(
            epoch=progress.epoch + 1,
            epochs=self.plan.epochs,
            step=progress.step,
            steps=self.train.steps,
            loss=loss,
            samples_per_second=seen / progress.epoch_seconds,
        )

    def _end_epoch(self) -> Epoch:
        """Validate, judge, and make the state ready for the next epoch."""
        state, progress = self.state, self.state.progress
        seen = min(progress.step * self.train.batch_size, self.train.num_samples)
        train_seconds = progress.epoch_seconds
        train = {
            "loss": distributed.total(state.loss_sum).item() / seen,
            "accuracy": distributed.total(state.correct).item() / seen,
        }
        if not math.isfinite(train["loss"]):
            raise self._diverged("train/loss", train["loss"])
        began = time.perf_counter()
        val = self._validate()
        is_best = self._judge(val[self.task.monitor])
        lr = state.optimizer.param_groups[0]["lr"]
        seconds = train_seconds + time.perf_counter() - began
        progress.epoch += 1
        progress.step = 0
        progress.seconds += seconds
        progress.epoch_seconds = 0.0
        state.loss_sum.zero_()
        state.correct.zero_()
        epoch = Epoch(
            number=progress.epoch,
            step=progress.updates,
            train=train,
            val=val,
            lr=lr,
            seconds=seconds,
            samples_per_second=seen / train_seconds,
            is_best=is_best,
            stop=self.reason_to_end(),
        )
        progress.history.append(epoch.row())
        return epoch

    def _validate(self) -> dict[str, float]:
        outputs = predict(self.state.judged, self.val, self.compute)
        broken = outputs[~torch.isfinite(outputs)]
        if len(broken):
            raise self._diverged("an output on val", broken[0].item())
        return self.task.epoch_metrics(outputs, self.val.targets.cpu())

    def _judge(self, monitor: float) -> bool:
        """Note how good the epoch was, for `best`, early stopping and the plateau schedule."""
        progress = self.state.progress
        sign = 1 if self.task.higher_is_better else -1
        self.state.schedule.observe(monitor, self.task.higher_is_better)
        if progress.reference is None or sign * (monitor - progress.reference) > self.plan.min_delta:
            progress.reference, progress.waited = monitor, 0
        else:
            progress.waited += 1
        if progress.best is not None and sign * (monitor - progress.best) <= 0:
            return False
        progress.best, progress.best_epoch = monitor, progress.epoch + 1
        return True

    def reason_to_end(self) -> str | None:
        """Why training is over, None while it is not."""
        progress, plan = self.state.progress, self.plan
        if progress.epoch >= plan.epochs:
            return f"all {plan.epochs} epochs are done"
        if plan.patience is not None and progress.waited >= plan.patience:
            return f"no improvement for {progress.waited} epochs (patience={plan.patience})"
        if self._out_of_time(asked_at=0):
            return f"the time is used up (max_seconds={plan.max_seconds:g})"
        return None

    def _out_of_time(self, asked_at: int) -> bool:
        """Whether the training time is used up; `asked_at` as in distributed.agree."""
        if self.plan.max_seconds is None:
            return False
        progress = self.state.progress
        over = progress.seconds + progress.epoch_seconds >= self.plan.max_seconds
        return distributed.agree(over, asked_at, self.compute.device)

    def _diverged(self, what: str, value: float) -> Diverged:
        progress = self.state.progress
        broken = [name for name, weights in self.state.model.named_parameters() if not torch.isfinite(weights).all()]
        weights = (
            f"weights that are no longer finite: {', '.join(broken[:3])}" if broken else "all weights are still finite"
        )
        return Diverged(
            f"{what} became {value} in epoch {progress.epoch + 1}, by step {progress.step} of {self.train.steps} "
            f"(lr {self.state.optimizer.param_groups[0]['lr']:g}; {weights}); try a lower optimizer.lr, or grad_clip=1"
        )


@torch.inference_mode()
def predict(model: nn.Module, loader: ResidentLoader, compute: Compute) -> Tensor:
    """The outputs of the model, in eval mode, for every sample of the loader's split, in the split's order.

    Returns:
        (N, K) float32 on the CPU; the same on every process.
    """
    model.eval()
    outputs: Tensor | None = None
    for batch in loader.batches():
        with compute.autocast():
            part = model(batch.inputs).float()
        if outputs is None:
            outputs = torch.zeros(loader.num_samples, part.shape[1], device=compute.device)
        outputs[batch.indices] = part
    assert outputs is not None, "a split is never empty"
    return distributed.total(outputs).cpu()

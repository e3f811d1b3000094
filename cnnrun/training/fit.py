"""The training loop: a generator that knows no files and prints nothing."""

import math
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from dataclasses import dataclass
from enum import IntEnum

import torch
from torch import Tensor, nn

from cnnrun.data.loaders import Batch, ResidentLoader
from cnnrun.errors import ConfigError, Diverged
from cnnrun.models.freezing import freezing_of
from cnnrun.seeds import seed_of
from cnnrun.tasks.task import CountsCorrect, Task
from cnnrun.training import distributed
from cnnrun.training.device import Compute, memory_permitting, seed_dropout
from cnnrun.training.parted import Feed, Loader, Parted
from cnnrun.training.records import Epoch, Filled, Filling, Step, Stopped
from cnnrun.training.state import State

SHOW_EVERY = 0.25
"""Seconds between two `Step` records."""


class Wish(IntEnum):
    """What a process wants after a step; of several processes all do what the most urgent one wants."""

    GO_ON = 0
    END_EPOCH = 1
    """The time is used up."""
    STOP = 2
    """The training was asked to stop."""
    GIVE_UP = 3
    """The loss is no number."""


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


class Fit:
    """One training: what stays the same while its `State` moves."""

    def __init__(
        self,
        state: State,
        task: Task,
        train: ResidentLoader,
        val: ResidentLoader,
        compute: Compute,
        plan: Plan,
        parted: Parted | None = None,
    ) -> None:
        self.state = state
        self.task = task
        self._counting = task if isinstance(task, CountsCorrect) else None
        self.train = train
        self.val = val
        self.compute = compute
        self.plan = plan
        self.parted = parted
        distributed.synchronise_batch_norm(state.model, compute.device)
        # What is before the cut is computed by the feeds; only what is after it is called here.
        self._net = parted.tail(state.model) if parted else state.model
        self._judged = (parted.tail(state.judged) if parted else state.judged) if state.average else self._net
        self._train: Loader | Feed = parted.feed(train) if parted else train
        self._val: Loader | Feed = parted.feed(val) if parted else val
        self._freezing = freezing_of(state.model)
        self._wrap()
        self._wanted = Wish.GO_ON
        self._trainable = [parameter for parameter in state.model.parameters() if parameter.requires_grad]

    def _wrap(self) -> None:
        forward = distributed.wrap(self._net, self.compute.device)
        self._forward = compiled(forward) if self.compute.compile else forward

    def run(self, should_stop: Callable[[], bool]) -> Iterator[Filling | Filled | Step | Epoch | Stopped]:
        """Train to the end of the plan from wherever the state stands.

        Where a frozen part of the model is parted off, Filling comes first, a few times a second, and one Filled.
        Yields a Step a few times a second, an Epoch after each epoch, and one Stopped, as its last, once `should_stop`
        is true. At each of them the state may be saved.

        Raises:
            Diverged: if a loss is NaN or infinite.
            CnnrunError: if the memory is not enough for a step.
        """
        if self.parted and not self.reason_to_end():
            with closing(self._fill(self.parted)) as filling:
                for report in filling:
                    yield report
                    # Of several processes one alone may not leave: the others would wait for it.
                    if distributed.world_size() == 1 and should_stop():
                        yield Stopped(self.state.progress.epoch + 1, self.state.progress.step)
                        return
        while not self.reason_to_end():
            for record in self._steps(should_stop):
                yield record
                if isinstance(record, Stopped):
                    return
            yield self._end_epoch()

    def _fill(self, parted: Parted) -> Generator[Filling | Filled, None, None]:
        """Compute the activations that are kept; the time counts as training."""
        began = shown = time.perf_counter()
        for feed in (self._train, self._val):
            assert isinstance(feed, Feed)
            for record in feed.fill():
                now = time.perf_counter()
                if now - shown > SHOW_EVERY:
                    shown = now
                    yield record
        seconds = time.perf_counter() - began
        self.state.progress.seconds += seconds
        yield parted.filled([self.train, self.val], seconds)

    def _begin_epoch(self) -> None:
        """Bring every module into the mode that it trains in, and freeze what waits for a later epoch."""
        if self._freezing is not None:
            waited = self._freezing.waits
            self._freezing.begin_epoch(self.state.model, self.state.progress.epoch)
            if waited != self._freezing.waits and distributed.world_size() > 1:
                self._wrap()  # it notes which parameters have gradients
        self._net.train()

    def _steps(self, should_stop: Callable[[], bool]) -> Iterator[Step | Stopped]:
        progress, state = self.state.progress, self.state
        self._begin_epoch()
        began, before = time.perf_counter(), progress.epoch_seconds
        shown = began
        for batch in self._train.batches(progress.epoch, progress.step):
            with memory_permitting(self.compute.device):
                self._update(batch)
            now = time.perf_counter()
            progress.epoch_seconds = before + now - began
            wish = self._wish(should_stop)
            if now - shown > SHOW_EVERY:
                shown = now
                record = self._step_record()
                wish = wish if math.isfinite(record.loss) else Wish.GIVE_UP
                yield record
            wish = self._agreed(wish)
            if wish == Wish.GIVE_UP:
                raise self._diverged("train/loss", self._mean(state.loss_sum))
            if wish == Wish.STOP:
                yield Stopped(progress.epoch + 1, progress.step)
                return
            if wish == Wish.END_EPOCH:
                break
        state.loss_sum.item()  # waits for a device that still has steps to do
        progress.epoch_seconds = before + time.perf_counter() - began

    def _wish(self, should_stop: Callable[[], bool]) -> Wish:
        if should_stop():
            return Wish.STOP
        return Wish.END_EPOCH if self._out_of_time() else Wish.GO_ON

    def _agreed(self, wish: Wish) -> Wish:
        """What to do after this step: with several processes the same in all of them, and now and then only."""
        if distributed.world_size() > 1:
            self._wanted = max(self._wanted, wish)
            if self.state.progress.updates % distributed.AGREE_EVERY:
                return Wish.GO_ON
            wish, self._wanted = self._wanted, Wish.GO_ON
        return Wish(distributed.most_urgent(wish, self.compute.device))

    def _update(self, batch: Batch) -> None:
        """One optimizer step."""
        state, progress = self.state, self.state.progress
        seed_dropout(seed_of(self.plan.seed, progress.epoch, progress.step, distributed.rank()), self.compute.device)
        state.set_lr(progress.updates)
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
        if self._counting:
            state.correct += self._counting.correct(outputs.detach(), batch.targets)

    def _step_record(self) -> Step:
        """What this process knows: its own loss stands for that of all."""
        progress = self.state.progress
        return Step(
            epoch=progress.epoch + 1,
            epochs=self.plan.epochs,
            step=progress.step,
            steps=self.train.steps,
            loss=self.state.loss_sum.item() * distributed.world_size() / self._seen,
            samples_per_second=self._seen / progress.epoch_seconds,
        )

    @property
    def _seen(self) -> int:
        """Samples of the running epoch so far, over all processes."""
        return self.train.samples_until(self.state.progress.step)

    def _mean(self, summed: Tensor) -> float:
        """Over the samples of the epoch so far, of all processes; all must call it."""
        return distributed.total(summed.clone()).item() / self._seen

    def _end_epoch(self) -> Epoch:
        """Validate, judge, and make the state ready for the next epoch."""
        state, progress = self.state, self.state.progress
        seen, train_seconds = self._seen, progress.epoch_seconds
        train = {"loss": self._mean(state.loss_sum)}
        if self._counting:
            train["accuracy"] = self._mean(state.correct)
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
        distributed.share_buffers(self.state.judged)
        outputs = predict(self._judged, self._val, self.compute)
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
        is_best = progress.best is None or sign * (monitor - progress.best) > 0
        if not is_best and not self.plan.keeps_last:
            return False
        progress.best, progress.best_epoch = monitor, progress.epoch + 1
        return True

    def reason_to_end(self) -> str | None:
        """Why training is over, None while it is not; all processes must call it."""
        progress, plan = self.state.progress, self.plan
        if progress.epoch >= plan.epochs:
            return f"all {plan.epochs} epochs are done"
        if plan.patience is not None and progress.waited >= plan.patience:
            return f"no improvement for {progress.waited} epochs (patience={plan.patience})"
        # The first epoch has a step at least, whatever filling took: without any there would be nothing to judge.
        if progress.epoch and distributed.most_urgent(self._out_of_time(), self.compute.device):
            return f"the time is used up (max_seconds={plan.max_seconds:g})"
        return None

    def _out_of_time(self) -> bool:
        progress, limit = self.state.progress, self.plan.max_seconds
        return limit is not None and progress.seconds + progress.epoch_seconds >= limit

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


def compiled(forward: nn.Module) -> Callable[[Tensor], Tensor]:
    """The forward, compiled at its first call.

    Raises:
        ConfigError: then, if this machine cannot compile.
    """
    # The compiler gives up on a function that it has compiled often, in other jobs of this process too.
    torch.compiler.reset()
    # A graph for each size of batch, of which there are two: the order in which they come changes neither.
    fast = torch.compile(forward, dynamic=False)

    def call(inputs: Tensor) -> Tensor:
        try:
            return fast(inputs)
        except RuntimeError as error:
            if not type(error).__module__.startswith(("torch._dynamo", "torch._inductor")):
                raise
            reason = str(error).strip().splitlines()[0]
            raise ConfigError(f"compile=true does not work here ({reason}); use compile=false") from error

    return call


@torch.inference_mode()
def predict(model: nn.Module, loader: Loader, compute: Compute) -> Tensor:
    """The outputs of the model, in eval mode, for every sample of the loader's split, in the split's order.

    Returns:
        (N, K) float32 on the CPU; the same on every process.
    """
    model.eval()
    outputs: Tensor | None = None
    for batch in loader.batches():
        with memory_permitting(compute.device), compute.autocast():
            part = model(batch.inputs).float()
        if outputs is None:
            outputs = torch.zeros(loader.num_samples, part.shape[1], device=compute.device)
        outputs[batch.indices] = part
    assert outputs is not None, "a split is never empty"
    return distributed.total(outputs).cpu()

"""The training loop: a generator that knows no files and prints nothing."""

import math
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import closing

import torch
from torch import Tensor, nn

from cnnrun.data.loaders import Batch, ResidentLoader
from cnnrun.models.freezing import freezing_of
from cnnrun.seeds import seed_of
from cnnrun.tasks.task import CountsCorrect, Task
from cnnrun.training import distributed
from cnnrun.training.compiling import compiled
from cnnrun.training.device import Compute, memory_permitting, seed_dropout
from cnnrun.training.divergence import diverged
from cnnrun.training.inference import predict
from cnnrun.training.parted import Feed, Loader, Parted
from cnnrun.training.plan import Plan
from cnnrun.training.records import Epoch, Filled, Filling, Step, Stopped
from cnnrun.training.state import State
from cnnrun.training.wishes import Agreement, Wish

SHOW_EVERY = 0.25
"""Seconds between two `Step` records."""


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
        self._agreement = Agreement(compute.device)
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
            wish = self._agreement.on(wish, progress.updates)
            if wish == Wish.GIVE_UP:
                raise diverged("train/loss", self._mean(state.loss_sum), state, self.train.steps)
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
        return Wish.END_EPOCH if self.plan.is_out_of_time(self.state.progress) else Wish.GO_ON

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
        progress = self.state.progress
        seen, train_seconds = self._seen, progress.epoch_seconds
        train = self._train_metrics()
        began = time.perf_counter()
        val = self._validate()
        is_best = self._judge(val[self.task.monitor])
        seconds = train_seconds + time.perf_counter() - began
        self._begin_next(seconds)
        epoch = Epoch(
            number=progress.epoch,
            step=progress.updates,
            train=train,
            val=val,
            lr=self.state.optimizer.param_groups[0]["lr"],
            seconds=seconds,
            samples_per_second=seen / train_seconds,
            is_best=is_best,
            stop=self.reason_to_end(),
        )
        progress.history.append(epoch.row())
        return epoch

    def _train_metrics(self) -> dict[str, float]:
        """Of the steps of the epoch, as they were taken."""
        loss = self._mean(self.state.loss_sum)
        accuracy = {"accuracy": self._mean(self.state.correct)} if self._counting else {}
        if not math.isfinite(loss):
            raise diverged("train/loss", loss, self.state, self.train.steps)
        return {"loss": loss} | accuracy

    def _begin_next(self, seconds: float) -> None:
        """Count the epoch, which took so long."""
        progress = self.state.progress
        progress.epoch += 1
        progress.step = 0
        progress.seconds += seconds
        progress.epoch_seconds = 0.0
        self.state.loss_sum.zero_()
        self.state.correct.zero_()

    def _validate(self) -> dict[str, float]:
        distributed.share_buffers(self.state.judged)
        outputs = predict(self._judged, self._val, self.compute)
        broken = outputs[~torch.isfinite(outputs)]
        if len(broken):
            raise diverged("an output on val", broken[0].item(), self.state, self.train.steps)
        return self.task.epoch_metrics(outputs, self.val.targets.cpu())

    def _judge(self, monitor: float) -> bool:
        """Note how good the epoch was, also for the plateau schedule; whether it is the best so far."""
        self.state.schedule.observe(monitor, self.task.higher_is_better)
        return self.plan.judge(self.state.progress, monitor, self.task.higher_is_better)

    def reason_to_end(self) -> str | None:
        """Why training is over, None while it is not; all processes must call it."""
        progress = self.state.progress
        out_of_time = distributed.most_urgent(self.plan.is_out_of_time(progress), self.compute.device)
        return self.plan.reason_to_end(progress, bool(out_of_time))

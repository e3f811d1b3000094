"""`cnnrun train`: one training, from its config to its folder of tables, pictures and checkpoints."""

import shlex
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import Any

from cnnrun import config as configs
from cnnrun import console, experiment, opening, tracking
from cnnrun.backtest import backtest, headline, require_series, summary
from cnnrun.config import Invocation, Watch
from cnnrun.errors import Diverged, Interrupted
from cnnrun.experiment import Experiment
from cnnrun.report.drawing import draw, read
from cnnrun.report.ending import finish, prune
from cnnrun.run import Run
from cnnrun.saving import Saving
from cnnrun.settings import TrainSettings
from cnnrun.signals import Signals
from cnnrun.tables import BACKTEST, HISTORY
from cnnrun.tracking import Session
from cnnrun.training import distributed
from cnnrun.training.crowding import crowding
from cnnrun.training.device import prepare, resolve_device
from cnnrun.training.fit import Fit
from cnnrun.training.records import Epoch, Filled, Filling, Step, Stopped


def train(config: dict[str, Any], invocation: Invocation) -> None:
    """Train, judge `best` on train, val and, unless it is to stay unread, test, and write the run's folder.

    Raises:
        CnnrunError: of the kind that says what went wrong; the run's folder says it too.
    """
    settings = configs.bind(TrainSettings, config)
    device = resolve_device(settings.device)
    prepare(device, reproducibility=settings.reproducibility, threads=settings.threads)
    if crowded := crowding(device, settings.threads):
        console.note(crowded)
    with distributed.together(device):
        with console.downloads() as progress:
            fresh = settings.resume is None
            begins = fresh or not Run.open(config["resume"]).has_checkpoint("last")
            if begins:
                distributed.first_then_others(lambda: experiment.fetch_weights(config, progress))
            data = distributed.first_then_others(lambda: opening.load_data(config, invocation, progress))
            require_series(data, settings.backtest["folds"])
            build = partial(experiment.build, config, data, device, progress, pretrained=begins)
            parts = distributed.first_then_others(build)
        config = config | {"precision": parts.compute.precision}
        fit = experiment.prepare_training(config, parts)
        run = opening.new_run(config, invocation, parts) if fresh else opening.resumed_run(config, parts, fit)
        if run is None:
            return
        parts = parts if begins else parts.with_modes_as_they_are()
        if distributed.is_first():
            console.tell_all(experiment.never_used(config, parts, fit), [*invocation.remarks, *parts.remarks])
            if lines := parts.layer_summary():
                console.tell_table(lines)
        advice = f"; go on with: cnnrun train {shlex.quote(f'resume={run.path}')}"
        with tracking.tracked(config, run) as tracker, run.recorded(advice), Signals() as signals:
            run.write_preprocessing(parts.data.stored())
            tracker.begin(config, fit.state.progress.epoch, signals)
            try:
                hopeless = _train(run, fit, signals, invocation.watch, tracker)
            except Diverged as error:
                raise Diverged(f"{error}; {_keep_evidence(run, fit)}") from error
            if hopeless:
                prune(run, fit, hopeless)
                return
            signals.interrupt_at_once()
            if settings.backtest["folds"]:
                _backtest(run, config, parts, figures=settings.figures)
            results = finish(run, parts, fit, test=settings.test, figures=settings.figures)
            tracker.results(results)
    if results:
        console.results(results, run.path, parts.data.unit)


def _train(run: Run, fit: Fit, signals: Signals, watch: Watch | None, tracker: Session) -> str | None:
    """Train to the end, with the history and the checkpoints on the disk; why it was ended early, if `watch` did."""
    saving = Saving(run, fit)
    with _display(fit) as display:
        for record in fit.run(signals):
            match record:
                case Filling():
                    if display:
                        display.filling(record)
                case Filled():
                    run.update(prefix=record.facts)
                    run.log(record.sentence)
                    if display:
                        display.note(record.sentence)
                case Step():
                    if display:
                        display.step(record)
                case Epoch():
                    saving.epoch(record)
                    tracker.epoch(record.row())
                    if display:
                        display.epoch(record)
                    if watch and (hopeless := _verdict(watch, record, fit)):
                        saving.now()
                        return hopeless
                case Stopped():
                    saving.now()
                    raise Interrupted(f"stopped in epoch {record.epoch} after step {record.step}", signals.number)
    return None


def _verdict(watch: Watch, epoch: Epoch, fit: Fit) -> str | None:
    """What the watch says of an epoch, asked in one process; the last one it cannot end. All processes must call it."""
    sentence = distributed.on_first(lambda: watch(epoch.number, epoch.val[fit.task.monitor]))
    return None if epoch.stop else sentence


def _backtest(run: Run, config: dict[str, Any], parts: Experiment, *, figures: bool) -> None:
    """Fill tables/backtest.csv, fold by fold; a run that goes on has some already."""
    folds, unit = config["backtest"]["folds"], parts.data.unit
    rows: list[dict[str, Any]] = distributed.on_first(lambda: run.rows(BACKTEST))
    metric = headline(parts.data)
    for row in backtest(config, parts.data, parts.compute.device, done=len(rows)):
        rows.append(row)
        run.write_rows(BACKTEST, rows)
        if distributed.is_first():
            console.note(f"backtest, fold {row['fold']} of {folds}: {metric} {row[metric]:.4g}")
    if distributed.is_first():
        run.update(backtest=summary(rows, metric, unit))
        if figures:
            run.write_figure(BACKTEST.name, draw(BACKTEST.name, read(run.table_file(BACKTEST.name)), metric, unit))


def _display(fit: Fit) -> AbstractContextManager[console.Display | None]:
    """What shows the progress, in the process that speaks."""
    if not distributed.is_first():
        return nullcontext()
    progress = fit.state.progress
    best = None if progress.best is None else (progress.best, progress.best_epoch)
    return console.Display(fit.plan.epochs, f"val/{fit.task.monitor}", best)


def _keep_evidence(run: Run, fit: Fit) -> str:
    """Save what a training that diverged has come to, broken weights and all; says where."""
    run.write_rows(HISTORY, fit.state.progress.history)
    run.save_checkpoint("diverged", fit.state.weights(), fit.state.values())
    return f"the weights as they were then are in {run.checkpoint('diverged')}"

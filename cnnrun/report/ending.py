"""What a training ends with: its results, tables and figures, and what run.json says of how it went."""

import shlex
from typing import Any

from cnnrun import console
from cnnrun.experiment import Experiment
from cnnrun.report import Outputs, outputs_of, report_of
from cnnrun.report.drawing import draw_training
from cnnrun.run import Run
from cnnrun.tables import LAYERS, RESULTS
from cnnrun.training import checkpoints, distributed
from cnnrun.training.fit import Fit


def finish(run: Run, parts: Experiment, fit: Fit, *, test: bool, figures: bool) -> list[dict[str, Any]]:
    """Judge the best weights on every split, and record the run as finished. All processes must call it.

    Args:
        test: whether its split is read, which happens here, once; else tables and figures are those of val.
    Returns:
        the rows of tables.RESULTS, in the process that speaks; none in the others.
    """
    weights, _ = distributed.on_first(lambda: checkpoints.read(run.require_checkpoint("best")))
    parts.model.load_state_dict(weights["model"])
    data = parts.data
    outputs = outputs_of(parts, [data.train, data.val, *([data.test] if test else [])])
    stopped = fit.reason_to_end()
    return _report(run, parts, fit, outputs, stopped, figures=figures) if distributed.is_first() else []


def prune(run: Run, fit: Fit, reason: str) -> None:
    """Record a training that a search ended early; test is not read."""
    run.update(status="pruned", reason=reason, **_how_it_went(fit))
    run.log(f"pruned: {reason}")
    if distributed.is_first():
        console.note(f"pruned after epoch {fit.state.progress.epoch}: {reason}; test was not read: {run.path}")


def _report(
    run: Run, parts: Experiment, fit: Fit, outputs: Outputs, stopped: str | None, *, figures: bool
) -> list[dict[str, Any]]:
    """Write what people read, say what deserves a look, and return the rows of results.csv."""
    progress, report, last = fit.state.progress, report_of(parts), list(outputs)[-1]
    judged = report.judge(outputs, [float(row["train/loss"]) for row in progress.history])
    run.write_rows(RESULTS, judged.rows)
    run.write_preprocessing(report.stored())
    run.write_rows(LAYERS, parts.layers)
    report.write_tables(run, outputs, last)
    warnings = [*parts.warnings, *judged.warnings]
    test_reads = run.record.get("test_reads", 0) + ("test" in outputs)
    early = [f"training ended before its last epoch: {stopped}"] if progress.epoch < fit.plan.epochs else []
    found = [run.record["backtest"]] if "backtest" in run.record else []
    notes = [*early, *judged.notes, *found, *_readings_of_test(run, test_reads)]
    if figures:
        report.draw_data(run, fit.train)
        draw_training(run, parts)
        report.draw_split(run, last)
    run.update(
        status="finished",
        **_how_it_went(fit),
        stopped=stopped,
        test_reads=test_reads,
        dead=bool(warnings),
        warnings=warnings,
        notes=[*judged.doubts, *notes],
    )
    console.tell_all([*warnings, *judged.doubts], notes)
    return judged.rows


def _how_it_went(fit: Fit) -> dict[str, Any]:
    """What run.json says of a training that is over."""
    progress, task = fit.state.progress, fit.task
    return {
        "seconds": round(progress.seconds, 3),
        "epochs": progress.epoch,
        "monitor": f"val/{task.monitor}",
        "higher_is_better": task.higher_is_better,
        "best_value": progress.best,
        "best_epoch": progress.best_epoch,
    }


def _readings_of_test(run: Run, times: int) -> list[str]:
    """What a run must say that was finished more than once, or without test."""
    if times == 1:
        return []
    if not times:
        asked = shlex.quote(f"run={run.path}")
        return [f"test was not read; once nothing is left to choose: cnnrun eval {asked} split=test"]
    return [
        f"test was read {times} times: the run was finished before and went on; if its numbers on test were the "
        "reason, those of now are too good"
    ]

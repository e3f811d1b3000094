"""Open what a training writes into: the folder of a new run, or that of one to go on with, with its state put back."""

from contextlib import suppress
from typing import Any

import torch

from cnnrun import config as configs
from cnnrun import console, experiment, provenance
from cnnrun.config import Invocation
from cnnrun.data.splits import Data
from cnnrun.downloads import Report
from cnnrun.errors import ConfigError, DataError
from cnnrun.experiment import Experiment
from cnnrun.run import Run
from cnnrun.saving import Checkpoint, restore_best
from cnnrun.tables import BACKTEST, HISTORY
from cnnrun.training import checkpoints, distributed
from cnnrun.training.fit import Fit

EXACT = ("versions", "machine", "device", "precision", "threads", "processes")
"""Entries of run.json that must be as they were for a resumed run to end with the same bytes."""
STRETCHED = ("cosine", "onecycle")
"""Schedules whose learning rate at a step depends on the number of epochs."""


def load_data(config: dict[str, Any], invocation: Invocation, report: Report) -> Data:
    """The data set of a new run, or of one to go on with: see experiment.stored_data for what differs."""
    if config["resume"] is None:
        return experiment.load_data(config, report)
    named = {word.partition("=")[0] for word in invocation.overrides}
    moved = {key: config["dataset"][key] for key in experiment.PLACES if f"dataset.{key}" in named}
    known = None
    with suppress(DataError):  # a run that was killed early has not written it yet
        known = experiment.class_names_in(Run.open(config["resume"]).preprocessing)
    return experiment.stored_data(config, moved, report, known, goes_on=True)


def stored_config(run: Run, trusted: bool, asked: dict[str, Any]) -> dict[str, Any]:
    """The config of a run, checked, with what is done otherwise now; says what an older version did not store.

    Args:
        trusted: whether it may name code that did not come with cnnrun. asked: other values; None is as the run has it.
    Raises:
        ConfigError: if its settings are wrong, or cannot be trusted.
    """
    config, older = configs.config_of(run)
    config = {name: value for name, value in config.items() if name != "logger"}  # to judge tells no tracker
    configs.check_stored(run, "train", config, trusted=trusted)
    if older:
        console.note(older)
    return config | {name: value for name, value in asked.items() if value is not None}


def new_run(config: dict[str, Any], invocation: Invocation, parts: Experiment) -> Run:
    """Make the folder; only the first of several processes writes into it.

    Raises:
        ConfigError: if something is there already.
    """
    folder = distributed.on_first(lambda: invocation.output_dir)
    facts = facts_of(parts)
    names = {
        "command": "train",
        "choices": invocation.choices,
        "overrides": invocation.overrides,
        "seed": config["seed"],
    }
    run = distributed.first_then_others(
        lambda: Run.create(folder, config, writes=distributed.is_first(), **names, **facts)
    )
    run.log(" ".join(["started: cnnrun train", *invocation.overrides]))
    return run


def resumed_run(config: dict[str, Any], parts: Experiment, fit: Fit) -> Run | None:
    """Open the run to go on with, and put the training where its last checkpoint left it.

    None if it is finished and nothing is left to do: it is shown, and stays as it is.

    Raises:
        ConfigError: if another process is writing it, or it has more epochs than are asked for.
        DataError: if its data set or its checkpoint is not what it was.
    """
    run = Run.open(config["resume"], writes=distributed.is_first())
    distributed.on_first(run.lock)
    facts = facts_of(parts)
    if doubt := run.doubt(facts["data"]["fingerprint"]) or _renamed(run, parts.data):
        raise DataError(doubt)
    last = distributed.on_first(lambda: _read_last(run))
    if last:
        fit.state.load(*last)
    done = fit.state.progress.epoch
    if config["epochs"] < done:
        raise ConfigError(f"epochs={config['epochs']}: {done} are done already; epochs={done} would end the run here")
    finished = distributed.on_first(lambda: run.status == "finished")
    if finished and (reason := fit.reason_to_end()):
        run.close()
        if distributed.is_first():
            _show_finished(run, _enough(fit) or reason, parts.data.unit)
        return None
    if last:
        distributed.on_first(lambda: restore_best(run, fit, last))
    run.write_rows(HISTORY, fit.state.progress.history)
    differences = _differences(run, config, facts, fit)
    if distributed.is_first():
        for sentence in differences:
            console.warn(sentence)
        if enough := _enough(fit):
            console.note(enough)
    if config["epochs"] != run.config["epochs"]:
        run.remove_table(BACKTEST)  # its folds were trained for as long as the run was then
    run.write_config(config | {"resume": None})
    not_exact = [*run.record.get("not_exact", []), *differences]
    run.update(status="running", reason=None, not_exact=not_exact, **facts)
    run.log("; ".join([f"resumed after step {fit.state.progress.updates}", *differences]))
    return run


def _renamed(run: Run, data: Data) -> str | None:
    """Which class is called otherwise than in the run: a fingerprint is of the samples, not of names."""
    known: list[str] = []
    with suppress(DataError):  # a run that was killed early has not written it yet
        known = run.preprocessing.get("class_names", [])
    for before, now in zip(known, data.stored().get("class_names", []), strict=False):
        if before != now:
            return f"class '{before}' of {run.path} is called '{now}' in the data set now: rename it back"
    return None


def _read_last(run: Run) -> Checkpoint | None:
    """The checkpoint `last`; None where a run ended before it had one, so that it starts from the beginning.

    Raises:
        DataError: if it is broken, or gone from a run that had one.
    """
    if run.has_checkpoint("last"):
        return checkpoints.read(run.checkpoint("last"))
    epochs = len(run.rows(HISTORY))
    if epochs > 1 or (epochs and run.status == "finished"):  # one epoch may be there before its checkpoint
        raise DataError(
            f"{run.path} has no checkpoint 'last' to go on from, though its history has {epochs} epochs; "
            "train again, into a new folder"
        )
    return None


def _differences(run: Run, config: dict[str, Any], facts: dict[str, Any], fit: Fit) -> list[str]:
    """Whatever makes this another run than one that nobody interrupted, a sentence each."""
    sentences = []
    changed = [name for name in EXACT if run.record.get(name) != facts[name]]
    if changed:
        sentences.append(f"not exact: {', '.join(changed)} differ from those that the run was started with")
    before, now = run.config["epochs"], config["epochs"]
    if before != now and config["scheduler"]["name"] in STRETCHED and fit.state.progress.updates:
        sentences.append(
            f"not exact: epochs was {before} and is {now}, and the learning rate of scheduler="
            f"{config['scheduler']['name']} depends on it, so it jumps here"
        )
    return sentences


def _enough(fit: Fit) -> str:
    """What to do to train longer where all epochs are done; else nothing."""
    done, wanted = fit.state.progress.epoch, fit.plan.epochs
    return f"{done} epochs are done already; epochs={done + wanted} would go on training" if done >= wanted else ""


def _show_finished(run: Run, reason: str, unit: str) -> None:
    """Say why nothing is left to do, and show the results again."""
    console.note(f"nothing is left to do: {reason}")
    rows: list[dict[str, Any]] = [
        row | {name: float(row[name] or "nan") for name in ("value", "low", "high")} | {"n": int(row["n"])}
        for row in run.results()
    ]
    if rows:
        console.results(rows, run.path, unit)


def facts_of(parts: Experiment) -> dict[str, Any]:
    """What run.json says about where the numbers come from."""
    data, compute = parts.data, parts.compute
    return {
        **provenance.facts(),
        "device": str(compute.device),
        "precision": compute.precision,
        "threads": torch.get_num_threads(),
        "processes": distributed.world_size(),
        "parameters": parts.parameters,
        "data": data.facts(),
    }

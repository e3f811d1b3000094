"""`cnnrun predict` on photos: a row a file, what the network takes it for, and how well where that is known."""

import shlex
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import torch

from cnnrun import config as configs
from cnnrun import console, provenance
from cnnrun.config import Invocation
from cnnrun.data.image_walk import counted
from cnnrun.errors import ConfigError, DataError
from cnnrun.photos import inputs as found
from cnnrun.photos import network as networks
from cnnrun.photos import pictures, predicting, rows, scores, summary, truth
from cnnrun.photos.classes import read_classes
from cnnrun.photos.inputs import Inputs
from cnnrun.photos.network import Network
from cnnrun.photos.rows import Row
from cnnrun.photos.truth import Truth
from cnnrun.report.drawing import draw, read
from cnnrun.run import Run
from cnnrun.settings import PredictSettings
from cnnrun.signals import Signals
from cnnrun.tables import PHOTOS, RESULTS
from cnnrun.training.device import prepare, resolve_device

if TYPE_CHECKING:
    from cnnrun.tasks.results import Row as Result

MOST_ROWS = 24
"""Of the predictions on screen."""
EXACT = ("versions", "machine", "device", "precision", "threads")
"""Entries of run.json that must be as they were for a prediction that goes on to end with the same bytes."""
FIGURES = ("confusion", "per_class", "calibration")
"""Where the truth is known."""


def predict_photos(
    config: dict[str, Any], invocation: Invocation, source: Run | None = None, stored: dict[str, Any] | None = None
) -> None:
    """Write a row for every input, the contact sheet and, where the truth is known, results.

    Args:
        source: the run that predicts, with `stored`, its config and what is done otherwise now. Without one the
            weights of config["model"] predict.
    Raises:
        ConfigError: if the network cannot be had, or the prediction to go on with is finished.
        DataError: if the inputs, names or truth are not what they should be.
    """
    settings = configs.bind(PredictSettings, config)
    run = None if settings.resume is None else _unfinished(settings.resume)
    inputs = found.find_inputs(settings.inputs)
    network = _network(config, settings, source, stored)
    known = _truth(settings, inputs, network)
    top_k = min(settings.top_k, len(network.classes))
    facts = _facts(network, inputs)
    if run is None:
        of = network.name if source is None else str(source.path)
        run = Run.create(invocation.output_dir, config, command="predict", of=of, **facts)
    else:
        _go_on(run, facts)
    remarks = [*inputs.remarks, *known.remarks, *_remarks(network, settings)]
    console.tell_all([], remarks)
    advice = f"; go on with: cnnrun predict {shlex.quote(f'resume={run.path}')}"
    with run.recorded(advice):
        fast, doubts = networks.compiled(network) if settings.compile else (network, [])
        console.tell_all(doubts, [])
        with Signals() as signals:
            _predict(run, fast, inputs, known, top_k, settings.threads, signals)
            signals.interrupt_at_once()
            table = list(rows.read_rows(run.table_file(PHOTOS.name)))
            results = _finish(run, network, inputs, table, settings)
            run.update(status="finished", **summary.counts(table), notes=[*doubts, *summary.broken(table), *remarks])
    _show(run, table, results)


# --- before


def _network(
    config: dict[str, Any], settings: PredictSettings, source: Run | None, stored: dict[str, Any] | None
) -> Network:
    """The network, on its device, with the names of its classes."""
    with console.downloads() as progress:
        if source is not None and stored is not None:
            device = resolve_device(stored["device"])
            prepare(device, reproducibility=stored["reproducibility"], threads=stored["threads"])
            network = networks.of_run(source, stored, device, settings.checkpoint)
        else:
            device = resolve_device(settings.device or "auto")
            prepare(device, reproducibility="exact", threads=settings.threads)
            model, precision = config["model"], settings.precision or "auto"
            network = networks.of_weights(
                model["arch"], model["weights"], precision, device, offline=settings.offline, report=progress
            )
    if settings.labels is not None:
        network = replace(network, classes=read_classes(settings.labels, len(network.classes)))
    return replace(network, batch_size=settings.batch_size or network.batch_size)


def _truth(settings: PredictSettings, inputs: Inputs, network: Network) -> Truth:
    if settings.truth is None:
        return truth.of_folders(inputs, network.classes)
    return truth.of_table(settings.truth, inputs, network.classes)


def _remarks(network: Network, settings: PredictSettings) -> list[str]:
    """What is to be known of the names."""
    unnamed = network.classes.unnamed
    if not unnamed:
        return []
    if settings.labels is None:
        return ["the weights come without names for their classes; labels=FILE names them"]
    return [f"labels={settings.labels} has no name for {counted(unnamed, 'class', 'classes')}: 'unknown' in the tables"]


def _facts(network: Network, inputs: Inputs) -> dict[str, Any]:
    """What run.json says about where the numbers come from."""
    compute = network.compute
    return {
        "versions": provenance.versions(),
        "machine": provenance.machine(),
        "git_commit": provenance.git_commit(),
        "device": str(compute.device),
        "precision": compute.precision,
        "threads": torch.get_num_threads(),
        "batch_size": network.batch_size,
        "parameters": network.parameters,
        "epoch": network.epoch,
        "inputs": {"files": len(inputs.paths), "digest": inputs.digest()},
    }


# --- going on


def _unfinished(folder: str) -> Run:
    """Raises: ConfigError: if it is finished."""
    run = Run.open(folder)
    if run.status == "finished":
        table = run.table_file(PHOTOS.name)
        raise ConfigError(f"resume={folder}: it is finished, and nothing is left to do; its predictions are in {table}")
    return run


def _go_on(run: Run, facts: dict[str, Any]) -> None:
    """Hold what is there now against what there was, and hold the folder.

    Raises:
        ConfigError: if another process is writing it.
        DataError: if the inputs, or the size of a batch, are others.
    """
    before = run.record
    if before.get("inputs") != facts["inputs"]:
        there = before["inputs"].get("files") if isinstance(before.get("inputs"), dict) else "no"
        raise DataError(
            f"the inputs are not those that {run.path} was begun with ({there} files then, "
            f"{facts['inputs']['files']} now, or others of them); predict again, into a new folder"
        )
    if before.get("batch_size") != facts["batch_size"]:
        raise DataError(
            f"{run.path} was begun with batch_size={before.get('batch_size')}, and this device takes "
            f"{facts['batch_size']}; predict again, into a new folder"
        )
    changed = [name for name in EXACT if before.get(name) != facts[name]]
    if changed:
        console.warn(f"not exact: {', '.join(changed)} differ from those that the prediction was started with")
    run.lock()
    run.update(status="running", reason=None, **facts)


# --- the work


def _predict(
    run: Run, network: Network, inputs: Inputs, known: Truth, top_k: int, threads: int | None, signals: Signals
) -> None:
    """Fill the table up to the last input."""
    file, total = run.table_file(PHOTOS.name), len(inputs.paths)
    done = rows.keep_whole(file, network.batch_size, top_k, total)
    if done:
        console.note(f"{done:,} of {counted(total, 'file')} were predicted before")
    with rows.Writer(file, top_k) as writer, console.files(total, done) as report:
        for batch in predicting.predicted(network, inputs, known, top_k, first=done, threads=threads):
            writer.add(batch)
            done += len(batch)
            report(done)
            if signals():
                raise signals.interrupted()


def _finish(
    run: Run, network: Network, inputs: Inputs, table: Sequence[Row], settings: PredictSettings
) -> "list[Result]":
    """Write all that is made of the finished table."""
    run.write_json_of(PHOTOS, rows.as_json(table))
    results, frames = scores.judged(table, network.classes)
    if results:
        run.write_rows(RESULTS, results)
    for name, frame in frames.items():
        run.write_frame(name, frame)
    if settings.figures:
        tiles = pictures.tiles(inputs, table)
        run.write_figure("contact_sheet", draw("contact_sheet", tiles, summary.title(table, len(tiles))))
        for name in FIGURES if frames else ():
            run.write_figure(name, draw(name, read(run.table_file(name)), scores.SPLIT))
    if settings.annotate:
        with console.files(len(table)) as report:
            for done in pictures.annotate(run, inputs, table):
                report(done)
    return results


# --- after


def _show(run: Run, table: Sequence[Row], results: "list[Result]") -> None:
    """The first predictions, the counts and, where the truth is known, the results."""
    console.tell_all(summary.broken(table), [])
    left = len(table) - MOST_ROWS
    more = [f"\n{left:,} more rows are in {run.table_file(PHOTOS.name)}"] if left > 0 else []
    number = summary.counts(table)
    scored = f"; {number['with_truth']:,} of these have a truth" if results else ""
    end = "" if results else f"\n\nrun folder: {run.path}"
    console.table(list(map(summary.on_screen, table[:MOST_ROWS])), [*more, f"\n{summary.sentence(table)}{scored}{end}"])
    if results:
        with console.output():
            print()
        console.results(results, run.path)

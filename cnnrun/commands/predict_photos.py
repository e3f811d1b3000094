"""`cnnrun predict` on photos: a row a file, what the network takes it for, and how well where that is known."""

import shlex
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from cnnrun import config as configs
from cnnrun import console
from cnnrun.config import Invocation
from cnnrun.data.image_walk import counted
from cnnrun.errors import ConfigError, DataError
from cnnrun.photos import going_on, pictures, predicting, rows, scores, summary, truth
from cnnrun.photos import inputs as found
from cnnrun.photos import network as networks
from cnnrun.photos.classes import read_classes, renamed
from cnnrun.photos.inputs import Inputs
from cnnrun.photos.network import Network
from cnnrun.photos.rows import Row
from cnnrun.photos.truth import Truth
from cnnrun.report.drawing import draw, read
from cnnrun.run import Run, run_of
from cnnrun.settings import PredictSettings
from cnnrun.signals import Signals
from cnnrun.tables import PHOTOS, RESULTS
from cnnrun.training.device import prepare, resolve_device

if TYPE_CHECKING:
    from cnnrun.tasks.results import Row as Result

MOST_ROWS = 24
"""Of the predictions on screen."""
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
        DataError: if the inputs, names or truth are not what they should be; once all is written, if no input can
            be read.
    """
    settings = configs.bind(PredictSettings, config)
    run = None if settings.resume is None else going_on.unfinished(settings.resume)
    inputs = found.find_inputs(settings.inputs)
    network, renamings = _network(config, settings, source, stored)
    known = _truth(settings, inputs, network)
    top_k = min(settings.top_k, len(network.classes))
    facts = going_on.facts_of(network, inputs, known)
    if run is None:
        of = network.name if source is None else str(source.path)
        run = Run.create(invocation.output_dir, config, command="predict", of=of, **facts)
    else:
        console.tell_all(going_on.go_on(run, facts), [])
    cut = pictures.remarks(inputs.paths) if settings.annotate else []
    remarks = [*cut, *invocation.remarks, *inputs.remarks, *known.remarks, *renamings, *_remarks(network, settings)]
    seen = [] if stored is None else truth.seen_in_training(inputs, known, stored["dataset"], settings.run)
    console.tell_all(seen, remarks)
    advice = f"; go on with: cnnrun predict {shlex.quote(f'resume={run.path}')}"
    with run.recorded(advice):
        fast, doubts = networks.compiled(network) if settings.compile else (network, [])
        console.tell_all(doubts, [])
        with Signals() as signals:
            _predict(run, fast, inputs, known, top_k, signals)
            signals.interrupt_at_once()
            table = list(rows.read_rows(run.table_file(PHOTOS.name)))
            results = _finish(run, network, inputs, table, settings)
            means = scores.remarks(table)
            notes = [*seen, *doubts, *summary.broken(table), *remarks, *means]
            run.update(status="finished", **summary.counts(table), notes=notes)
    console.tell_all([], means)
    _show(run, table, results)
    if all(row.is_broken for row in table):
        files = "the file" if len(table) == 1 else f"none of the {len(table):,} files"
        verb = "cannot" if len(table) == 1 else "can"
        raise DataError(
            f"inputs={settings.inputs}: {files} {verb} be read as a picture; {run.table_file(PHOTOS.name)} says why"
        )


# --- before


def _network(
    config: dict[str, Any], settings: PredictSettings, source: Run | None, stored: dict[str, Any] | None
) -> tuple[Network, list[str]]:
    """The network, on its device, with the names of its classes; what is to be known of those that labels= changed."""
    with console.downloads() as progress:
        if source is not None and stored is not None:
            device = resolve_device(stored["device"])
            prepare(device, reproducibility=stored["reproducibility"], threads=stored["threads"])
            network = networks.of_run(source, stored, device, settings.checkpoint)
        else:
            device = resolve_device(settings.device or "auto")
            prepare(device, reproducibility="exact", threads=settings.threads)
            model, precision = config["model"], settings.precision or "auto"
            _refuse_weights_of_a_run(model["weights"])
            network = networks.of_weights(
                model["arch"], model["weights"], precision, device, offline=settings.offline, report=progress
            )
    own, renamings = network.classes, []
    if settings.labels is not None:
        classes = read_classes(settings.labels, len(own), distinct=source is not None)
        renamings = renamed(own, classes) if source is not None else []
        network = replace(network, classes=classes)
    return replace(network, batch_size=settings.batch_size or network.batch_size), renamings


def _refuse_weights_of_a_run(weights: str) -> None:
    """A checkpoint alone does not tell the preprocessing and the classes."""
    folder = run_of(Path(weights).expanduser())
    if folder is not None:
        raise ConfigError(
            f"model.weights={weights} lies in the folder of a run: take {shlex.quote(f'run={folder}')} in the place of "
            "model=..."
        )


def _truth(settings: PredictSettings, inputs: Inputs, network: Network) -> Truth:
    if settings.truth is None:
        return truth.of_folders(inputs, network.classes)
    return truth.of_table(settings.truth, inputs, network.classes)


def _remarks(network: Network, settings: PredictSettings) -> list[str]:
    """What is to be known of the names of classes."""
    unnamed = network.classes.unnamed
    if not unnamed:
        return []
    if settings.labels is None:
        return ["the weights come without names for their classes; labels=FILE names them"]
    return [f"labels={settings.labels} has no name for {counted(unnamed, 'class', 'classes')}: 'unknown' in the tables"]


# --- the work


def _predict(run: Run, network: Network, inputs: Inputs, known: Truth, top_k: int, signals: Signals) -> None:
    """Fill the table up to the last input."""
    file, total = run.table_file(PHOTOS.name), len(inputs.paths)
    done = rows.keep_whole(file, network.batch_size, top_k, total)
    if done:
        console.note(f"predicted before: {done:,} of {counted(total, 'file')}")
    with rows.Writer(file, top_k) as writer, console.files(total, done) as report:
        for batch in predicting.predicted(network, inputs, known, top_k, first=done, threads=torch.get_num_threads()):
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
        console.note("annotate=true: writing the copies that show what was predicted")
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
    have = "has" if number["with_truth"] == 1 else "have"
    scored = f"; {number['with_truth']:,} of these {have} a truth" if results else ""
    end = "" if results else f"\n\nrun folder: {run.path}"
    console.table(list(map(summary.on_screen, table[:MOST_ROWS])), [*more, f"\n{summary.sentence(table)}{scored}{end}"])
    if results:
        with console.output():
            print()
        console.results(results, run.path)

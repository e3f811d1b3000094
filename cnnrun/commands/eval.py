"""`cnnrun eval`: judge a run's checkpoint on one of its splits again, into a folder of its own."""

from typing import Any

from cnnrun import config as configs
from cnnrun import console, experiment, opening
from cnnrun.config import Invocation
from cnnrun.data.splits import Data
from cnnrun.errors import DataError
from cnnrun.report import outputs_of, report_of
from cnnrun.report.drawing import draw_architecture
from cnnrun.run import Run
from cnnrun.settings import EvalSettings
from cnnrun.signals import Signals
from cnnrun.tables import LAYERS, RESULTS
from cnnrun.training.device import prepare, resolve_device


def evaluate(config: dict[str, Any], invocation: Invocation) -> None:
    """Write results, tables and figures of one split. The run itself stays as it is.

    Raises:
        ConfigError: if there is no such run or checkpoint, or its settings cannot be trusted.
        DataError: if its checkpoint is broken, or its data set is missing, has other classes, or nothing of the split.
    """
    settings = configs.bind(EvalSettings, config)
    source = Run.open_training(settings.run)
    asked = {"device": settings.device, "precision": settings.precision, "threads": settings.threads}
    stored = opening.stored_config(source, settings.trust_code, asked) | {"offline": settings.offline}
    device = resolve_device(stored["device"])
    prepare(device, reproducibility=stored["reproducibility"], threads=stored["threads"])
    with console.downloads() as progress:
        parts = experiment.from_run(source, stored, device, settings.checkpoint, progress, settings.moved())
    split = getattr(parts.data, settings.split)
    if not len(split):
        raise DataError(_nothing_to_judge(parts.data, settings.split))
    facts = opening.facts_of(parts)
    doubts = _doubts(source, parts.data, facts["data"]["fingerprint"])
    for sentence in doubts:
        console.warn(sentence)
    outputs, report = outputs_of(parts, [split], settings.batch_size), report_of(parts)
    judged = report.judge(outputs, [])
    run = Run.create(
        invocation.output_dir,
        config,
        command="eval",
        of=str(source.path),
        epoch=parts.epoch,
        **facts,
    )
    with run.recorded(), Signals() as signals:
        signals.interrupt_at_once()
        run.write_rows(RESULTS, judged.rows)
        run.write_rows(LAYERS, parts.layers)
        report.write_tables(run, outputs, split.name)
        if settings.figures:
            draw_architecture(run, parts, _name_of_model(source, stored))
            report.draw_split(run, split.name)
        run.update(status="finished", notes=[*doubts, *judged.doubts, *judged.notes])
    console.tell_all(judged.doubts, judged.notes)
    console.results(judged.rows, run.path, parts.data.unit)


def _nothing_to_judge(data: Data, name: str) -> str:
    there = [split for split in (data.train, data.val, data.test) if len(split)]
    instead = ", ".join(f"split={split.name} ({len(split):,})" for split in there)
    return f"split={name}: the data set has no samples of {name}; take {instead}"


def _doubts(source: Run, data: Data, fingerprint: str) -> list[str]:
    """Why the numbers may not be those of the run's own data, a sentence each."""
    doubt = source.doubt(fingerprint)
    return [doubt, *filter(None, [getattr(data, "if_changed", "")])] if doubt else []


def _name_of_model(source: Run, config: dict[str, Any]) -> str:
    """The option that was chosen for the run; what that calls, where its record does not tell."""
    choices = source.record.get("choices")
    return str(choices["model"] if isinstance(choices, dict) and "model" in choices else config["model"]["name"])

"""`cnnrun predict` on a series: forecast what follows its end, and score what it has beyond what the run has seen."""

from typing import TYPE_CHECKING, Any

from cnnrun import config as configs
from cnnrun import console, experiment, opening
from cnnrun.config import Invocation
from cnnrun.data.forecasting import INTERPOLATED, has_filled_between, read_more
from cnnrun.data.series_prediction import Prediction, for_prediction
from cnnrun.errors import ConfigError, DataError
from cnnrun.experiment import Experiment
from cnnrun.report import Judgement, outputs_of, report_of
from cnnrun.report.forecasts import ForecastsReport
from cnnrun.run import Run
from cnnrun.settings import PredictSettings
from cnnrun.signals import Signals
from cnnrun.tables import AHEAD, RESULTS
from cnnrun.training.device import prepare, resolve_device

if TYPE_CHECKING:
    import pandas as pd

MOST_ROWS = 24
"""Of the forecast on screen."""


def predict_series(config: dict[str, Any], invocation: Invocation, source: Run, stored: dict[str, Any]) -> None:
    """Write the forecast, and results, tables and figures of the steps that can be scored. The run stays as it is.

    Args:
        source: the run that forecasts. stored: its config, with what is done otherwise now.
    Raises:
        ConfigError: if there is no such checkpoint, or a setting is for photos.
        DataError: if the file cannot be read, or is not like the one that the run was trained on.
    """
    settings = configs.bind(PredictSettings, config)
    _refuse_settings_of_photos(settings)
    device = resolve_device(stored["device"])
    prepare(device, reproducibility=stored["reproducibility"], threads=stored["threads"])
    prediction = _prepare(settings, stored["dataset"], source)
    parts = experiment.with_weights(source, stored, prediction.data, device, settings.checkpoint)
    for sentence in [*prediction.data.remarks, *prediction.notes]:
        console.note(sentence)
    facts = opening.facts_of(parts) | {"epoch": parts.epoch, "inputs": settings.inputs}
    run = Run.create(invocation.output_dir, config, command="predict", of=str(source.path), **facts)
    with run.recorded(), Signals() as signals:
        signals.interrupt_at_once()
        report = report_of(parts)
        assert isinstance(report, ForecastsReport)
        judged = _score(run, parts, report, figures=settings.figures) if len(prediction.data.test) else Judgement([])
        ahead = _look_ahead(run, parts, report, prediction, figures=settings.figures)
        run.update(status="finished", notes=[*prediction.notes, *judged.doubts, *judged.notes])
    _show(ahead, judged.rows, run, parts.data.unit)


def _refuse_settings_of_photos(settings: PredictSettings) -> None:
    given = {
        f"labels={settings.labels}": settings.labels is not None,
        f"truth={settings.truth}": settings.truth is not None,
        "annotate=true": settings.annotate,
        "compile=true": settings.compile,
        f"resume={settings.resume}": settings.resume is not None,
    }
    for word, is_given in given.items():
        if is_given:
            raise ConfigError(f"{word} is for photos, and the run {settings.run} forecasts: leave it out")


def _prepare(settings: PredictSettings, dataset: dict[str, Any], source: Run) -> Prediction:
    """Read the file as the run's own was read, and prepare it with the run's numbers."""
    series = read_more(dataset, settings.inputs)
    try:
        prediction = for_prediction(series, source.preprocessing)
    except DataError as error:
        raise DataError(f"run={settings.run}, inputs={settings.inputs}: {error}") from error
    if dataset["gaps"] == "interpolate" and has_filled_between(series, len(series.values)):
        prediction.data.warnings.append(INTERPOLATED)
    return prediction


def _score(run: Run, parts: Experiment, report: ForecastsReport, *, figures: bool) -> Judgement:
    """Judge the windows that the run has not seen."""
    outputs = outputs_of(parts, [parts.data.test])
    judged = report.judge(outputs, [])
    run.write_rows(RESULTS, judged.rows)
    report.write_tables(run, outputs, "test")
    if figures:
        report.draw_split(run, "test")
    console.tell_all(judged.doubts, judged.notes)
    return judged


def _look_ahead(
    run: Run, parts: Experiment, report: ForecastsReport, prediction: Prediction, *, figures: bool
) -> "pd.DataFrame":
    """Forecast the steps after the end of the file."""
    outputs = outputs_of(parts, [prediction.ahead])[prediction.ahead.name]
    table = report.ahead(outputs, prediction)
    run.write_frame(AHEAD.name, table)
    report.write_series(run)
    if figures:
        report.draw_ahead(run)
    return table


def _show(ahead: "pd.DataFrame", rows: list[dict[str, Any]], run: Run, unit: str) -> None:
    """The forecast; where something was scored, that comes first, with the folder at its end."""
    shown = ahead.head(MOST_ROWS).dropna(axis="columns", how="all").astype({"timestamp": str})
    left = len(ahead) - len(shown)
    foot = [f"\n{left:,} more rows are in {run.table_file(AHEAD.name)}"] if left else []
    rows_shown = [dict(zip(shown.columns, row, strict=True)) for row in shown.itertuples(index=False)]
    console.table(rows_shown, [*foot, f"\nforecast in {unit}"] if unit else foot)
    with console.output():
        print("\nwhat the run had not seen, scored:\n" if rows else f"\nrun folder: {run.path}", flush=True)
    if rows:
        console.results(rows, run.path, unit)

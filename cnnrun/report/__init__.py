"""What a run leaves for people: results, tables and figures, from a model and its data."""

from importlib import import_module

from cnnrun.data.splits import Split
from cnnrun.experiment import Experiment
from cnnrun.report.judgement import Judgement, Outputs, Report

REPORTS = {
    "classification": "cnnrun.report.classes:ClassesReport",
    "forecasting": "cnnrun.report.forecasts:ForecastsReport",
}
"""By the kind of data."""

__all__ = ["Judgement", "Outputs", "Report", "outputs_of", "report_of"]


def report_of(experiment: Experiment) -> Report:
    """The report for this kind of data."""
    module, _, name = REPORTS[experiment.data.kind].partition(":")
    report: Report = getattr(import_module(module), name)(experiment)
    return report


def outputs_of(experiment: Experiment, splits: list[Split], batch_size: int | None = None) -> Outputs:
    """The outputs for each of the splits."""
    return {split.name: experiment.outputs(split, batch_size) for split in splits}

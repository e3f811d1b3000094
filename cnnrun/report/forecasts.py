"""The report of a forecast: its results beside those of the baselines, tables and figures."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from torch import Tensor

from cnnrun.data.loaders import ResidentLoader
from cnnrun.data.series_prediction import Prediction
from cnnrun.data.windows import SeriesData
from cnnrun.experiment import Experiment
from cnnrun.report.drawing import draw, read
from cnnrun.report.judgement import Judgement, Outputs
from cnnrun.run import Run
from cnnrun.tables import AHEAD, BASELINES, BY_HORIZON, BY_TIME, FORECAST, SERIES
from cnnrun.tasks.forecasting import Forecasting

if TYPE_CHECKING:
    import pandas as pd

OF_SPLIT = {
    "forecast": FORECAST,
    "forecast_zoom": FORECAST,
    "forecast_scatter": FORECAST,
    "residuals": FORECAST,
    "error_by_horizon": BY_HORIZON,
    "error_by_time": BY_TIME,
    "baselines": BASELINES,
}
"""Figures of one split, and the table that each is drawn from."""


class ForecastsReport:
    """What a run leaves of a forecasting network."""

    def __init__(self, experiment: Experiment) -> None:
        data, task = experiment.data, experiment.task
        assert isinstance(data, SeriesData)
        assert isinstance(task, Forecasting)
        self.data: SeriesData = data
        self.task: Forecasting = task

    def judge(self, outputs: Outputs, train_losses: Sequence[float]) -> Judgement:
        """After a training the errors on val also tell how wide an interval must be."""
        if train_losses:
            self.task.calibrate(outputs["val"], self.data.val)
        judged = Judgement(self.task.results(outputs, self.data, list(outputs)))
        if train_losses:
            judged.warnings += self.task.findings(outputs, self.data)
        judged.doubts += self.data.warnings
        judged.notes += [*self.data.notes, *self.task.notes(outputs, self.data, list(outputs)[-1])]
        return judged

    def stored(self) -> dict[str, Any]:
        margins = self.task.margins
        return self.data.stored() | {"margins": None if margins is None else margins.tolist()}

    def write_tables(self, run: Run, outputs: Outputs, split: str) -> None:
        """Write forecast, baselines, comparison, by_horizon, by_time, by_series, residuals, series and repairs."""
        for name, frame in self.task.tables(outputs, self.data, split).items():
            run.write_frame(name, frame)

    def ahead(self, outputs: Tensor, prediction: Prediction) -> "pd.DataFrame":
        """tables.AHEAD. Args: outputs: (1, M * H * Q) of the window at the end of the file."""
        from cnnrun.tasks.forecast_tables import ahead_table

        return ahead_table(self.task.forecasts(outputs, prediction.ahead.base), prediction.stamps, self.data)

    def write_series(self, run: Run) -> None:
        """Write the table series."""
        from cnnrun.tasks.forecast_tables import series_table

        run.write_frame(SERIES.name, series_table(self.data))

    def draw_ahead(self, run: Run) -> None:
        """Draw the forecast after the last steps of the file, from the tables."""
        last = max(self.data.input_shape[1], 2 * self.task.target.horizon)
        series, ahead = (read(run.table_file(table.name)) for table in (SERIES, AHEAD))
        run.write_figure("ahead", draw("ahead", series.tail(last), ahead, self.task.target.unit))

    def draw_data(self, run: Run, training: ResidentLoader) -> None:
        """Draw the series with its splits and repairs."""
        target = self.task.target
        run.write_figure("series", draw("series", read(run.table_file(SERIES.name)), target.names, target.unit))

    def draw_split(self, run: Run, split: str) -> None:
        """Draw OF_SPLIT, as far as there are tables for it, and rows in them: years have no hour, weekday or month."""
        frames = {
            table.name: read(file) for table in OF_SPLIT.values() if (file := run.table_file(table.name)).is_file()
        }
        for figure, table in OF_SPLIT.items():
            if len(frames.get(table.name, ())):
                several = len(self.task.target.names) > 1
                unit = "scaled units" if several and table is BY_TIME else self.task.target.unit
                run.write_figure(figure, draw(figure, frames[table.name], split, unit))

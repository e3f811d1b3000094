"""Every figure by its name: tables in, figure out. Nothing here is imported before it is asked for."""

PLOTS = {
    "ahead": "cnnrun.plots.ahead:ahead",
    "architecture": "cnnrun.plots.architecture:architecture",
    "backtest": "cnnrun.plots.forecast_comparison:backtest",
    "baselines": "cnnrun.plots.forecast_comparison:baselines",
    "calibration": "cnnrun.plots.calibration:calibration",
    "contact_sheet": "cnnrun.plots.contact_sheet:contact_sheet",
    "class_counts": "cnnrun.plots.class_counts:class_counts",
    "confusion": "cnnrun.plots.confusion:confusion",
    "curves": "cnnrun.plots.curves:curves",
    "error_by_horizon": "cnnrun.plots.forecast_errors:error_by_horizon",
    "error_by_time": "cnnrun.plots.forecast_errors:error_by_time",
    "forecast": "cnnrun.plots.forecast:forecast",
    "forecast_scatter": "cnnrun.plots.forecast_scatter:forecast_scatter",
    "forecast_zoom": "cnnrun.plots.forecast:forecast_zoom",
    "per_class": "cnnrun.plots.per_class:per_class",
    "residuals": "cnnrun.plots.residuals:residuals",
    "samples": "cnnrun.plots.samples:samples",
    "series": "cnnrun.plots.series:series",
}

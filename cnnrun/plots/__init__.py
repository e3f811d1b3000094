"""Every figure by its name: tables in, figure out. Nothing here is imported before it is asked for."""

PLOTS = {
    "architecture": "cnnrun.plots.architecture:architecture",
    "calibration": "cnnrun.plots.calibration:calibration",
    "confusion": "cnnrun.plots.confusion:confusion",
    "curves": "cnnrun.plots.curves:curves",
    "per_class": "cnnrun.plots.per_class:per_class",
    "samples": "cnnrun.plots.samples:samples",
}

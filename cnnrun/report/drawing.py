"""From the tables of a run to its figures: what every kind of report draws, and how."""

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cnnrun import console
from cnnrun.errors import CnnrunError
from cnnrun.experiment import Experiment
from cnnrun.plots import PLOTS
from cnnrun.run import Run
from cnnrun.tables import HISTORY

if TYPE_CHECKING:
    import pandas as pd


_WARNED_OF: set[str] = set()
"""Writings that no font has, of which the user knows: all figures of a program lack the same."""


def draw(plot: str, *arguments: Any) -> bytes:
    """The PNG of one of PLOTS; the first that shows boxes instead of letters says so."""
    from cnnrun.plots.canvas import png

    module, _, function = PLOTS[plot].partition(":")
    picture = png(getattr(import_module(module), function)(*arguments))
    _warn_of_boxes()
    return picture


def _warn_of_boxes() -> None:
    from cnnrun.plots.fonts import lacking
    from cnnrun.plots.scripts import scripts, what_to_install

    if new := [script for script in scripts(lacking()) if script not in _WARNED_OF]:
        _WARNED_OF.update(new)
        console.warn(what_to_install(new))


def draw_architecture(run: Run, experiment: Experiment, name: str) -> None:
    """Draw the network, under its name."""
    import pandas as pd

    layers = pd.DataFrame(experiment.layers)
    run.write_figure("architecture", draw("architecture", layers, experiment.data.input_shape, name))


def draw_training(run: Run, experiment: Experiment) -> None:
    """Draw what was trained and how that went: the architecture, the learning curves."""
    task = experiment.task
    draw_architecture(run, experiment, run.record["choices"]["model"])
    history = read(run.table_file(HISTORY.name))
    run.write_figure("curves", draw("curves", history, f"val/{task.monitor}", task.higher_is_better))


def read(table: Path) -> "pd.DataFrame":
    """A table as it lies in the run: a figure shows what anybody can draw again. A series may be called 0102."""
    import pandas as pd

    try:
        return pd.read_csv(table, keep_default_na=False, na_values=[""], dtype={"series": str})
    except (OSError, ValueError) as error:
        raise CnnrunError(f"{table} cannot be read: {error}") from error

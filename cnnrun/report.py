"""What a run leaves for people: results, tables and figures, from a model and a split."""

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import Tensor

from cnnrun.data.loaders import ResidentLoader
from cnnrun.data.splits import Split
from cnnrun.errors import CnnrunError
from cnnrun.experiment import Experiment
from cnnrun.plots import PLOTS
from cnnrun.run import Run
from cnnrun.tables import HISTORY, LAYERS
from cnnrun.training.fit import predict

if TYPE_CHECKING:
    import pandas as pd

NUM_IMAGES = 32
"""On a figure of samples, at most."""


def judge(experiment: Experiment, splits: list[Split], batch_size: int | None = None) -> dict[str, Tensor]:
    """The outputs (N, K) for each of the splits, by its name."""
    return {
        split.name: predict(experiment.model, experiment.evaluation_loader(split, batch_size), experiment.compute)
        for split in splits
    }


def write_tables(run: Run, experiment: Experiment, split: Split, outputs: Tensor) -> None:
    """Write tables/: layers, and for the split per_class, confusion, predictions, calibration."""
    run.write_rows(LAYERS, experiment.layers)
    for name, frame in experiment.task.tables(outputs, split.targets, split.ids).items():
        run.write_frame(name, frame)


def draw_run(run: Run, experiment: Experiment, training: ResidentLoader) -> None:
    """Draw what was trained on what: first images, an augmented batch, the architecture, the learning curves."""
    data, task = experiment.data, experiment.task
    if _are_pictures(data.train.inputs):
        first = data.train.inputs[:NUM_IMAGES]
        titles = [data.class_names[target] for target in data.train.targets[:NUM_IMAGES].tolist()]
        run.write_figure("first_images", _draw("samples", first.numpy(), titles, "First images of the training set"))
        batch = next(training.batches())
        pictures = data.preprocessing.invert(batch.inputs[:NUM_IMAGES]).cpu()
        hard = batch.targets if batch.targets.ndim == 1 else batch.targets.argmax(dim=1)
        titles = [data.class_names[target] for target in hard[:NUM_IMAGES].tolist()]
        run.write_figure(
            "augmented_batch", _draw("samples", pictures.numpy(), titles, "A batch as the network is trained on it")
        )
    draw_architecture(run, experiment, run.record["choices"]["model"])
    history = _read(run.table_file(HISTORY.name))
    run.write_figure("curves", _draw("curves", history, f"val/{task.monitor}", task.higher_is_better))


def draw_architecture(run: Run, experiment: Experiment, name: str) -> None:
    """Draw the network, under its name."""
    import pandas as pd

    layers = pd.DataFrame(experiment.layers)
    run.write_figure("architecture", _draw("architecture", layers, experiment.data.input_shape, name))


def draw_split(run: Run, experiment: Experiment, split: Split) -> None:
    """Draw how the model does on a split: confusion, classes, calibration, the most confident mistakes."""
    for name in ("confusion", "per_class", "calibration"):
        run.write_figure(name, _draw(name, _read(run.table_file(name)), split.name))
    if not _are_pictures(split.inputs):
        return
    predictions = _read(run.table_file("predictions"))
    wrong = predictions[~predictions["correct"]].nlargest(NUM_IMAGES, "confidence", keep="first")
    if len(wrong):
        from cnnrun.plots.samples import mistake_captions

        pictures = split.inputs.numpy()[wrong.index]
        title = f"Most confident mistakes on {split.name}"
        run.write_figure("mistakes", _draw("samples", pictures, mistake_captions(wrong), title))


def _draw(plot: str, *tables: Any) -> bytes:
    from cnnrun.plots.canvas import png

    module, _, function = PLOTS[plot].partition(":")
    return png(getattr(import_module(module), function)(*tables))


def _are_pictures(inputs: Tensor) -> bool:
    return inputs.ndim == 4 and inputs.shape[1] in (1, 3)


def _read(table: Path) -> "pd.DataFrame":
    import pandas as pd

    try:
        return pd.read_csv(table, keep_default_na=False, na_values=[""])
    except (OSError, ValueError) as error:
        raise CnnrunError(f"{table} cannot be read: {error}") from error

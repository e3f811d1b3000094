"""The columns of every table that a run writes, with their units: writers and plots both read them here."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Column:
    """One column: its name in the CSV, and what it holds, with unit where it has one."""

    name: str
    holds: str


@dataclass(frozen=True)
class Table:
    """A CSV of a run. `wide` names what the further columns are, where their number depends on the data."""

    name: str
    columns: tuple[Column, ...]
    wide: str = ""

    @property
    def names(self) -> list[str]:
        return [column.name for column in self.columns]


HISTORY = Table(
    "history",
    (
        Column("epoch", "1 for the first"),
        Column("step", "optimizer updates so far"),
        Column("train/loss", "mean over the samples of the epoch, while training"),
        Column("val/loss", "mean over the samples, after the epoch"),
        Column("lr", "learning rate of the last step"),
        Column("seconds", "s, training and validation"),
        Column("samples_per_second", "1/s, training steps only"),
    ),
    wide="train/accuracy (while training: augmented inputs, dropout on) and val/<metric>, as the task has them",
)

RESULTS = Table(
    "results",
    (
        Column("split", "train, val or test"),
        Column("metric", "name, with its averaging"),
        Column("value", "the estimate"),
        Column("low", "lower end of the 95 % interval; empty where there is none"),
        Column("high", "upper end of the 95 % interval; empty where there is none"),
        Column("n", "samples"),
    ),
)

LAYERS = Table(
    "layers",
    (
        Column("name", "dotted name in the model"),
        Column("type", "class of the module"),
        Column("output_shape", "of one sample, no batch axis, as 32x14x14"),
        Column("parameters", "count of its own"),
        Column("trainable", "count of those that train"),
        Column("multiply_adds", "for one sample"),
    ),
)

PER_CLASS = Table(
    "per_class",
    (
        Column("class", "name"),
        Column("support", "samples of the class"),
        Column("predicted", "samples predicted as the class"),
        Column("precision", "share"),
        Column("recall", "share"),
        Column("f1", "share"),
    ),
)

CONFUSION = Table(
    "confusion", (Column("target", "class name of the row"),), wide="one column a predicted class, counts"
)

PREDICTIONS = Table(
    "predictions",
    (
        Column("id", "of the sample: can be traced to a file or a row of the source"),
        Column("target", "class name"),
        Column("prediction", "class name"),
        Column("correct", "true or false"),
        Column("confidence", "probability of the prediction"),
    ),
    wide="p/<class>: probability of each class",
)

CALIBRATION = Table(
    "calibration",
    (
        Column("bin_low", "lower edge of the confidence bin"),
        Column("bin_high", "upper edge"),
        Column("n", "samples"),
        Column("confidence", "mean in the bin"),
        Column("accuracy", "share correct in the bin"),
    ),
)

SWEEP = Table(
    "sweep",
    (
        Column("status", "of the job: finished, failed, interrupted"),
        Column("chosen", "* for the job that is best on val; test had no say in it"),
        Column("seconds", "s, of training"),
        Column("folder", "of the job, in the sweep's folder"),
        Column("error", "why it failed"),
    ),
    wide="before these a column a swept setting, after them <split>/<metric> from the job's results",
)

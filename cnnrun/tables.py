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
        Column("batch_norm", "train: its statistics move, eval: they are kept; empty for other layers"),
        Column("multiply_adds", "for one sample"),
    ),
)

CLASSES = Table(
    "classes",
    (
        Column("class", "name"),
        Column("train", "samples of the class"),
        Column("val", "samples of the class"),
        Column("test", "samples of the class"),
    ),
)

BROKEN = Table("broken", (Column("path", "in the folder of the data set"), Column("reason", "why it cannot be read")))

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

PHOTOS = Table(
    "predictions",
    (
        Column("path", "of the file, from the inputs"),
        Column("status", "ok or broken"),
        Column("error", "why a broken file cannot be read"),
        Column("truth", "name of the class that it shows; empty where that is not known"),
        Column("truth_index", "output of that class, 0 for the first"),
        Column("truth_rank", "1 where it was predicted, 2 where one other class was more probable"),
        Column("truth_probability", "of that class"),
        Column("entropy_nats", "nats, of the probabilities of all classes: 0 is certain"),
    ),
    wide="index_1, label_1, probability_1 of the most probable class, index_2, ... of the next",
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

STUDY = Table(
    "study",
    (
        Column("row", "label"),
        Column("col", "label; empty where a study has no columns"),
        Column("cell", "metric of a split, such a metric after an epoch (train/loss@1), or a fact of the run"),
        Column("mean", "ours, over the seeds that finished, dead ones too"),
        Column("low", "lower end of its 95 % t interval; empty for one seed"),
        Column("high", "upper end"),
        Column("n", "seeds"),
        Column("published", "the document's; empty where it has none"),
        Column("difference", "mean - published"),
        Column(
            "half", "of the 95 % interval of the difference: seeds, of shares both test sets, the last printed digit"
        ),
        Column("verdict", "better, equal, worse, published value inconsistent, nothing published, not run"),
        Column("chosen", "* where val is best, mean over seeds: of a row's columns, or without columns of all rows"),
        Column("dead", "seeds that learned nothing"),
        Column("remark", "what else is to be known"),
    ),
)

TRIALS = Table(
    "trials",
    (
        Column("trial", "its number, 1 for the first"),
        Column("status", "finished, pruned, failed, interrupted"),
        Column("chosen", "* for the trial that is best on val"),
        Column("value", "of the metric on val: the best of a finished trial, the last of a pruned one"),
        Column("epochs", "that were reported"),
        Column("folder", "of the trial, in the sweep's folder"),
    ),
    wide="one column a setting that is searched",
)

IMPORTANCE = Table(
    "importance",
    (
        Column("setting", "that is searched"),
        Column("importance", "share of the variance over the finished trials that it explains, by fANOVA"),
    ),
)

FORECAST = Table(
    "forecast",
    (
        Column("origin", "stamp, or row number, of the last step before the window"),
        Column("timestamp", "stamp, or row number, of the step that is forecast"),
        Column("horizon", "steps after the origin, 1 for the first"),
        Column("series", "name of the target"),
        Column("actual", "unit of the data; empty where it was not observed"),
        Column("forecast", "unit of the data"),
        Column("low", "unit of the data, lower end of the interval, which holds 90 % unless quantiles say otherwise"),
        Column("high", "unit of the data, upper end"),
    ),
)

AHEAD = Table(
    "ahead",
    (
        Column("timestamp", "stamp, or row number, of a step after the end of the file"),
        Column("series", "name of the target"),
        Column("forecast", "unit of the data"),
        Column("low", "unit of the data, lower end of the interval"),
        Column("high", "unit of the data, upper end"),
    ),
)

BASELINES = Table(
    "baselines",
    (
        Column("forecast", "model, naive, seasonal_naive or ridge"),
        Column("split", "train, val or test"),
        Column("metric", "name; in the unit of the data, of several targets with _scaled in scaled units"),
        Column("value", "the estimate, over all targets and steps"),
        Column("low", "lower end of the 95 % interval of a moving-block bootstrap; empty where there is none"),
        Column("high", "upper end"),
        Column("n", "windows with a target that was observed"),
    ),
)

BY_SERIES = Table(
    "by_series", (Column("series", "name of the target, in whose unit the metrics are"), *BASELINES.columns)
)

BY_HORIZON = Table(
    "by_horizon",
    (
        Column("horizon", "steps after the origin, 1 for the first"),
        Column("series", "name of the target; empty for all"),
        Column("n", "targets that were observed"),
        Column("mse", "squared unit of the data; of all of several targets in scaled units, as are rmse and mae"),
        Column("rmse", "unit of the data"),
        Column("mae", "unit of the data"),
        Column("mape", "percent; empty where an actual value is 0"),
        Column("smape", "percent, 0 to 200"),
        Column("mase", "mae over that of the seasonal naive forecast in train, one season ahead"),
        Column("baseline_mae", "as mae, of the baseline with the lowest on the split"),
    ),
)

BY_TIME = Table(
    "by_time",
    (
        Column("part", "of the time that is forecast: hour, weekday or month"),
        Column("value", "0 to 23; 0 (Monday) to 6; 1 to 12"),
        Column("n", "targets that were observed"),
        Column("mae", "unit of the data; of several targets scaled units"),
        Column("rmse", "as mae"),
        Column("bias", "as mae; mean of forecast - actual"),
    ),
)

RESIDUALS = Table(
    "residuals",
    (
        Column("series", "name of the target"),
        Column("statistic", "of the errors (forecast - actual) one step ahead"),
        Column("value", "bias and deviation in the unit of the data"),
        Column("note", "what it means"),
    ),
)

COMPARISON = Table(
    "comparison",
    (
        Column("baseline", "naive, seasonal_naive or ridge"),
        Column("statistic", "of the Diebold-Mariano test; below 0 the network is better"),
        Column("p_value", "two-sided; empty where there are too few windows for a test"),
        Column("mean_loss_difference", "mae of the network - mae of the baseline; of several targets in scaled units"),
        Column("n", "windows"),
    ),
)

SERIES = Table(
    "series",
    (
        Column("timestamp", "stamp, or row number"),
        Column("split", "train, val or test; empty for rows before train"),
        Column("observed", "true or false: whether all targets were"),
    ),
    wide="one column a target, then a feature, in its unit; gaps as they were filled",
)

REPAIRS = Table(
    "repairs",
    (
        Column("kind", "of repair"),
        Column("column", "name; empty for whole rows"),
        Column("count", "rows or cells"),
        Column("first", "stamp or row"),
        Column("last", "stamp or row"),
        Column("treatment", "what was done"),
    ),
)

BACKTEST = Table(
    "backtest",
    (
        Column("fold", "1 for the first"),
        Column("train_end", "stamp, or row number, of the last row of train"),
        Column("begin", "stamp, or row number, of the first target"),
        Column("end", "stamp, or row number, of the last target"),
        Column("n", "windows"),
    ),
    wide="<metric> of the model, and <metric>/<baseline>",
)

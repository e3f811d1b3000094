"""Figures hold the numbers of their tables, and no text leaves the picture. `pytest tests/plots`"""

import importlib
import io
import warnings
from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from sklearn.metrics import f1_score, precision_recall_fscore_support

from cnnrun import tables
from cnnrun.plots import PLOTS
from cnnrun.plots.calibration import calibration
from cnnrun.plots.canvas import PIXELS_PER_INCH, clip_to_width, inches_wide, new_figure, png
from cnnrun.plots.class_counts import class_counts
from cnnrun.plots.confusion import confusion
from cnnrun.plots.curves import curves
from cnnrun.plots.per_class import per_class
from cnnrun.plots.samples import mistake_captions, samples

CLASS_COUNTS = [10, 37, 100]


def class_names(count: int) -> list[str]:
    """Short and long ones, and one that would be a formula."""
    names = [f"german_shorthaired_pointer_{number}" if number % 3 else str(number) for number in range(count)]
    return [*names[:-1], r"$5 and $\frac"]


def history_table(epochs: int) -> pd.DataFrame:
    number = np.arange(1, epochs + 1)
    table = pd.DataFrame(
        {
            "epoch": number,
            "step": 100 * number,
            "train/loss": 2.3 / number,
            "train/accuracy": 1 - 0.9 / number,
            "val/loss": 2.3 / number + 0.1,
            "val/accuracy": 0.9 - 0.8 / number,
            "lr": 0.1 / number**2,
            "seconds": 1.0,
            "samples_per_second": 1000.0,
        }
    )
    assert set(tables.HISTORY.names) <= set(table)
    return table


def confusion_table(count: int) -> pd.DataFrame:
    names = class_names(count)
    cells = np.random.default_rng(0).integers(0, 3, (count, count)) + 1234 * np.eye(count, dtype=int)
    return pd.DataFrame(cells, columns=names).assign(target=names)[["target", *names]]


def per_class_table(count: int) -> pd.DataFrame:
    shares = np.random.default_rng(0).uniform(0, 1, (3, count))
    columns = [class_names(count), np.arange(count), np.arange(count)[::-1], *shares]
    return pd.DataFrame(dict(zip(tables.PER_CLASS.names, columns, strict=True)))


def calibration_table() -> pd.DataFrame:
    edges = np.linspace(0, 1, 11)
    samples_in_bin = np.array([0, 0, 1, 5, 20, 40, 80, 200, 900, 7000])
    shares = np.where(samples_in_bin > 0, (edges[1:] + edges[:-1]) / 2, np.nan)
    columns = [edges[:-1], edges[1:], samples_in_bin, shares, 0.9 * shares]
    return pd.DataFrame(dict(zip(tables.CALIBRATION.names, columns, strict=True)))


def test_every_plot_in_the_table_is_there() -> None:
    for name, place in PLOTS.items():
        module, attribute = place.split(":")
        assert getattr(importlib.import_module(module), attribute).__name__ == name


@pytest.mark.parametrize("epochs", [1, 2, 10, 300])
def test_curves_show_the_history_and_its_best_epoch(epochs: int, assert_nothing_is_clipped: Callable) -> None:
    history = history_table(epochs)
    figure = curves(history, "val/accuracy", higher_is_better=True)
    assert_nothing_is_clipped(figure)
    loss, accuracy, rate = figure.axes
    for axes, columns in ((loss, ["train/loss", "val/loss"]), (accuracy, ["train/accuracy", "val/accuracy"])):
        for line, column in zip(axes.lines, columns, strict=False):
            np.testing.assert_array_equal(line.get_xdata(), history["epoch"])
            np.testing.assert_array_equal(line.get_ydata(), history[column])
    np.testing.assert_array_equal(rate.lines[0].get_ydata(), history["lr"])
    star = accuracy.lines[-1]
    assert (star.get_xdata()[0], star.get_ydata()[0]) == (epochs, history["val/accuracy"].iloc[-1])
    assert [axes.get_xlabel() for axes in figure.axes] == ["epoch"] * 3
    assert [axes.get_ylabel() for axes in figure.axes] == [
        "loss, mean over samples",
        "accuracy",
        "learning rate, last step",
    ]
    assert figure.get_suptitle() == f"best val/accuracy {0.9 - 0.8 / epochs:.4f} at epoch {epochs} of {epochs}"


def test_a_short_history_is_drawn_with_markers_and_whole_epochs() -> None:
    figure = curves(history_table(1), "val/accuracy", higher_is_better=True)
    png(figure)
    assert all(line.get_marker() == "o" for line in figure.axes[0].lines[:2])
    low, high = figure.axes[0].get_xlim()
    assert [tick for tick in figure.axes[0].get_xticks() if low <= tick <= high] == [1]
    assert curves(history_table(300), "val/accuracy", higher_is_better=True).axes[0].lines[0].get_marker() == "None"


def test_curves_of_a_monitored_loss_mark_its_minimum() -> None:
    history = history_table(5)
    history["val/loss"] = [3.0, 1.0, 2.0, 1.0, 2.0]
    figure = curves(history, "val/loss", higher_is_better=False)
    assert figure.get_suptitle() == "best val/loss 1.0000 at epoch 2 of 5"
    assert len(figure.axes) == 3
    assert figure.axes[0].lines[-1].get_xdata() == [2]


def test_curves_of_a_monitor_that_was_never_a_number_say_so(assert_nothing_is_clipped: Callable) -> None:
    history = history_table(2).assign(**{"val/accuracy": np.nan})
    figure = curves(history, "val/accuracy", higher_is_better=True)
    assert figure.get_suptitle() == "val/accuracy: never a number"
    assert_nothing_is_clipped(figure)


def test_curves_without_a_further_metric_show_loss_and_learning_rate() -> None:
    history = history_table(3).drop(columns=["train/accuracy", "val/accuracy"])
    assert len(curves(history, "val/loss", higher_is_better=False).axes) == 2


def test_the_learning_rate_axis_is_logarithmic_only_over_decades() -> None:
    history = history_table(10)
    assert curves(history, "val/accuracy", higher_is_better=True).axes[-1].get_yscale() == "log"
    history["lr"] = 0.1
    assert curves(history, "val/accuracy", higher_is_better=True).axes[-1].get_yscale() == "linear"


@pytest.mark.parametrize("count", CLASS_COUNTS)
def test_confusion_shows_counts_and_row_shares(count: int, assert_nothing_is_clipped: Callable) -> None:
    table = confusion_table(count)
    figure = confusion(table, "test")
    counts = table.drop(columns="target").to_numpy()
    panels = [axes for axes in figure.axes if axes.images]
    np.testing.assert_array_equal(panels[0].images[0].get_array(), counts)
    np.testing.assert_allclose(panels[1].images[0].get_array().sum(axis=1), 100)
    assert [axes.get_xlabel() for axes in panels] == ["prediction", "prediction"]
    assert panels[0].get_ylabel() == "target"
    assert bool(panels[0].texts) == (count <= 37)
    assert_nothing_is_clipped(figure)


def test_numbers_are_white_on_dark_cells_alone() -> None:
    cells = np.random.default_rng(0).integers(0, 30, (10, 10))
    names = [str(number) for number in range(10)]
    panels = confusion(pd.DataFrame(cells, columns=names).assign(target=names)[["target", *names]], "test").axes[::2]
    for axes in panels:
        image = axes.images[0]
        for text in axes.texts:
            column, row = map(int, text.get_position())
            brightness = np.mean(image.to_rgba(image.get_array())[row, column, :3])
            assert brightness < 0.6 if text.get_color() == "white" else brightness > 0.4


@pytest.mark.parametrize(("count", "letters"), [(3, 9), (3, 11), (3, 13), (5, 3), (5, 4), (5, 5), (10, 2)])
def test_names_of_classes_fit_below_the_matrix_flat_or_upright(
    count: int, letters: int, assert_nothing_is_clipped: Callable
) -> None:
    names = [f"{'n' * letters}$x^2$\n{number}" for number in range(count)]
    figure = confusion(
        pd.DataFrame(np.eye(count, dtype=int), columns=names).assign(target=names)[["target", *names]], "test"
    )
    axes = figure.axes[0]
    assert_nothing_is_clipped(figure)
    assert axes.xaxis.label.get_window_extent().y0 >= 0, "the name of the axis is below the edge"
    boxes = [label.get_window_extent() for label in axes.get_xticklabels()]
    assert not any(left.overlaps(right) for left, right in pairwise(boxes))


def test_a_name_of_several_lines_is_a_label_of_one() -> None:
    table = pd.DataFrame({"target": ["a\nb", "c"], "a\nb": [3, 0], "c": [1, 0]})
    figure = confusion(table, "test")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert inches_wide("a\nb", 9) > 0
    axes = figure.axes[0]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["a b", "c"]


def test_a_class_without_samples_has_an_empty_row() -> None:
    table = pd.DataFrame({"target": ["a", "b"], "a": [3, 0], "b": [1, 0]})
    figure = confusion(table, "test")
    np.testing.assert_array_equal(figure.axes[2].images[0].get_array(), [[75, 25], [0, 0]])


@pytest.mark.parametrize("most", [1, 2, 4, 7, 60, 1234])
def test_axes_of_counts_have_whole_numbers(most: int) -> None:
    cells = pd.DataFrame({"target": ["a", "b"], "a": [most, 0], "b": [0, 1]})
    shares = per_class_table(2).assign(support=[1, most], predicted=[most, 1])
    classes = pd.DataFrame([("a", most, 1, 1), ("b", 1, 0, 0)], columns=tables.CLASSES.names)
    bar = confusion(cells, "test").axes[1].yaxis
    for axis in (bar, per_class(shares, "test").axes[1].xaxis, class_counts(classes).axes[0].xaxis):
        ticks = axis.get_majorticklocs()
        np.testing.assert_array_equal(ticks, ticks.round())
        assert 2 <= len(ticks) <= 12


def test_the_mean_over_classes_is_of_those_that_occur_as_in_scikit_learn() -> None:
    targets, predicted = [0, 0, 1, 1, 1], [0, 1, 1, 1, 3]
    shares = precision_recall_fscore_support(targets, predicted, labels=range(5), zero_division=0)
    precision, recall, f1, support = shares
    columns = {"precision": precision, "recall": recall, "f1": f1, "support": support}
    table = pd.DataFrame({"class": list("abcde"), "predicted": np.bincount(predicted, minlength=5), **columns})
    mean = f1_score(targets, predicted, average="macro")
    assert mean != f1.mean()
    assert per_class(table, "test").get_suptitle().endswith(f"(mean {mean:.4f})")


@pytest.mark.parametrize("count", CLASS_COUNTS)
def test_per_class_bars_are_sorted_and_equal_to_the_table(count: int, assert_nothing_is_clipped: Callable) -> None:
    table = per_class_table(count)
    figure = per_class(table, "test")
    shares, support = figure.axes
    ordered = table.sort_values("f1", ascending=False)
    np.testing.assert_array_equal([bar.get_width() for bar in shares.patches], ordered["f1"])
    np.testing.assert_array_equal(shares.lines[0].get_xdata(), ordered["precision"])
    np.testing.assert_array_equal(shares.lines[1].get_xdata(), ordered["recall"])
    np.testing.assert_array_equal([bar.get_width() for bar in support.patches], ordered["support"])
    np.testing.assert_array_equal(support.lines[0].get_xdata(), ordered["predicted"])
    assert (shares.get_xlabel(), support.get_xlabel()) == ("share", "samples")
    assert_nothing_is_clipped(figure)
    labels = [label.get_window_extent() for label in shares.get_yticklabels()]
    assert all(upper.y0 >= lower.y1 for upper, lower in pairwise(labels))


def test_calibration_shows_the_bins_that_hold_samples(assert_nothing_is_clipped: Callable) -> None:
    table = calibration_table()
    figure = calibration(table, "test")
    shares, support = figure.axes
    filled = table[table["n"] > 0]
    np.testing.assert_array_equal([bar.get_height() for bar in shares.patches], filled["accuracy"])
    np.testing.assert_array_equal(shares.lines[1].get_xdata(), filled["confidence"])
    np.testing.assert_array_equal([bar.get_height() for bar in support.patches], filled["n"])
    assert (support.get_xlabel(), support.get_yscale()) == ("confidence", "log")
    assert figure.get_suptitle() == "calibration on test: expected error 0.0928, n = 8,246"
    assert_nothing_is_clipped(figure)


def test_a_bin_where_nothing_is_correct_shows_and_samples_are_counted_in_whole_numbers() -> None:
    table = calibration_table()[:4].assign(
        n=[0, 1, 1, 2], accuracy=[np.nan, 0.0, 0.0, 1.0], confidence=[0.0, 0.1, 0.2, 0.3]
    )
    shares, support = calibration(table, "test").axes
    assert [bar.get_linewidth() > 0 for bar in shares.patches] == [True] * 3
    assert shares.lines[1].get_clip_on() is False
    png(shares.figure)
    assert [text.get_text() for text in support.get_yticklabels()][:3] == ["0", "1", "2"]


def test_titles_name_the_split() -> None:
    figures = confusion(confusion_table(3), "val"), per_class(per_class_table(3), "val")
    assert all(" on val" in figure.get_suptitle() for figure in figures)


@pytest.mark.parametrize("span", [1.5, 2.0, 2.9, 6.0])
def test_a_logarithmic_learning_rate_has_labels(span: float) -> None:
    history = history_table(10)
    history["lr"] = np.geomspace(0.03, 0.03 / 10**span, 10)
    axes = curves(history, "val/accuracy", higher_is_better=True).axes[-1]
    png(axes.figure)
    low, high = axes.get_ylim()
    shown = [text.get_text() for text in axes.get_yticklabels() if low <= text.get_position()[1] <= high]
    assert 2 <= len([text for text in shown if text]) <= 12


@pytest.mark.parametrize("shape", [(1, 1, 8, 8), (9, 3, 32, 32), (5, 3, 60, 224), (3, 1, 224, 60)])
def test_samples_are_drawn_as_they_are(shape: tuple[int, int, int, int], assert_nothing_is_clipped: Callable) -> None:
    images = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    figure = samples(images, [f"class {number}" for number in range(len(images))], "first images of the training set")
    drawn = figure.axes[0].images
    assert len(drawn) == len(images)
    for picture, image in zip(drawn, images, strict=True):
        pixels = np.asarray(picture.get_array())
        np.testing.assert_array_equal(pixels, image[0] if shape[1] == 1 else image.transpose(1, 2, 0))
        left, right, bottom, top = picture.get_extent()
        assert (top - bottom) / (right - left) == pytest.approx(shape[2] / shape[3])
    assert_nothing_is_clipped(figure)


def test_captions_of_mistakes_name_target_prediction_and_confidence() -> None:
    mistakes = pd.DataFrame(
        {"id": ["a"], "target": ["cat"], "prediction": ["dog"], "correct": [False], "confidence": [0.987]}
    )
    assert mistake_captions(mistakes) == ["target: cat\npredicted: dog\nconfidence: 99%"]


def test_long_captions_stay_within_their_tile() -> None:
    images = np.zeros((8, 1, 8, 8), dtype=np.uint8)
    figure = samples(images, ["WWWWWWWWWWWWWWWWWWWWWWWWWWWWWW\n$x$"] * 8, "long names")
    png(figure)
    boxes = [text.get_window_extent() for text in figure.axes[0].texts]
    assert all(left.x1 < right.x0 for left, right in pairwise(boxes))
    assert figure.axes[0].texts[0].get_text().endswith(r"\$x\$")


def test_text_is_clipped_to_a_width_in_inches() -> None:
    assert clip_to_width("short", 5, 10) == "short"
    clipped = clip_to_width("a very long name indeed", 0.8, 10)
    assert clipped.endswith("…")
    assert inches_wide(clipped, 10) <= 0.8


def test_a_letter_that_the_font_lacks_is_no_warning() -> None:
    figure = new_figure(3, 2, "ひらがな")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        content = png(figure)
    width, height = (int.from_bytes(content[start : start + 4], "big") for start in (16, 20))
    assert (width, height) == (3 * PIXELS_PER_INCH, 2 * PIXELS_PER_INCH)


@pytest.mark.parametrize(
    ("draw", "table"),
    [
        (lambda table: curves(table, "val/accuracy", higher_is_better=True), history_table(3)),
        (lambda table: confusion(table, "val"), confusion_table(4)),
        (lambda table: per_class(table, "val"), per_class_table(4)),
        (lambda table: calibration(table, "val"), calibration_table()),
    ],
    ids=["curves", "confusion", "per_class", "calibration"],
)
def test_a_figure_is_drawn_again_from_its_csv(draw: Callable[[pd.DataFrame], Figure], table: pd.DataFrame) -> None:
    stored = pd.read_csv(io.StringIO(table.to_csv(index=False)))
    assert png(draw(stored)) == png(draw(table))

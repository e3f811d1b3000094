"""Figures of many runs hold the numbers of their tables, whatever is in them. `pytest tests/plots`"""

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from cnnrun.plots.heat_map import MARKS, heat_map
from cnnrun.plots.importance import MOST_BARS, importance
from cnnrun.plots.long_names import shorten
from cnnrun.plots.packed import LARGE, packed
from cnnrun.plots.palette import COLORS, OTHERS
from cnnrun.plots.parallel import parallel
from cnnrun.plots.run_curves import run_curves
from cnnrun.plots.scale import limits, number_text, scale_of, ticks_of
from cnnrun.plots.search_history import search_history
from cnnrun.plots.swept import swept

METRIC = "test/accuracy"
LONG = "model=reference_002_dnn,optimizer.lr=0.0001,dataset.rotation=15,_$x_{weight}$decay=0.0005,seed="


def history(epochs: int = 5, top: float = 0.9, noise: int = 0) -> pd.DataFrame:
    epoch = np.arange(1, epochs + 1)
    values = top - 0.5 / epoch + np.random.default_rng(noise).normal(0, 0.01, epochs)
    return pd.DataFrame({"epoch": epoch, "val/accuracy": values, "val/loss": 5.0 / epoch**2})


def groups(values: list, models: tuple[str, ...] = ("cnn",), **columns: object) -> pd.DataFrame:
    """A row a value and model, ten points worse from one to the next."""
    rows = [(value, model, 0.9 - 0.1 * place) for model in models for place, value in enumerate(values)]
    table = pd.DataFrame(rows, columns=["lr", "model", METRIC]).assign(n=3, failed=0, dead=0)
    table[f"{METRIC}/low"], table[f"{METRIC}/high"] = table[METRIC] - 0.02, table[METRIC] + 0.02
    return table.assign(best=table.index == 0).assign(**columns)


def runs(count: int) -> pd.DataFrame:
    random = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "optimizer.lr": 10.0 ** random.integers(-5, 0, count),
            "model": random.choice(["dnn", LONG + "1", LONG + "2"], count),
            "pool": np.where(np.arange(count) % 4 == 1, np.nan, 2.0),
            METRIC: np.where(np.arange(count) % 9 == 8, np.nan, random.beta(8, 2, count)),
        }
    )


def pivot(values: np.ndarray, name: str = "") -> pd.DataFrame:
    rows, columns = values.shape
    index = pd.Index([f"{name}{row}" for row in range(rows)], name="model")
    return pd.DataFrame(values, index=index, columns=pd.Index([f"{name}{n}" for n in range(columns)], name="lr"))


def trials(values: list[float], status: list[str]) -> pd.DataFrame:
    return pd.DataFrame({"trial": range(len(values)), "value": values, "status": status})


def texts(figure: Figure) -> list[str]:
    """Everything that is written in it."""
    found = [text.get_text() for axes in figure.axes for text in axes.texts]
    labels = [text.get_text() for axes in figure.axes for text in (*axes.get_xticklabels(), *axes.get_yticklabels())]
    remarks = [axes.get_title(loc="right") for axes in figure.axes]
    return [*found, *labels, *remarks, *legend(figure)]


def legend(figure: Figure) -> list[str]:
    return [text.get_text().strip() for each in figure.legends for text in each.get_texts()]


def test_thick_lines_are_the_means_of_the_finished_runs_of_a_group():
    histories = {f"cnn {seed}": history(5 + seed, noise=seed) for seed in range(3)}
    histories["cnn failed"] = history(2)
    figure = run_curves(histories, "val/accuracy", True, dict.fromkeys(histories, "cnn"), ["cnn failed"])
    (thick,) = (line for line in figure.axes[0].lines if line.get_linewidth() > 2)
    expected = np.mean([histories[f"cnn {seed}"]["val/accuracy"][:5] for seed in range(3)], axis=0)
    np.testing.assert_allclose(thick.get_ydata(), expected)
    assert [line.get_linestyle() for line in figure.axes[0].lines].count("--") == 1
    assert legend(figure) == ["cnn (n = 4)", "not finished: cnn failed"]


def test_the_best_groups_have_the_colours_and_the_legend_ends():
    histories = {f"run {n}": history(top=0.5 + 0.002 * n) for n in range(200)}
    failed = [f"run {n}" for n in range(20)]
    figure = run_curves(histories, "val/accuracy", True, None, failed)
    names = legend(figure)
    assert names[:2] == ["run 199", "run 198"]
    assert names[len(COLORS)] == f"{200 - len(COLORS)} others"
    assert names[-1] == "and 15 more that did not finish"
    colors = {line.get_color() for line in figure.axes[0].lines}
    assert colors == {*COLORS, OTHERS}


def test_a_loss_over_decades_has_a_logarithmic_axis_and_low_is_best():
    figure = run_curves({"a": history(20), "b": history(20).assign(**{"val/loss": 9.0})}, "val/loss", False)
    assert figure.axes[0].get_yscale() == "log"
    assert legend(figure) == ["a", "b"]


def test_runs_without_a_number_are_counted():
    histories = {"a": history(), "empty": history()[:0], "nan": history() * np.nan, "other": history()[["epoch"]]}
    assert run_curves(histories, "val/accuracy", True).get_suptitle() == "val/accuracy of 4 runs; 3 without a number"


def test_values_that_ran_away_are_cut_off_and_counted():
    low, high = limits(np.array([0.95, 0.94, 0.9, -500.0]), higher_is_better=True)
    assert 0.8 < low < 0.9
    assert 0.95 < high < 1.0
    tables = {"a": history().assign(**{"val/accuracy": [-500, 0.9, 0.94, 0.95, 0.95]})}
    assert "1 value beyond the axis, down to -500" in texts(run_curves(tables, "val/accuracy", True))


def test_values_below_zero_that_are_no_outliers_are_kept():
    values = np.array([-3.0, -2.0, -1.0, 0.5])
    low, high = limits(values, higher_is_better=True)
    assert low < -3
    assert high > 0.5


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ([0.1, 0.01, 0.001], "log"),
        ([32, 64, 128], "log"),
        (["0.1", "0.001"], "log"),
        ([1, 2, 3], "linear"),
        ([0.0, 0.1, 0.5], "linear"),
        ([0.1], "linear"),
        ([True, False], "named"),
        (["adam", "sgd"], "named"),
        (["32", "auto"], "named"),
        ([None, None], "named"),
    ],
)
def test_settings_are_numbers_names_or_powers(values: list, kind: str):
    assert scale_of(values).kind == kind


@pytest.mark.parametrize(
    ("values", "ticks"),
    [
        ([0.1, 0.01, 0.001], [0.001, 0.01, 0.1]),
        ([16, 64, 256], [16, 64, 256]),
        (list(np.linspace(0.03, 0.97, 40)), [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9]),
        (list(10 ** np.linspace(-5, 0, 40)), [1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1]),
        ([7], [7]),
    ],
)
def test_few_values_are_ticks_and_many_have_round_ones(values: list[float], ticks: list[float]):
    np.testing.assert_allclose(ticks_of(scale_of(values), 10), ticks)


def test_a_setting_that_a_run_lacks_has_a_place_of_its_own():
    scale = scale_of([64, None, 128, float("nan")])
    np.testing.assert_array_equal(scale.places, [64, np.nan, 128, np.nan])
    assert scale_of(["a", None, "", 1e-5 / 3 * 3]).names == ["1e-05", "a", "none"]


def test_swept_numbers_lie_at_their_values_with_their_intervals():
    table = groups([0.1, 0.01, 0.001])
    axes = swept(table, "lr", METRIC, True).axes[0]
    assert axes.get_xscale() == "log"
    assert [text.get_text() for text in axes.get_xticklabels()] == ["0.001", "0.01", "0.1"]
    line = next(line for line in axes.lines if line.get_marker() == "o")
    np.testing.assert_allclose(line.get_xdata(), [0.001, 0.01, 0.1])
    np.testing.assert_allclose(line.get_ydata(), table[METRIC][::-1])
    ends = [segment[:, 1] for segment in axes.collections[0].get_segments()]
    np.testing.assert_allclose(ends, table[[f"{METRIC}/low", f"{METRIC}/high"]][::-1])


def test_an_interval_far_longer_than_the_means_are_apart_does_not_press_them_together():
    table = groups([0.1, 0.01]).assign(**{f"{METRIC}/low": -2.0, f"{METRIC}/high": 3.0})
    axes = swept(table, "lr", METRIC, higher_is_better=True).axes[0]
    low, high = axes.get_ylim()
    assert 0.65 < low < 0.8 < 0.9 < high < 1.05
    assert axes.get_title(loc="right") == "some intervals reach beyond the axis"
    table = groups([0.1]).assign(**{METRIC: 0.97, f"{METRIC}/low": 0.97, f"{METRIC}/high": 0.97})
    assert swept(table, "lr", METRIC, higher_is_better=True).axes[0].get_title(loc="right") == ""


@pytest.mark.parametrize("setting", ["lr", "kind"])
def test_the_axis_of_a_share_ends_at_0_and_1(setting: str):
    table = groups([0.1, 0.01]).assign(**{METRIC: [0.95, 0.05], f"{METRIC}/low": -2.0, f"{METRIC}/high": 3.0})
    axes = swept(table.assign(kind=["a", "b"]), setting, METRIC, higher_is_better=True).axes[0]
    low, high = axes.get_ylim() if setting == "lr" else axes.get_xlim()
    assert -0.05 < low < 0 < 1 < high < 1.05
    renamed = table.rename(columns=lambda name: name.replace(METRIC, "test/r2"))
    assert swept(renamed, "lr", "test/r2", higher_is_better=True).axes[0].get_ylim()[1] > 1.5


def test_the_best_is_ringed_and_its_point_seen():
    axes = swept(groups([0.1, 0.01]), "lr", METRIC, True).axes[0]
    (ring,) = (line for line in axes.lines if line.get_fillstyle() == "none")
    assert (ring.get_xdata(), ring.get_ydata()) == ([0.1], [0.9])


def test_swept_says_how_many_runs_a_point_is_the_mean_of():
    assert swept(groups([1, 2]), "lr", METRIC, True).get_suptitle().endswith("n = 3 each")
    figure = swept(groups([1, 2], n=[3, 2], failed=[0, 1], dead=[0, 1]), "lr", METRIC, True)
    assert figure.get_suptitle().endswith("n = 2 to 3")
    assert {"n = 3", "n = 2, 1 dead, 1 failed"} <= set(texts(figure))


def test_groups_without_a_number_part_no_line_and_are_counted():
    figure = swept(groups([1, 2, 3], n=[1, 0, 1], **{METRIC: [0.9, np.nan, 0.8]}), "lr", METRIC, True)
    line = next(line for line in figure.axes[0].lines if line.get_marker() == "o")
    np.testing.assert_array_equal(line.get_xdata(), [1, 3])
    assert figure.get_suptitle().endswith("n = 1 each; 1 without a number")


def test_in_a_random_search_other_settings_have_no_colours():
    values = list(np.random.default_rng(0).uniform(1e-4, 1, 30))
    table = groups(values).assign(model=[f"m{n}" for n in range(30)], kind="a")
    figure = swept(table, "lr", METRIC, True, ["model"])
    assert legend(figure) == ["best"]
    points = next(line for line in swept(table, "kind", METRIC, True, ["lr"]).axes[0].lines)
    assert len(set(points.get_ydata())) == 30


def test_swept_names_are_points_in_rows_and_what_else_varies_has_a_colour():
    figure = swept(groups(["none", "standard", None], ("cnn", "dnn")), "lr", METRIC, True, ["model"])
    axes = figure.axes[0]
    assert [text.get_text() for text in axes.get_yticklabels()] == ["none", "standard"]
    assert legend(figure) == ["model=cnn", "model=dnn", "best"]
    points = [line for line in axes.lines if (line.get_marker(), line.get_fillstyle()) == ("o", "full")]
    assert {line.get_linestyle() for line in points} == {"None"}
    assert len({tuple(line.get_ydata()) for line in points}) == 2


def test_lines_of_parallel_coordinates_end_at_their_metric():
    table = runs(30)
    axes = parallel(table, ["optimizer.lr", "model", "pool"], METRIC, True).axes[0]
    metric = table[METRIC].dropna().sort_values()
    ends = [line.get_ydata()[-1] for line in axes.lines if len(line.get_xdata()) == 4]
    heights = (metric - metric.min()) / (metric.max() - metric.min())
    np.testing.assert_allclose(ends, heights)
    dashed = [line for line in axes.lines if line.get_linestyle() == "--"]
    assert len(dashed) == table[METRIC].isna().sum()
    assert [text.get_text() for text in axes.get_xticklabels()][-1] == METRIC


def test_cells_hold_values_marks_and_intervals():
    means = pivot(np.array([[0.9, 0.8123], [np.nan, 123456.0]]))
    marks = pd.DataFrame([["best chosen", ""], ["failed", "dead"]], index=means.index, columns=means.columns)
    below = pd.DataFrame([["0.8 to 1", ""], ["", ""]], index=means.index, columns=means.columns)
    figure = heat_map(means, METRIC, True, marks, below)
    written = texts(figure)
    assert {f"0.9000 {MARKS['best']} {MARKS['chosen']}", "0.8123", "0.8 to 1"} <= set(written)
    assert {f"– {MARKS['failed']}", f"123,456 {MARKS['dead']}"} <= set(written)
    (explained,) = (text.get_text() for text in figure.texts if "best on val" in text.get_text())
    assert "did not finish" in explained
    assert "cannot be told" not in explained


@pytest.mark.parametrize("columns", [1, 2, 8])
def test_a_heat_map_fills_its_figure_under_a_title_in_its_middle(columns: int):
    figure = heat_map(pivot(np.linspace(0, 1, 2 * columns).reshape(2, columns)), METRIC, True)
    cells, bar = (axes.get_position() for axes in figure.axes)
    assert (1 - bar.x1) * figure.get_figwidth() < 1
    (title,) = (text for text in figure.texts if text.get_text().startswith(METRIC))
    assert title.get_position()[0] == pytest.approx((cells.x0 + cells.x1) / 2)


def luminance(color: object) -> float:
    """WCAG 2.2, relative luminance."""
    channels = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in to_rgb(color)]
    return sum(weight * channel for weight, channel in zip((0.2126, 0.7152, 0.0722), channels, strict=True))


def test_numbers_can_be_read_on_every_cell():
    values = np.linspace(0, 1, 64).reshape(8, 8)
    axes = heat_map(pivot(values), METRIC, True).axes[0]
    (image,) = axes.images
    cells = image.cmap(image.norm(values)).reshape(-1, 4)
    inked = [text for text in axes.texts if text.get_text() != "model"]
    for cell, text in zip(cells, inked, strict=True):
        light, dark = sorted([luminance(cell[:3]), luminance(text.get_color())], reverse=True)
        assert (light + 0.05) / (dark + 0.05) >= 4.5  # level AA


def test_the_best_so_far_is_that_of_the_finished_trials():
    table = trials([0.5, 0.9, 0.7, np.nan, 0.8], ["finished", "pruned", "finished", "failed", "finished"])
    axes = search_history(table, METRIC, True).axes[0]
    best = next(line for line in axes.lines if line.get_label() == "best so far")
    np.testing.assert_array_equal(best.get_xdata(), [0, 2, 4, 4])
    np.testing.assert_array_equal(best.get_ydata(), [0.5, 0.7, 0.8, 0.8])
    assert "best: trial 4" in {line.get_label() for line in axes.lines}
    best = next(line for line in search_history(table, "val/loss", False).axes[0].lines)
    np.testing.assert_array_equal(best.get_ydata(), [0.5, 0.5, 0.5, 0.5])


def test_importance_is_sorted_and_the_rest_is_summed():
    table = pd.DataFrame({"setting": [f"s{n}" for n in range(25)], "importance": np.arange(25) / 300})
    axes = importance(table, METRIC).axes[0]
    widths = [bar.get_width() for bar in axes.patches]
    np.testing.assert_allclose(widths, [*np.arange(24, 4, -1) / 300, sum(range(5)) / 300])
    assert [text.get_text() for text in axes.get_yticklabels()][-1] == "5 others together"
    assert len(widths) == MOST_BARS + 1


def test_a_long_name_keeps_both_ends():
    short = shorten(LONG + "17", 2.0, 9)
    assert short.startswith("model=")
    assert short.endswith("seed=17")
    assert "…" in short
    assert shorten("as it is", 2.0, 9) == "as it is"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.98765, "0.9877"),
        (0.0, "0.0000"),
        (1.0, "1.0000"),
        (-3.14159, "-3.142"),
        (50.5, "50.50"),
        (1318.4, "1318"),
        (1e-5, "1.00e-05"),
        (12345.6, "12,346"),
    ],
)
def test_numbers_are_written_with_what_matters(value: float, text: str):
    assert number_text(value) == text


def test_a_large_figure_is_packed_and_looks_the_same():
    import io

    from PIL import Image

    from cnnrun.plots.canvas import png

    original = png(heat_map(pivot(np.random.default_rng(0).uniform(size=(16, 9))), METRIC, True))
    assert len(original) > LARGE
    small = packed(original)
    assert len(small) < 0.6 * len(original)
    pictures = [np.asarray(Image.open(io.BytesIO(content)).convert("RGB"), float) for content in (original, small)]
    assert np.sqrt(np.mean((pictures[0] - pictures[1]) ** 2)) < 4
    broken = original[: LARGE // 2] + bytes(LARGE)
    for damaged in (broken, bytes(LARGE), original[:24] + bytes(LARGE)):
        assert packed(damaged) == damaged


def test_a_figure_that_would_be_gigantic_is_left_alone():
    import io

    from PIL import Image

    buffer = io.BytesIO()
    Image.new("1", (9000, 9000)).save(buffer, "png", compress_level=0)
    assert packed(buffer.getvalue()) == buffer.getvalue()


AWKWARD: dict[str, Callable[[], Figure]] = {
    "curves, one epoch": lambda: run_curves({"_one": history(1)}, "val/accuracy", True),
    "curves, nothing": lambda: run_curves({"a": history()[:0]}, "val/accuracy", True),
    "curves, long names": lambda: run_curves(
        {f"{LONG}{n}": history(noise=n) for n in range(12)}, "val/accuracy", True, None, [LONG + "3"]
    ),
    "swept, one value": lambda: swept(groups([0.1]), "lr", METRIC, True),
    "swept, nothing": lambda: swept(groups([0.1, 1], **{METRIC: np.nan}, best=False), "lr", METRIC, True),
    "swept, equal": lambda: swept(groups([1, 2], **{METRIC: 0.5}), "lr", METRIC, True),
    "swept, long names": lambda: swept(
        groups([LONG + "a", LONG + "b", None], ("a", LONG)), "lr", METRIC, True, ["model"]
    ),
    "swept, missing": lambda: swept(groups([0.1, None, 10.0]), "lr", METRIC, True),
    "swept, dead": lambda: swept(groups([1, 2, 4], **{METRIC: [0.9, 0.89, -3.0]}, dead=[0, 0, 3]), "lr", METRIC, True),
    "parallel, one run": lambda: parallel(runs(1), ["optimizer.lr", "model", "pool"], METRIC, True),
    "parallel, no setting": lambda: parallel(runs(3), [], METRIC, True),
    "parallel, nothing": lambda: parallel(runs(3).assign(**{METRIC: np.nan}), ["model", "pool"], METRIC, True),
    "parallel, equal": lambda: parallel(runs(3).assign(**{METRIC: 0.5}), ["optimizer.lr"], METRIC, True),
    "heat map, one cell": lambda: heat_map(pivot(np.array([[0.5]])), METRIC, True),
    "heat map, nothing": lambda: heat_map(pivot(np.full((2, 2), np.nan)), METRIC, True),
    "heat map, long names": lambda: heat_map(pivot(np.array([[0.5, 0.6], [0.7, -512.0]]), LONG), METRIC, True),
    "heat map, errors": lambda: heat_map(pivot(10.0 ** np.arange(6).reshape(2, 3)), "test/mae", False),
    "search, one trial": lambda: search_history(trials([0.5], ["finished"]), METRIC, True),
    "search, nothing": lambda: search_history(trials([np.nan] * 2, ["failed"] * 2), METRIC, True),
    "importance, long name": lambda: importance(
        pd.DataFrame({"setting": [LONG, "b"], "importance": [1, np.nan]}), METRIC
    ),
}


@pytest.mark.parametrize("name", AWKWARD)
def test_awkward_tables_are_drawn_and_nothing_is_cut_off(name: str, assert_nothing_is_clipped: Callable):
    assert_nothing_is_clipped(AWKWARD[name]())


@pytest.mark.slow
def test_two_hundred_runs_and_thirty_rows_are_drawn_whole(assert_nothing_is_clipped: Callable):
    histories = {f"{LONG}{n}": history(30, 0.5 + 0.002 * n, n) for n in range(200)}
    groups_of = {run: f"{LONG}{number // 10}" for number, run in enumerate(histories)}
    assert_nothing_is_clipped(run_curves(histories, "val/accuracy", True, groups_of, list(histories)[:9]))
    assert_nothing_is_clipped(parallel(runs(200), ["optimizer.lr", "model", "pool"], METRIC, True))
    means = pivot(np.random.default_rng(0).uniform(size=(30, 8)), LONG)
    assert_nothing_is_clipped(heat_map(means, METRIC, True, None, means.map(lambda value: f"{value:.3f} to 1")))

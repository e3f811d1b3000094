"""Where values lie on an axis: the settings of many runs in numbers or in words, and metrics that may run away."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

from cnnrun.metrics.classification import SHARES

DECADES = 1.5
"""Powers of ten between smallest and largest value from which a metric has a logarithmic axis."""
RUN_AWAY = 20
"""A value is cut off where it is this many times as far from the best as the median is."""
NOTHING = "none"
"""What is written for a setting that a run does not have."""


@dataclass(frozen=True)
class Scale:
    """The values of one setting on an axis."""

    kind: Literal["linear", "log", "named"]
    places: np.ndarray
    """Of each value (n,): the number, or which of the names it is; NaN for a number that is missing."""
    names: list[str]
    """Of the places 0, 1, ... where kind is `named`."""

    @property
    def positions(self) -> np.ndarray:
        """As `places`, with equal distances on paper."""
        return np.log10(self.places) if self.kind == "log" else self.places


def scale_of(values: Iterable[object]) -> Scale:
    """Numbers keep their distances, on a logarithmic axis where they are spread so; all else is names, sorted."""
    given = list(values)
    numbers = [_number(value) for value in given]
    if any(number is not None for number in numbers) and all(
        number is not None or _is_missing(value) for number, value in zip(numbers, given, strict=True)
    ):
        places = np.array([math.nan if number is None else number for number in numbers])
        return Scale("log" if is_spread_so(places) else "linear", places, [])
    texts = [text_of(value) for value in given]
    names = sorted(set(texts), key=_natural)
    return Scale("named", np.array([names.index(text) for text in texts], dtype=float), names)


def is_spread_so(values: np.ndarray) -> bool:
    """Whether a logarithmic axis suits: to two values a decade apart, to more whose steps are more alike as ratios."""
    distinct = np.unique(values[np.isfinite(values)])
    if len(distinct) < 2 or distinct[0] <= 0:
        return False
    ratio = distinct[-1] / distinct[0]
    if len(distinct) == 2 or ratio < 4:
        return bool(ratio >= 10)
    steps, ratios = np.diff(distinct), np.diff(np.log(distinct))
    return bool(ratios.max() / ratios.min() < steps.max() / steps.min())


def is_logarithmic(metric: np.ndarray, higher_is_better: bool) -> bool:
    """Whether a metric is an error over several powers of ten; a share from .01 to .99 is none."""
    finite = metric[np.isfinite(metric)]
    if higher_is_better or not finite.size or finite.min() <= 0:
        return False
    return bool(np.log10(finite.max() / finite.min()) >= DECADES)


def limits(metric: np.ndarray, higher_is_better: bool) -> tuple[float, float]:
    """The range of an axis on which good values can be told apart; values that ran away lie outside.

    Only a metric with negative values, such as R², is cut: an error that runs away has a logarithmic axis.
    """
    finite = metric[np.isfinite(metric)]
    if not finite.size:
        return 0.0, 1.0
    low, high = float(finite.min()), float(finite.max())
    if higher_is_better and low < 0:
        reach = RUN_AWAY * (high - float(np.median(finite)))
        low = max(low, float(finite[finite >= high - reach].min())) if reach > 0 else low
    margin = 0.06 * (high - low) or 0.05 * abs(high) or 0.05
    return low - margin, high + margin


def is_share(name: str, metric: np.ndarray) -> bool:
    """Whether a metric of this name, and with these values (n,), lies between 0 and 1."""
    finite = metric[np.isfinite(metric)]
    return name.rpartition("/")[2] in SHARES and bool(((finite >= 0) & (finite <= 1)).all())


def text_of(value: object) -> str:
    """A value of a setting, as it is written."""
    if _is_missing(value):
        return NOTHING
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def number_text(value: float) -> str:
    """Four digits that matter; a share has four decimals."""
    if not math.isfinite(value):
        return "–"
    if abs(value) <= 1:
        return f"{value:.4f}" if value == 0 or abs(value) >= 0.001 else f"{value:.2e}"
    return f"{value:,.0f}" if abs(value) >= 10_000 else f"{value:#.4g}".rstrip(".")


def tick_text(value: float) -> str:
    """A number as it is read at an axis."""
    if 0 < abs(value) < 1e-3:
        mantissa, _, exponent = f"{value:.1e}".partition("e")
        return f"{mantissa.removesuffix('.0')}e{int(exponent)}"
    return f"{value:,.0f}" if abs(value) >= 10_000 else f"{value:.4g}"


def set_metric(axis: Axis, values: np.ndarray, higher_is_better: bool) -> str:
    """Give an axis the scale and range of a metric (n,); the sentence on what lies beyond it, or nothing."""
    axes = axis.axes
    upright = axis is axes.yaxis
    if is_logarithmic(values, higher_is_better):
        (axes.set_yscale if upright else axes.set_xscale)("log")
        label_decades(axis, values)
        return ""
    low, high = limits(values, higher_is_better)
    beyond = values[values < low]
    if not beyond.size:
        return ""
    (axes.set_ylim if upright else axes.set_xlim)(low, high)
    return f"{beyond.size} value{'s' * (beyond.size > 1)} beyond the axis, down to {tick_text(beyond.min())}"


def label_decades(axis: Axis, values: np.ndarray) -> None:
    """Plain numbers at a logarithmic axis: powers of ten, and 2 and 5 where there are few of them."""
    finite = values[np.isfinite(values)]
    few = np.log10(finite.max() / finite.min()) < 3
    axis.set_major_locator(LogLocator(subs=(1, 2, 5) if few else (1,)))
    axis.set_major_formatter(FuncFormatter(lambda value, _: tick_text(value)))
    axis.set_minor_formatter(NullFormatter())


def write_beside_title(axes: Axes, note: str) -> None:
    """A remark above the axes, where no data are."""
    axes.set_title(note, loc="right", fontsize=8, color="0.35")


def ticks_of(scale: Scale, most: int) -> np.ndarray:
    """Where an axis of numbers has labels: at the values, or at round ones where those are too many or too close."""
    values = np.unique(scale.places[np.isfinite(scale.places)])
    on_paper = np.log10(values) if scale.kind == "log" else values
    if len(values) <= most and len(apart(list(on_paper), (on_paper[-1] - on_paper[0]) / most)) == len(values):
        return values
    low, high = values[0], values[-1]
    if scale.kind == "log":
        few = np.log10(high / low) < 3
        round_ones = LogLocator(subs=(1, 2, 5) if few else (1,), numticks=most + 2).tick_values(low, high)
    else:
        round_ones = MaxNLocator(nbins=most).tick_values(low, high)
    return np.array([tick for tick in round_ones if low * (1 - 1e-9) <= tick <= high * (1 + 1e-9)])


def apart(places: Sequence[float], least: float) -> list[int]:
    """Which of the ascending places are far enough from the one before: the others have no room for a label."""
    kept: list[int] = []
    for number, place in enumerate(places):
        if not kept or place - places[kept[-1]] >= least:
            kept.append(number)
    return kept


def _number(value: object) -> float | None:
    """Of a number or of its text; a yes or no is neither."""
    if isinstance(value, (bool, np.bool_)) or _is_missing(value):
        return None
    try:
        number = float(str(value))
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _is_missing(value: object) -> bool:
    return value is None or value is pd.NA or (isinstance(value, float) and math.isnan(value)) or value == ""


def _natural(name: str) -> tuple[bool, float, str]:
    number = _number(name)
    return (number is None, number or 0.0, name)

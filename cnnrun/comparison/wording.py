"""How a comparison writes a setting, a span of time, and a mean with its interval."""

import math
from typing import Any

from cnnrun.console.numbers import number

PLAIN = str.maketrans({"±": "+-", "≈": "~", "▸": ">", "†": "+", "×": "x", "–": "-", "…": "."})
"""For a screen that cannot show them."""


def setting(value: Any) -> str:
    """A setting as it was typed: 0.0001, and 1 where gaps made a column of fractions; a dash where there is none."""
    if value is None or value != value:
        return "-"
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < 1e9 else f"{value:g}"
    return str(value)


def runtime(seconds: float) -> str:
    """`12s`, `37m 7s`, `1h 5m 3s`."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours}h {minutes}m {rest}s"
    return f"{minutes}m {rest}s" if minutes else f"{rest}s"


def spread(mean: float, high: float) -> str:
    """`0.9868 ± 0.0012`; the mean alone without an interval, nothing without a mean."""
    if math.isnan(mean):
        return ""
    if math.isnan(high):
        return number(mean)
    half = high - mean
    return f"{number(mean)} ± {half:.4f}" if half >= 0.00005 else f"{number(mean)} ± {half:.2g}"

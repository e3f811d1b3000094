"""How a comparison writes a span of time, a mean with its interval, and its marks."""

import math

from cnnrun.console.numbers import number

MARKS = {"best": "*", "tied": "≈", "chosen": "▸", "dead": "†", "failed": "×"}
"""As in the heat map of a pivot."""
PLAIN = str.maketrans({"±": "+-", "≈": "~", "▸": ">", "†": "+", "×": "x", "–": "-", "…": "."})
"""For a screen that cannot show them."""


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

"""How a number, an interval and a span of time are written."""

import math
from collections.abc import Mapping
from numbers import Integral, Real
from typing import Any


def number(value: float) -> str:
    """Four decimals, or four digits of a small one."""
    return f"{value:.4f}" if abs(value) >= 0.01 else f"{value:.4g}"


def cell(value: object) -> str:
    """Anything that stands in a table; None is empty."""
    if value is None:
        return ""
    if isinstance(value, bool) or not isinstance(value, Real):
        return str(value)
    return f"{value:,}" if isinstance(value, Integral) else number(float(value))


def interval(row: Mapping[str, Any]) -> str:
    """`low` to `high` of a row; empty where a metric has none: its ends are None, empty or not a number."""
    if not all(isinstance(row[end], Real) and math.isfinite(row[end]) for end in ("low", "high")):
        return ""
    return f"{number(row['low'])} to {number(row['high'])}"


def time_left(seconds: float) -> str:
    """As on a clock, rounded up."""
    minutes, rest = divmod(math.ceil(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02} left" if hours else f"{minutes}:{rest:02} left"

"""Names of runs and settings of any length, made to fit: what tells two of them apart is mostly at either end."""

from collections.abc import Iterable, Sequence

from matplotlib.artist import Artist
from matplotlib.figure import Figure

from cnnrun.plots.canvas import escape, inches_wide

LEGEND_SIZE = 8.5
LINE = 0.19
"""Inches from one row of a legend to the next."""
MOST_CHARACTERS = 200
"""Of a name that is measured at all."""
MEASURED = 8
"""Of many texts."""


def shorten(name: object, inches: float, font_size: float) -> str:
    """The name on one line, without as much of its middle as has no room."""
    text = " ".join(str(name).split())
    if inches_wide(text[:MOST_CHARACTERS], font_size) <= inches and len(text) <= MOST_CHARACTERS:
        return text
    kept, too_many = 2, min(len(text), MOST_CHARACTERS)
    while too_many - kept > 1:
        middle = (kept + too_many) // 2
        if inches_wide(_without_middle(text, middle), font_size) <= inches:
            kept = middle
        else:
            too_many = middle
    return _without_middle(text, kept)


def widest(texts: Iterable[str], font_size: float) -> float:
    """Inches of the widest; measured are those with the most characters."""
    distinct = sorted(set(texts), key=len, reverse=True)
    return max((inches_wide(text, font_size) for text in distinct[:MEASURED]), default=0.0)


def _without_middle(text: str, characters: int) -> str:
    last = characters // 2
    return f"{text[: characters - last]}…{text[len(text) - last :]}" if characters < len(text) else text


def legend_rows(names: Sequence[str], width: float) -> int:
    """Rows of the legend under a figure that is so many inches wide."""
    return -(-len(names) // _columns(names, width)) if names else 0


def legend_below(figure: Figure, entries: Sequence[tuple[str, Artist]], width: float) -> None:
    """One legend under everything, in as many columns as the longest name leaves room for."""
    if not entries:
        return
    names = [name for name, _ in entries]
    figure.legend(
        [artist for _, artist in entries],
        # a label that begins with an underscore is none to matplotlib
        [f" {escape(shorten(name, width - 1.0, LEGEND_SIZE))}" for name in names],
        loc="outside lower center",
        ncols=_columns(names, width),
        frameon=False,
        fontsize=LEGEND_SIZE,
        handlelength=1.8,
        columnspacing=1.6,
        labelspacing=0.35,
    )


def _columns(names: Sequence[str], width: float) -> int:
    across = widest((shorten(name, width - 1.0, LEGEND_SIZE) for name in names), LEGEND_SIZE)
    return max(1, min(len(names), int((width - 0.2) / (across + 0.65))))

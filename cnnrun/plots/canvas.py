"""What every figure is drawn on: colours, a figure that lays itself out, and its PNG. No pyplot, no global style."""

import io
import textwrap
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.textpath import text_to_path
from PIL import Image

from cnnrun.plots.fonts import families, use_fonts

# M. Okabe and K. Ito, "Color Universal Design" (2008): colour-blind readers tell them apart.
BLUE = "#0072B2"
ORANGE = "#E69F00"
GREEN = "#009E73"
RED = "#D55E00"
GREY = "#8C8C8C"
BLACK = "0.2"

TITLE_SIZE = 12
PIXELS_PER_INCH = 120
POINTS_PER_INCH = 72
CHARACTER_WIDTH = 0.58
"""Of a character of running text in DejaVu Sans, in units of its font size."""


def new_figure(width: float, height: float, title: str, self_arranging: bool = True) -> Figure:
    """A blank figure, sizes in inches, under a title that is wrapped to its width."""
    layout = ConstrainedLayoutEngine(w_pad=0.12, h_pad=0.08) if self_arranging else None
    figure = Figure(figsize=(width, height), dpi=PIXELS_PER_INCH, layout=layout, facecolor="white")
    lines = textwrap.wrap(title, characters_across(width, TITLE_SIZE))
    figure.suptitle(escape("\n".join(lines)), fontsize=TITLE_SIZE)
    return figure


def tidy(axes: Axes) -> None:
    """Take away the frame's upper and right line, and put a faint grid behind the data."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(color="0.9", linewidth=0.7)
    axes.set_axisbelow(True)


def characters_across(inches: float, font_size: float) -> int:
    """How many characters of running text fit on a line."""
    return max(int(inches * POINTS_PER_INCH / (font_size * CHARACTER_WIDTH)), 1)


@contextmanager
def without_complaints_of_the_font() -> Iterator[None]:
    """A class name in a script that no font here has is drawn as boxes; a line for each letter would help nobody."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="(?s)Glyph .* missing from font")
        yield


def inches_wide(text: str, font_size: float) -> float:
    """Width of one line of text, measured without drawing it."""
    with without_complaints_of_the_font():
        font = FontProperties(family=families(text), size=font_size)
        width, _, _ = text_to_path.get_text_width_height_descent(text, font, ismath=False)
    return width / POINTS_PER_INCH


def escape(text: str) -> str:
    """The text with its dollar signs kept from starting a formula."""
    return text.replace("$", r"\$")


def clip(text: str, characters: int) -> str:
    """The text, or its first characters and an ellipsis."""
    return text if len(text) <= characters else text[: max(characters - 1, 1)].rstrip() + "…"


def clip_to_width(text: str, inches: float, font_size: float) -> str:
    """The text, or as many of its first characters as fit before an ellipsis."""
    characters = len(text)
    clipped = text
    while characters > 1 and inches_wide(clipped, font_size) > inches:
        characters -= 1
        clipped = clip(text, characters)
    return clipped


def png(figure: Figure) -> bytes:
    """The picture as the content of a PNG file."""
    buffer = io.BytesIO()
    use_fonts(figure)
    with without_complaints_of_the_font():
        # Not savefig, which draws twice.
        canvas = FigureCanvasAgg(figure)
        canvas.draw()
    # Without the alpha of print_png, and packed less tightly: half the time for a file a tenth larger.
    picture = Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB")
    picture.save(buffer, "png", compress_level=2, dpi=(figure.dpi, figure.dpi))
    return buffer.getvalue()

"""What the tests of several figures share."""

import io
from collections.abc import Callable

import pytest
from matplotlib.figure import Figure
from matplotlib.image import imread

from cnnrun.plots.canvas import png


@pytest.fixture
def assert_nothing_is_clipped() -> Callable[[Figure], None]:
    """Draws a figure and checks that its edge is blank: whatever is cut off there would leave ink on it."""

    def check(figure: Figure) -> None:
        pixels = imread(io.BytesIO(png(figure)), format="png")
        edges = {"top": pixels[:2], "bottom": pixels[-2:], "left": pixels[:, :2], "right": pixels[:, -2:]}
        assert [name for name, edge in edges.items() if (edge < 1).any()] == []
        assert (pixels < 1).any()

    return check

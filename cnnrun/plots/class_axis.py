"""Class names along an axis: shrunk, shortened and thinned until they fit."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.axis import Axis, XAxis

from cnnrun.plots.canvas import POINTS_PER_INCH, clip, escape, inches_wide

SMALLEST = 5.0
LARGEST = 9.0
LONGEST_NAME = 24
"""Characters of a class name that an axis shows."""


@dataclass(frozen=True)
class ClassLabels:
    """The labels of an axis with the classes at 0, 1, ...: every k-th name, and the font size in points."""

    texts: list[str]
    """As they are read, each on one line; a dollar sign is one."""
    every: int
    size: float
    pitch: float
    """Inches from one label to the next."""

    @property
    def width(self) -> float:
        """Inches that the widest name needs."""
        return max(inches_wide(text, self.size) for text in self.texts)

    @property
    def upright(self) -> bool:
        """Whether they stand upright below an x axis: where they would run into each other."""
        return self.width > 0.9 * self.pitch

    def put_on(self, axis: Axis) -> None:
        """Write the names."""
        ticks = range(0, len(self.texts) * self.every, self.every)
        rotation = 90 if isinstance(axis, XAxis) and self.upright else 0
        axis.set_ticks(ticks, labels=list(map(escape, self.texts)), fontsize=self.size, rotation=rotation)
        axis.set_tick_params(length=2)


def fit_labels(names: Sequence[str], inches: float) -> ClassLabels:
    """The labels that an axis of that length has room for."""
    pitch = inches / len(names)
    size = min(max(0.8 * pitch * POINTS_PER_INCH, SMALLEST), LARGEST)
    every = math.ceil(1.1 * size / (pitch * POINTS_PER_INCH))
    texts = [clip(" ".join(name.split()), LONGEST_NAME) for name in names[::every]]
    return ClassLabels(texts, every, size, pitch * every)

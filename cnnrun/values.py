"""The types that a setting may have, beside pydantic's own (PositiveInt, NonNegativeFloat, ...)."""

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

Shape = tuple[int, ...]
"""(C, *spatial) of one sample, no batch axis."""

Fraction = Annotated[float, Field(gt=0, lt=1)]
"""A share that is neither nothing nor all."""

Border = Fraction | Annotated[str, Field(min_length=1, description="a date such as 2017-01-31")]
"""Where a part of a series begins: which share of the rows it takes, or its first date."""

Probability = Annotated[float, Field(ge=0, lt=1)]
"""Of dropping, smoothing, decaying: 0 is off, 1 would leave nothing."""

Interpolation = Literal["bilinear", "bicubic"]
"""How an image is resized; antialiased in any case."""


@dataclass(frozen=True)
class InputSpec:
    """The images that pretrained weights were trained on: what a network with such weights should see."""

    size: int
    """Side in pixels."""
    resize: int
    """Pixels of the short side, before the middle is cut out."""
    interpolation: Interpolation
    mean: tuple[float, ...]
    """Of red, green and blue, in 0 to 1."""
    std: tuple[float, ...]

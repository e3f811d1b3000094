"""The multilayer perceptron: dense layers on the flattened sample, of any shape."""

import math
from collections import OrderedDict

from pydantic import PositiveInt
from torch import Tensor, nn

from cnnrun.models.blocks import Activation, Init, dense_blocks, initialise
from cnnrun.values import Probability, Shape


class MLP(nn.Module):
    """(N, *input_shape) -> (N, num_outputs); without `hidden` layers it is a linear classifier."""

    def __init__(
        self,
        input_shape: Shape,
        num_outputs: int,
        *,
        hidden: list[PositiveInt],
        activation: Activation,
        dropout: Probability,
        init: Init,
    ) -> None:
        super().__init__()
        num_inputs = math.prod(input_shape)
        blocks: OrderedDict[str, nn.Module] = OrderedDict(flatten=nn.Flatten())
        blocks.update(dense_blocks(num_inputs, hidden, activation, dropout))
        self.features = nn.Sequential(blocks)
        self.head = nn.Linear([num_inputs, *hidden][-1], num_outputs)
        initialise(self, init)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.features(x))

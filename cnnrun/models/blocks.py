"""What the mlp and the cnn share: activations, dense blocks, initialisation."""

from collections import OrderedDict
from typing import Literal

from torch import nn

Activation = Literal["relu", "leaky_relu", "elu", "gelu", "silu", "tanh", "sigmoid"]
Init = Literal["torch", "he", "xavier"]

ACTIVATIONS: dict[str, type[nn.Module]] = {
    "relu": nn.ReLU,
    "leaky_relu": nn.LeakyReLU,
    "elu": nn.ELU,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
    "tanh": nn.Tanh,
    "sigmoid": nn.Sigmoid,
}

MONOTONE = {"relu", "leaky_relu", "elu", "tanh", "sigmoid"}
"""Those that never fall: the largest input has the largest output, so a max pool may come first."""


def dense_blocks(
    in_features: int, hidden: list[int], activation: Activation, dropout: float
) -> OrderedDict[str, nn.Module]:
    """Blocks `dense1`, `dense2`, ... of linear, activation, dropout, with the widths in `hidden`."""
    blocks: OrderedDict[str, nn.Module] = OrderedDict()
    for number, width in enumerate(hidden, start=1):
        block: OrderedDict[str, nn.Module] = OrderedDict(linear=nn.Linear(in_features, width))
        block["act"] = ACTIVATIONS[activation]()
        if dropout:
            block["dropout"] = nn.Dropout(dropout)
        blocks[f"dense{number}"] = nn.Sequential(block)
        in_features = width
    return blocks


def initialise(model: nn.Module, init: Init) -> None:
    """Draw the weights of every convolution and linear layer anew, with zero biases; `torch` leaves torch's own.

    he: normal, variance 2 / inputs (He et al. 2015). xavier: uniform, variance 2 / (inputs + outputs) (Glorot and
    Bengio 2010), the default of Keras.
    """
    if init == "torch":
        return
    for module in model.modules():
        if isinstance(module, nn.Linear | nn.Conv1d | nn.Conv2d | nn.Conv3d):
            if init == "he":
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
            else:
                nn.init.xavier_uniform_(module.weight)
            if module.bias is not None:
                nn.init.zeros_(module.bias)

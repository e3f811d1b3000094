"""The layers of Keras's MobileNetV2 and ResNet50V2 by position, in terms of the same networks of torchvision and timm.

Keras counts what we do not call modules: the input, paddings and additions. A range that somebody gives as positions
of Keras means the same layers here. Both lists were held against `keras.applications` 3.15, without the top.

ResNet50V2 strides in the last block of a stack, by a max-pooled shortcut; timm's resnetv2_50 in the first block of the
next one, by a convolution that Keras has there, too. Some convolutions of Keras have a bias where timm's have none.
"""

from collections.abc import Iterator

from torch import nn

from cnnrun.models.layers import owns_parameters

Position = tuple[str, str | None]
"""The name in Keras, and the dotted name of the module; None for what is no module here."""

MOBILENET_V2 = ((1, 1, 16), (6, 2, 24), (6, 3, 32), (6, 4, 64), (6, 3, 96), (6, 3, 160), (6, 1, 320))
"""(expansion, blocks, channels) of each stage: Sandler et al. 2018, arXiv:1801.04381, table 2."""
STRIDED = (1, 3, 6, 13)
"""Blocks of MobileNetV2 whose depthwise convolution has stride 2, which Keras pads in a layer of its own."""

RESNET_50_V2 = (3, 4, 6, 3)
"""Blocks of each stack: He et al. 2016, arXiv:1603.05027."""


def keras_layers(network: nn.Module) -> list[Position] | None:
    """The positions of the network, without its classifier; None if it is not one whose list is known."""
    ours = {name for name, module in network.named_modules() if owns_parameters(module)}
    for positions in (list(_mobilenet_v2()), list(_resnet_50_v2())):
        modules = dict(network.named_modules())
        named = {name for _, name in positions if name}
        if ours <= named <= modules.keys():
            return positions
    return None


def _mobilenet_v2() -> Iterator[Position]:
    yield "input", None
    yield from _normalised("Conv1", "bn_Conv1", "Conv1_relu", "features.0")
    channels, number = 32, 0
    for expansion, blocks, width in MOBILENET_V2:
        for _ in range(blocks):
            adds = channels == width
            yield from _inverted_residual(number, expansion > 1, adds)
            channels, number = width, number + 1
    yield from _normalised("Conv_1", "Conv_1_bn", "out_relu", f"features.{number + 1}")


def _inverted_residual(number: int, expands: bool, adds: bool) -> Iterator[Position]:
    keras, ours = f"block_{number}" if number else "expanded_conv", f"features.{number + 1}.conv"
    if expands:
        yield from _normalised(f"{keras}_expand", f"{keras}_expand_BN", f"{keras}_expand_relu", f"{ours}.0")
    if number in STRIDED:
        yield f"{keras}_pad", None
    depthwise = f"{keras}_depthwise"
    yield from _normalised(depthwise, f"{depthwise}_BN", f"{depthwise}_relu", f"{ours}.{int(expands)}")
    yield f"{keras}_project", f"{ours}.{expands + 1}"
    yield f"{keras}_project_BN", f"{ours}.{expands + 2}"
    if adds:
        yield f"{keras}_add", None


def _normalised(convolution: str, norm: str, activation: str, ours: str) -> Iterator[Position]:
    yield from ((name, f"{ours}.{index}") for index, name in enumerate((convolution, norm, activation)))


def _resnet_50_v2() -> Iterator[Position]:
    yield from (("input", None), ("conv1_pad", None), ("conv1_conv", "stem.conv"))
    yield from (("pool1_pad", None), ("pool1_pool", "stem.pool"))
    for stack, blocks in enumerate(RESNET_50_V2):
        for block in range(blocks):
            strided = block == blocks - 1 and stack < len(RESNET_50_V2) - 1
            pooled = f"max_pooling2d_{stack}".removesuffix("_0") if strided else ""
            yield from _preactivated(f"conv{stack + 2}_block{block + 1}", f"stages.{stack}.blocks.{block}", pooled)
    yield from (("post_bn", "norm"), ("post_relu", "norm.act"))


def _preactivated(keras: str, ours: str, pooled: str) -> Iterator[Position]:
    yield from ((f"{keras}_preact_bn", f"{ours}.norm1"), (f"{keras}_preact_relu", f"{ours}.norm1.act"))
    for number in (1, 2):
        if number == 2:
            yield f"{keras}_2_pad", None
        yield f"{keras}_{number}_conv", f"{ours}.conv{number}"
        yield f"{keras}_{number}_bn", f"{ours}.norm{number + 1}"
        yield f"{keras}_{number}_relu", f"{ours}.norm{number + 1}.act"
    if keras.endswith("block1"):
        yield f"{keras}_0_conv", f"{ours}.downsample.conv"
    if pooled:
        yield pooled, None
    yield f"{keras}_3_conv", f"{ours}.conv3"
    yield f"{keras}_out", None

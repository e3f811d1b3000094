"""What a built model is made of, layer by layer: shapes, parameters, multiply-adds; found by one forward of zeros."""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from cnnrun.errors import ConfigError
from cnnrun.models.spatial import size_text
from cnnrun.values import Shape

CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
GLOBAL_POOLS = (nn.AdaptiveAvgPool1d, nn.AdaptiveAvgPool2d, nn.AdaptiveAvgPool3d)


def layer_table(model: nn.Module, input_shape: Shape) -> list[dict[str, Any]]:
    """Rows of `tables.LAYERS`: each module without children or with parameters of its own, in the order of the forward.

    A module that is called twice is one row, with the multiply-adds of both calls.
    """
    rows: dict[str, dict[str, Any]] = {}

    def add(name: str, module: nn.Module, output: Tensor) -> None:
        own = list(module.parameters(recurse=False))
        if any(module.children()) and not own:
            return
        row = rows.setdefault(name, {"name": name, "type": type(module).__name__, "multiply_adds": 0})
        row["output_shape"] = size_text(tuple(output.shape[1:]))
        row["parameters"] = sum(parameter.numel() for parameter in own)
        row["trainable"] = sum(parameter.numel() for parameter in own if parameter.requires_grad)
        row["multiply_adds"] += multiply_adds(module, output)

    probe(model, input_shape, add)
    return list(rows.values())


def multiply_adds(module: nn.Module, output: Tensor) -> int:
    """Of a convolution or linear layer: each output cell uses each weight of its channel once; else 0."""
    if isinstance(module, CONVOLUTIONS):
        return module.weight.numel() * math.prod(output.shape[2:])
    if isinstance(module, nn.Linear):
        return module.weight.numel() * math.prod(output.shape[1:-1])
    return 0


def feature_map_size(model: nn.Module, input_shape: Shape) -> Shape | None:
    """Spatial size of the last feature map, before any global pooling; None where `features` makes no map (mlp).

    A size of (1, 1) means that pooling and strides left nothing of where things are in the image.
    """
    sizes: list[Shape] = []

    def add(name: str, module: nn.Module, output: Tensor) -> None:
        is_block = name.startswith("features.") and name.count(".") == 1
        if is_block and output.dim() == len(input_shape) + 1 and not isinstance(module, GLOBAL_POOLS):
            sizes.append(tuple(output.shape[2:]))

    probe(model, input_shape, add)
    return sizes[-1] if sizes else None


def require_outputs(model: nn.Module, input_shape: Shape, num_outputs: int) -> None:
    """Hold a model that somebody else wrote to the contract of ours, before it is trained.

    Raises:
        ConfigError: if it is no module, has nothing to train, or does not give (N, num_outputs) for N samples.
    """
    if not isinstance(model, nn.Module):
        raise ConfigError(f"gives a {type(model).__name__}, a torch.nn.Module is needed")
    if not any(parameter.requires_grad for parameter in model.parameters()):
        raise ConfigError("has no parameters to train")
    outputs = probe(model, input_shape, lambda *_: None, samples=2)
    if not isinstance(outputs, Tensor):
        raise ConfigError(f"forward gives a {type(outputs).__name__}, a tensor is needed")
    if outputs.shape == (2, num_outputs):
        return
    if outputs.ndim == 2 and len(outputs) == 2:
        raise ConfigError(f"gives {outputs.shape[1]} outputs for one sample, {num_outputs} are needed (num_outputs)")
    raise ConfigError(f"gives outputs of shape {tuple(outputs.shape)} for 2 samples, (2, {num_outputs}) is needed")


def has_trainable_depthwise(model: nn.Module) -> bool:
    """Whether a convolution with one filter a channel trains; bf16 makes those slower on a CPU."""
    return any(
        isinstance(module, CONVOLUTIONS) and 1 < module.groups == module.in_channels and module.weight.requires_grad
        for module in model.modules()
    )


def probe(
    model: nn.Module, input_shape: Shape, visit: Callable[[str, nn.Module, Tensor], None], *, samples: int = 1
) -> Tensor:
    """The outputs for samples of zeros; calls `visit(name, module, output)` for each module inside `model`."""
    device = next(model.parameters()).device
    with torch.no_grad(), evaluating(model), visiting(model, visit):
        outputs: Tensor = model(torch.zeros(samples, *input_shape, device=device))
    return outputs


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Put the model into eval mode, and every module back into its own mode at the end."""
    were_training = {module: module.training for module in model.modules()}
    model.eval()
    try:
        yield
    finally:
        for module, training in were_training.items():
            module.training = training


@contextmanager
def visiting(model: nn.Module, visit: Callable[[str, nn.Module, Tensor], None]) -> Iterator[None]:
    """Forward hooks on every module inside `model`, gone at the end, also after an error."""

    def hook_for(name: str) -> Callable[[nn.Module, Any, Any], None]:
        return lambda module, inputs, output: visit(name, module, output)

    handles = [module.register_forward_hook(hook_for(name)) for name, module in model.named_modules() if name]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()

"""What a built model is made of, layer by layer: shapes, parameters, multiply-adds; found by one forward of zeros."""

import math
import weakref
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from cnnrun.errors import ConfigError
from cnnrun.models.spatial import size_text
from cnnrun.values import Shape

CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
GLOBAL_POOLS = (nn.AdaptiveAvgPool1d, nn.AdaptiveAvgPool2d, nn.AdaptiveAvgPool3d)


@dataclass(frozen=True)
class Trace:
    """What one forward of zeros met, by the modules' dotted names."""

    order: list[str]
    """Layers, as the forward enters them; one that is called twice stands where it is called first."""
    shapes: dict[str, Shape]
    """(C, *spatial) that each module gave last, without the batch axis."""
    multiply_adds: dict[str, int]
    normalised: dict[str, str]
    """BatchNorm -> the convolution or linear layer whose very output it takes."""


def is_layer(module: nn.Module) -> bool:
    """Whether a module is a layer: it has no children, or parameters of its own."""
    return not any(module.children()) or owns_parameters(module)


def owns_parameters(module: nn.Module) -> bool:
    """Whether some are its own, not those of its children."""
    return any(True for _ in module.parameters(recurse=False))


def has_statistics(module: nn.Module) -> bool:
    """Whether a module is a BatchNorm of any kind, also of timm: it moves running statistics while it trains."""
    return getattr(module, "running_var", None) is not None and hasattr(module, "momentum")


def trace(model: nn.Module, input_shape: Shape) -> Trace:
    """Follow one forward of zeros.

    Layers with parameters that it does not call, such as those that attention reads without calling them, stand
    behind the module that is listed before them, with the shape of the module around them.
    """
    found = Trace([], {}, {}, {})
    givers: dict[int, tuple[weakref.ref[Tensor], str]] = {}

    def enter(name: str, module: nn.Module, inputs: Any) -> None:
        if is_layer(module) and name not in found.multiply_adds:
            found.order.append(name)
            found.multiply_adds[name] = 0
        given = _first_tensor(inputs)
        giver = givers.get(id(given))
        if giver and has_statistics(module) and giver[0]() is given:
            found.normalised[name] = giver[1]

    def leave(name: str, module: nn.Module, outputs: Any) -> None:
        output = _first_tensor(outputs)
        if output is None:
            return
        found.shapes[name] = tuple(output.shape[1:])
        if name in found.multiply_adds:
            found.multiply_adds[name] += multiply_adds(module, output)
        if isinstance(module, (*CONVOLUTIONS, nn.Linear)):
            givers[id(output)] = weakref.ref(output), name

    found.shapes[""] = tuple(probe(model, input_shape, leave, enter=enter).shape[1:])
    _add_uncalled(model, found)
    return found


def _add_uncalled(model: nn.Module, found: Trace) -> None:
    before = ""
    for name, module in model.named_modules():
        owns = owns_parameters(module)
        if name and owns and name not in found.multiply_adds:
            found.order.insert(found.order.index(before) + 1 if before else 0, name)
            found.multiply_adds[name] = 0
        if name in found.multiply_adds:
            before = name
            around = next(parent for parent in (name, *parents(name), "") if parent in found.shapes)
            found.shapes[name] = found.shapes[around]


def parents(name: str, separator: str = ".") -> list[str]:
    """`a.b.c` stands in `a.b` and in `a`."""
    return [name[:end] for end in range(len(name) - 1, 0, -1) if name[end] == separator]


def _first_tensor(values: Any) -> Tensor | None:
    """Of what a module takes or gives: a tensor, or tuples, lists and dicts of them."""
    if isinstance(values, Tensor):
        return values
    parts = values.values() if isinstance(values, dict) else values if isinstance(values, list | tuple) else ()
    return next((tensor for part in parts if (tensor := _first_tensor(part)) is not None), None)


def layer_table(model: nn.Module, input_shape: Shape) -> list[dict[str, Any]]:
    """Rows of `tables.LAYERS`: each layer, in the order of the forward.

    A module that is called twice is one row, with the multiply-adds of both calls.
    """
    found = trace(model, input_shape)
    return [_row(name, model.get_submodule(name), found) for name in found.order]


def _row(name: str, layer: nn.Module, found: Trace) -> dict[str, Any]:
    own = list(layer.parameters(recurse=False))
    return {
        "name": name,
        "type": type(layer).__name__,
        "output_shape": size_text(found.shapes[name]),
        "parameters": sum(parameter.numel() for parameter in own),
        "trainable": sum(parameter.numel() for parameter in own if parameter.requires_grad),
        "batch_norm": _mode(layer),
        "multiply_adds": found.multiply_adds[name],
    }


def _mode(layer: nn.Module) -> str:
    """Of a BatchNorm; empty for other layers."""
    return ("train" if layer.training else "eval") if has_statistics(layer) else ""


def with_modes_of(model: nn.Module, rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows of `layer_table`, with BatchNorm in the modes that it has in the model now."""
    return [row | {"batch_norm": _mode(model.get_submodule(row["name"]))} for row in rows]


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

    def add(name: str, module: nn.Module, output: Any) -> None:
        is_block = name.startswith("features.") and name.count(".") == 1 and isinstance(output, Tensor)
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
    model: nn.Module,
    input_shape: Shape,
    visit: Callable[[str, nn.Module, Any], None],
    *,
    enter: Callable[[str, nn.Module, Any], None] | None = None,
    samples: int = 1,
) -> Tensor:
    """The outputs for samples of zeros, in eval mode.

    Calls `enter(name, module, inputs)` before and `visit(name, module, output)` after each module inside `model`.
    """
    device = next(model.parameters()).device
    with torch.no_grad(), evaluating(model), visiting(model, visit, enter):
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
def visiting(
    model: nn.Module,
    visit: Callable[[str, nn.Module, Any], None],
    enter: Callable[[str, nn.Module, Any], None] | None = None,
) -> Iterator[None]:
    """Forward hooks on every module inside `model`, gone at the end, also after an error."""
    handles = []
    for name, module in model.named_modules():
        if name:
            handles.append(module.register_forward_hook(_hook(name, visit)))
        if name and enter:
            handles.append(module.register_forward_pre_hook(_hook(name, enter)))
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _hook(name: str, call: Callable[[str, nn.Module, Any], None]) -> Callable[..., None]:
    """Hands on the last of what torch gives: the inputs before a forward, the output after it."""
    return lambda module, *values: call(name, module, values[-1])

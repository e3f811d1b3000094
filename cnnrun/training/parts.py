"""A network in two parts, before and after a cut: views that share its weights, buffers and most of its modules."""

import copy
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn

Side = Literal["input", "output"]


class _Reached(Exception):
    """Ends a forward at the cut."""

    def __init__(self, activations: Tensor) -> None:
        self.activations = activations


@dataclass(frozen=True)
class Cut:
    """A point of a network's forward; it serves any copy of the network, too."""

    module: str
    """Dotted name of the module whose input or output the activations are."""
    side: Side
    input_shape: tuple[int, ...]
    """(C, *spatial) of a sample."""
    skipped: tuple[tuple[str, tuple[int, ...]], ...]
    """The modules before the cut, and the shape of what each makes of one sample."""
    unused: tuple[str, ...]
    """The modules after the cut."""
    foldable: tuple[tuple[str, str], ...]
    """Convolutions or linear layers before the cut, each with the batch normalisation that alone uses what it makes."""
    name: str = ""
    """What a user calls the module; nothing for its dotted name."""
    copies: bool = False
    """Whether the part after the cut works in place on what it is given."""

    @property
    def place(self) -> str:
        return f"{'after' if self.side == 'output' else 'before'} {self.name or self.module}"

    @property
    def extent(self) -> str:
        """What is before it, in words."""
        return f"{'up to' if self.side == 'output' else 'before'} {self.name or self.module}"

    def head(self, model: nn.Module) -> nn.Module:
        """What is before the cut, in the mode that it is in, as a view: (n, *input_shape) -> activations."""
        point = model.get_submodule(self.module)
        stop = _StopAfter(point) if self.side == "output" else _StopHere()
        gone: dict[str, nn.Module] = dict.fromkeys(self.unused, nn.Identity())
        view, _ = _with_replaced(model, gone | {self.module: stop})
        return _Head(view)

    def name_in_head(self, name: str) -> str:
        """Where the head, which wraps the module that it ends with, has a module of the model."""
        if self.side == "input" or not f"{name}.".startswith(f"{self.module}."):
            return f"view.{name}"
        return f"view.{self.module}.module{name.removeprefix(self.module)}"

    def tail(self, model: nn.Module, blank: float = 0.0) -> "Tail":
        """What is after the cut, as a view of the model: it shares parameters, buffers, and the modules themselves.

        Args: blank: what stands for everything that was computed before the cut; it reaches no output.
        """
        return Tail(self, model, blank)


class _Head(nn.Module):
    def __init__(self, view: nn.Module) -> None:
        super().__init__()
        self.view = view

    def forward(self, inputs: Tensor) -> Tensor:
        try:
            self.view(inputs)
        except _Reached as reached:
            return reached.activations
        raise AssertionError("the network did not come to the cut")


class _StopHere(nn.Module):
    def forward(self, inputs: Tensor, *_: Any, **__: Any) -> Tensor:
        raise _Reached(inputs)


class _StopAfter(nn.Module):
    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, *args: Any, **kwargs: Any) -> Tensor:
        raise _Reached(self.module(*args, **kwargs))


class Tail(nn.Module):
    """The network with its frozen modules skipped, and the activations put in at the cut.

    Its forward is that of the network: whatever stands in it between the modules is done, before the cut on blanks.
    """

    def __init__(self, cut: Cut, model: nn.Module, blank: float) -> None:
        super().__init__()
        self.copies = cut.copies
        self._shape = cut.input_shape
        self._slot = _Slot()
        device = next(model.parameters()).device
        self._blank = torch.full((), blank, device=device)
        replaced: dict[str, nn.Module] = {
            name: _Skip(self._slot, torch.full((), blank, device=device), shape) for name, shape in cut.skipped
        }
        point = model.get_submodule(cut.module)
        replaced[cut.module] = _Put(self._slot) if cut.side == "output" else _PutInto(self._slot, point)
        self.view, self._copied = _with_replaced(model, replaced)
        self._whole = (model,)  # in a tuple: no child, or it would bring its frozen parameters

    def train(self, mode: bool = True) -> "Tail":
        """As the whole model does, which may hold some of its modules back."""
        if hasattr(self, "_whole"):
            self._whole[0].train(mode)
            for twin, original in self._copied:
                twin.training = original.training
        self.training = mode
        return self

    def forward(self, activations: Tensor) -> Any:
        self._slot.value = activations.clone() if self.copies else activations
        return self.view(self._blank.expand(len(activations), *self._shape))


class _Slot:
    """Holds the activations for the module at the cut."""

    value: Tensor


class _Skip(nn.Module):
    def __init__(self, slot: _Slot, blank: Tensor, shape: tuple[int, ...]) -> None:
        super().__init__()
        self._slot = slot
        self._blank = blank
        self._shape = shape

    def forward(self, *_: Any, **__: Any) -> Tensor:
        return self._blank.expand(len(self._slot.value), *self._shape)


class _Put(nn.Module):
    def __init__(self, slot: _Slot) -> None:
        super().__init__()
        self._slot = slot

    def forward(self, *_: Any, **__: Any) -> Tensor:
        return self._slot.value


class _PutInto(nn.Module):
    def __init__(self, slot: _Slot, module: nn.Module) -> None:
        super().__init__()
        self._slot = slot
        self.module = module

    def forward(self, _: Tensor, *args: Any, **kwargs: Any) -> Any:
        return self.module(self._slot.value, *args, **kwargs)


def _with_replaced(
    module: nn.Module, replaced: dict[str, nn.Module]
) -> tuple[nn.Module, list[tuple[nn.Module, nn.Module]]]:
    """A copy of the modules that lead to those replaced; the rest is shared. Also each copy with its original."""
    if "" in replaced:
        return replaced[""], []
    twin = copy.copy(module)
    twin._modules = dict(module._modules)
    copied = [(twin, module)]
    inside: dict[str, dict[str, nn.Module]] = {}
    for name, new in replaced.items():
        child, _, rest = name.partition(".")
        inside.setdefault(child, {})[rest] = new
    for child, parts in inside.items():
        twin._modules[child], more = _with_replaced(module.get_submodule(child), parts)
        copied += more
    return twin, copied

"""One forward of a network, watched: which module is called when, and through which points all of its data pass."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves

Vertex = Any
"""A node of torch's graph of gradients, which knows what it was computed from."""


@dataclass(frozen=True)
class Place:
    """A tensor in the graph: the node that made it, and which of that node's outputs it is."""

    node: Vertex
    number: int
    shape: tuple[int, ...]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Place) and self.node is other.node and self.number == other.number

    def __hash__(self) -> int:
        return hash((id(self.node), self.number))


@dataclass
class Call:
    """A module while it computes. Times count the beginnings and ends of all calls."""

    name: str
    module: nn.Module
    began: int
    ended: int = 0
    entry: Place | None = None
    """Its input, where that is one tensor and nothing else is one."""
    result: Place | None = None
    """Its output, where that is one tensor."""


@dataclass(frozen=True)
class Trace:
    """All calls of one forward, in the order in which they began, but for that of the network itself."""

    calls: list[Call]
    _down: dict[tuple[int, int], int]
    _up: dict[int, int]
    _nodes: list[Vertex]
    """Kept, so that no other node gets the identity of one of them."""
    _users: dict[tuple[int, int], int]

    def all_pass(self, place: Place) -> bool:
        """Whether the output depends on the input through this tensor alone.

        Of all paths through the graph so many must pass here as there are. What leaves no gradient is not seen: a cut
        that this allows is tried out, too.
        """
        here = self._down.get((id(place.node), place.number), 0) * self._up.get(id(place.node), 0)
        return here > 0 and here == self._up[id(self._nodes[-1])]

    def uses(self, place: Place) -> int:
        """How many operations work on this tensor."""
        return self._users.get((id(place.node), place.number), 0)


def trace(model: nn.Module, inputs: Tensor) -> Trace:
    """Watch a forward in eval mode.

    Args: inputs (n, *input_shape) float32.
    Raises:
        RuntimeError: if the output is not a tensor with a gradient, or whatever the forward raises.
    """
    calls: list[Call] = []
    with _watched(model, calls), torch.enable_grad():
        start = inputs.detach().clone().requires_grad_() * 1  # no leaf: a network may work in place
        origin = start.grad_fn
        output = model(start)
    if not isinstance(output, Tensor) or output.grad_fn is None:
        raise RuntimeError("its output has no gradient")
    down, up, users, nodes = _paths(output.grad_fn, origin)
    return Trace(calls, down, up, nodes, users)


def called_once(calls: Sequence[Call]) -> list[Call]:
    """Without the modules that are called several times."""
    counts: dict[str, int] = {}
    for call in calls:
        counts[call.name] = counts.get(call.name, 0) + 1
    return [call for call in calls if counts[call.name] == 1]


@contextmanager
def _watched(model: nn.Module, calls: list[Call]) -> Iterator[None]:
    clock = iter(range(1 << 62))
    running: list[Call] = []

    def enter(name: str, module: nn.Module, args: Any, kwargs: Any) -> None:
        alone = isinstance(args[0], Tensor) and len(_tensors((args, kwargs))) == 1 if args else False
        call = Call(name, module, next(clock), entry=_place(args[0]) if alone else None)
        calls.append(call)
        running.append(call)

    def leave(output: Any) -> None:
        call = running.pop()
        call.ended = next(clock)
        call.result = _place(output) if isinstance(output, Tensor) else None

    hooks = []
    try:
        for name, module in model.named_modules():
            if not name:
                continue
            hooks.append(
                module.register_forward_pre_hook(
                    lambda module, args, kwargs, name=name: enter(name, module, args, kwargs), with_kwargs=True
                )
            )
            hooks.append(module.register_forward_hook(lambda module, args, output: leave(output)))
        yield
    finally:
        for hook in hooks:
            hook.remove()


def _tensors(values: Any) -> list[Tensor]:
    return [value for value in tree_leaves(values) if isinstance(value, Tensor)]


def _place(tensor: Tensor) -> Place | None:
    """None for a tensor that does not depend on the input."""
    if tensor.grad_fn is None:
        return None
    return Place(tensor.grad_fn, tensor.output_nr, tuple(tensor.shape))


def _paths(
    last: Vertex, origin: Vertex
) -> tuple[dict[tuple[int, int], int], dict[int, int], dict[tuple[int, int], int], list[Vertex]]:
    """How many paths lead from the output down to each tensor, and from each node up to the input.

    Also how many operations use each tensor, and the nodes, the last of which made the output.
    """
    nodes = _sorted(last)
    up = {id(node): 1 if node is origin else 0 for node in nodes}
    users: dict[tuple[int, int], int] = {}
    for node in nodes:
        for parent, number in node.next_functions:
            if parent is not None:
                up[id(node)] += 0 if node is origin else up[id(parent)]
                users[id(parent), number] = users.get((id(parent), number), 0) + 1
    down: dict[tuple[int, int], int] = {(id(last), 0): 1}
    reached = {id(last): 1}
    for node in reversed(nodes):
        for parent, number in node.next_functions:
            if parent is not None:
                paths = reached.get(id(node), 0)
                down[id(parent), number] = down.get((id(parent), number), 0) + paths
                reached[id(parent)] = reached.get(id(parent), 0) + paths
    return down, up, users, nodes


def _sorted(last: Vertex) -> list[Vertex]:
    """Every node that `last` was computed from, each after those that it was computed from."""
    done: dict[int, Vertex] = {}
    waiting = [(last, False)]
    while waiting:
        node, is_ready = waiting.pop()
        if id(node) in done:
            continue
        if is_ready:
            done[id(node)] = node
            continue
        waiting.append((node, True))
        waiting.extend((parent, False) for parent, _ in node.next_functions if parent is not None)
    return list(done.values())

"""Where a network can be parted into what is frozen and what trains: any network, without knowing its architecture.

The cut is the latest point of the forward before which nothing trains and through which all data pass. What lies before
it is a function of the samples alone, so that its results, the activations at the cut, can be computed once.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

import torch
from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.instancenorm import _InstanceNorm

from cnnrun.models.freezing import name_to_write
from cnnrun.models.layers import multiply_adds
from cnnrun.training.folding import foldable
from cnnrun.training.parts import Cut, Side
from cnnrun.training.tracing import Call, Place, Trace, called_once, trace

MOST_TRIALS = 12
"""Points that are tried out, from the last backwards; one that all paths pass through is mostly right."""
LEAST_SHARE = 0.05
"""Of the multiply-adds, that must be done before a cut: else reading what was kept costs as much."""
CHANCES = ("p", "drop_prob", "drop_rate", "dropout", "attention_dropout")
"""How modules call the probability with which they drop something."""
FAILURES = (RuntimeError, AttributeError, TypeError, IndexError, ValueError, KeyError, AssertionError)
"""Of a forward that is watched, or not given what it expects: then it is left as it is."""


def find_cut(
    model: nn.Module, sample: Tensor, ever_trains: Callable[[str], bool] | None = None
) -> tuple[Cut | None, str]:
    """The latest cut, tried out on the sample; without one, a sentence of why (empty where nothing is frozen).

    Args:
        sample: (n, *input_shape) float32 on the model's device, n >= 2; any values.
        ever_trains: tells of a parameter's name whether it trains in some epoch; None: as it is now.
    """
    trains = {
        parameter
        for name, parameter in model.named_parameters()
        if (parameter.requires_grad if ever_trains is None else ever_trains(name))
    }
    if all(parameter in trains for parameter in model.parameters()):
        return None, ""
    with _modes_kept(model), torch.random.fork_rng(_cuda_devices(sample)):
        model.train()
        moody = {name for name, module in model.named_modules() if _is_moody(module)}
        model.eval()
        try:
            with saved_tensors_hooks(lambda _: None, lambda gone: gone):  # of EfficientNet-B7 at 380 these are 2.8 GB
                watched = trace(model, sample)
        except FAILURES as error:
            return None, f"its forward cannot be watched ({next(iter(str(error).splitlines()), type(error).__name__)})"
        hot, why = _first_hot(model, watched.calls, trains, moody)
        points = list(_points(watched, hot, len(sample)))
        if not points:
            return None, _why_not(watched.calls, hot, why)
        with torch.no_grad():
            outputs = model(sample)
        for call, side in points[:MOST_TRIALS]:
            cut = replace(_cut_at(call, side, watched, tuple(sample.shape)), name=name_to_write(model, call.name))
            if (found := _tried(cut, model, sample, outputs)) is not None:
                return found, ""
    return None, f"no part of the network before {why} could be taken apart from the rest"


@contextmanager
def _modes_kept(model: nn.Module) -> Iterator[None]:
    modes = [(module, module.training) for module in model.modules()]
    try:
        yield
    finally:
        for module, mode in modes:
            module.training = mode


def _cuda_devices(tensor: Tensor) -> list[torch.device]:
    return [tensor.device] if tensor.is_cuda else []


def _is_moody(module: nn.Module) -> bool:
    """Whether a module computes a sample otherwise in eval, or in the company of others."""
    if isinstance(module, _BatchNorm):
        return module.training or module.running_mean is None
    if not module.training:
        return False
    if isinstance(module, _InstanceNorm):
        return module.track_running_stats
    chances = [getattr(module, name, None) for name in CHANCES]
    return any(isinstance(chance, float) and chance > 0 for chance in chances)


def _first_hot(
    model: nn.Module, calls: Sequence[Call], trains: set[nn.Parameter], moody: set[str]
) -> tuple[float, str]:
    """When the first module is called that trains or has a mode, and which it is.

    One that is never called itself is used by the module around it.
    """
    began = {"": -1}
    for call in calls:
        began.setdefault(call.name, call.began)
    first: tuple[float, str] = (math.inf, "its end")
    for name, module in model.named_modules():
        own = any(parameter in trains for parameter in module.parameters(recurse=False))
        if own or name in moody:
            around = name
            while around not in began:
                around = around.rpartition(".")[0]
            reason = "which trains" if own else "which works otherwise from batch to batch"
            first = min(first, (began[around], f"{name_to_write(model, name) or 'the network itself'}, {reason}"))
    return first


def _points(watched: Trace, hot: float, num_samples: int) -> Iterator[tuple[Call, Side]]:
    """What may be cut at, the latest first; of several names for one tensor the outermost module's output."""
    work = _work(watched.calls)
    latest: dict[Place, int] = {}
    names: dict[Place, tuple[Call, Side]] = {}
    for place, time, call, side in _ends(watched.calls):
        if time <= hot and place.shape[:1] == (num_samples,):
            latest[place] = max(time, latest.get(place, 0))
            names[place] = min((call, side), names.get(place, (call, side)), key=_rank)
    for place in sorted(names, key=lambda place: -latest[place]):
        if watched.all_pass(place) and _share(work, latest[place]) >= LEAST_SHARE:
            yield names[place]


def _ends(calls: Sequence[Call]) -> Iterator[tuple[Place, int, Call, Side]]:
    for call in called_once(calls):
        if call.entry:
            yield call.entry, call.began, call, "input"
        if call.result:
            yield call.result, call.ended, call, "output"


def _work(calls: Sequence[Call]) -> list[tuple[int, int]]:
    """When each call ended, and its multiply-adds."""
    return [
        (call.ended, multiply_adds(call.module, torch.empty(call.result.shape, device="meta")))
        for call in calls
        if call.result
    ]


def _share(work: Sequence[tuple[int, int]], time: float) -> float:
    """How much of it is done by then."""
    whole = sum(count for _, count in work)
    return sum(count for ended, count in work if ended <= time) / whole if whole else 0.0


def _rank(name: tuple[Call, Side]) -> tuple[bool, int]:
    call, side = name
    return side == "input", call.name.count(".")


def _why_not(calls: Sequence[Call], hot: float, why: str) -> str:
    share = _share(_work(calls), hot)
    if share >= LEAST_SHARE:
        return f"there is no point before {why}, that all data pass through"
    return f"{share:.0%} of the multiply-adds come before {why}" if share else f"nothing is frozen before {why}"


def _cut_at(call: Call, side: Side, watched: Trace, shape: tuple[int, ...]) -> Cut:
    time = call.ended if side == "output" else call.began
    before = [
        other
        for other in called_once(watched.calls)
        if other.ended <= time and other is not call and other.result and other.result.shape[:1] == shape[:1]
    ]
    names = {other.name for other in before} | {call.name}
    outermost = [other for other in before if not _inside(other.name, names)]
    after = {other.name for other in watched.calls if other.began > time}
    after -= {other.name for other in watched.calls if other.began <= time}
    return Cut(
        module=call.name,
        side=side,
        input_shape=shape[1:],
        skipped=tuple((other.name, other.result.shape[1:]) for other in outermost if other.result),
        unused=tuple(sorted(name for name in after if not _inside(name, after | {call.name}))),
        foldable=tuple(foldable(watched, time)),
    )


def _inside(name: str, names: set[str]) -> bool:
    """Whether a module that contains this one is among the names."""
    while name:
        name = name.rpartition(".")[0]
        if name in names:
            return True
    return False


def _tried(cut: Cut, model: nn.Module, sample: Tensor, outputs: Tensor) -> Cut | None:
    """The cut if it changes nothing, in eval and, before it, while training; None if it does, or cannot be computed.

    Args: outputs: those of the model for the sample, in eval.
    """
    try:
        with torch.no_grad():
            activations = cut.head(model)(sample)
            before, version = activations.clone(), activations._version
            # What should not be used is no number: it would show.
            if not torch.equal(cut.tail(model, blank=math.nan)(activations), outputs):
                return None
            found = replace(cut, copies=activations._version != version)
            model.train()
            return found if torch.equal(cut.head(model)(sample), before) else None
    except FAILURES:
        return None
    finally:
        model.eval()

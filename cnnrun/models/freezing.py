"""What a layer range means while a network trains: gradients, the mode of each module, learning rates.

Frozen is what gets no gradient and whose BatchNorm keeps its statistics. All that stands before the first layer that
trains is in eval mode, dropout and stochastic depth too, so that it always gives the same for the same image. Between
and behind layers that train, dropout goes on.
"""

from bisect import bisect_left
from collections.abc import Sequence
from itertools import groupby
from typing import Literal

from torch import nn

from cnnrun.models.layer_ranges import LayerRange
from cnnrun.models.layer_schemes import Layer, is_of_features, short_name
from cnnrun.models.layers import CONVOLUTIONS, has_statistics, owns_parameters, parents

BatchNormMode = Literal["train", "eval"]
"""Of BatchNorm within the range; its weight and bias train either way."""


MOST_RUNS = 3
"""Of layers that stand in a row, named on the screen."""


class Freezing:
    """Holds what a range leaves out of a model frozen; everything outside of the features trains, as the head does.

    It knows modules by name only, so a copy of the model can take a copy of it. The model calls `hold` at the end of
    its `train()`; `begin_epoch` is for whoever counts the epochs.

    Args:
        model: its parameters are marked and its modules held at once, as from the epoch `unfreeze_after` on.
        layers: what `layer_ranges.resolve` found in it.
        unfreeze_after: epochs in which only the head trains.
    """

    def __init__(
        self,
        model: nn.Module,
        layers: LayerRange,
        *,
        bn: BatchNormMode,
        unfreeze_after: int = 0,
    ) -> None:
        self.layers = layers
        self.bn = bn
        self.unfreeze_after = unfreeze_after
        self.waits = False
        """Whether the range is frozen still."""
        self._note_what_is_held(model)
        self._mark(model)
        self.hold(model)

    def keep_statistics(self, model: nn.Module) -> None:
        """Take bn=eval from now on."""
        self.bn = "eval"
        self._note_what_is_held(model)
        self.hold(model)

    @property
    def warnings(self) -> list[str]:
        """Where the range parts a convolution or linear layer from its BatchNorm, a sentence."""
        if not self.layers.parted:
            return []
        norm, layer = next(iter(self.layers.parted.items()))
        states = {name: "trains" if name in self.layers.names else "is frozen" for name in (norm, layer)}
        others = len(self.layers.parted) - 1
        return [
            f"model.trainable parts {short_name(layer)}, which {states[layer]}, from its BatchNorm "
            f"{short_name(norm)}, which {states[norm]}" + (f"; and {others} more such pairs" if others else "")
        ]

    def hold(self, model: nn.Module) -> None:
        """Put back into eval mode what belongs there, after `model.train()` has put all of it into train mode."""
        held = self._held_while_waiting if self.waits else self._held
        for name, module in model.named_modules():
            if name in held:
                module.training = False

    def begin_epoch(self, model: nn.Module, epoch: int) -> None:
        """Freeze the range too until its time has come, so that the head learns first. `epoch` is 0 for the first.

        Depends on nothing but the number, so a resumed training may begin at any epoch. Parameters that wait have no
        gradient; an optimizer that holds them passes them by.
        """
        self.waits = epoch < self.unfreeze_after
        self._mark(model)
        model.train(model.training)
        self.hold(model)

    def ever_trains(self, parameter: str) -> bool:
        """Whether a parameter, by its dotted name, trains in some epoch."""
        module = parameter.rpartition(".")[0]
        return module in self.layers.names or not is_of_features(module)

    def summary(self, model: nn.Module) -> str:
        """What trains, in a sentence for the screen."""
        parameters = list(model.parameters())
        trains = [parameter.numel() for name, parameter in model.named_parameters() if self.ever_trains(name)]
        shares = _share_text(sum(trains), sum(parameter.numel() for parameter in parameters))
        norms = [name for name, module in model.named_modules() if is_of_features(name) and has_statistics(module)]
        text = f"trains {self._layers_text()}, {shares} parameters{self._norms_text(norms)}"
        if not self.unfreeze_after or not self.layers.names:
            return text
        epochs = "epoch" if self.unfreeze_after == 1 else f"{self.unfreeze_after} epochs"
        return f"{text}; in the first {epochs} the head alone trains"

    def lr_scales(self, model: nn.Module, decay: float) -> dict[str, float]:
        """Factors of the learning rate by the names of all parameters that train: decay ** (blocks up to the head).

        The head has 1, the last block `decay`, the one before it decay ** 2. A norm that stands alone belongs to the
        block before it. (As in Clark et al. 2020, arXiv:2003.10555, and Bao et al. 2021, arXiv:2106.08254.)
        """
        distances = _distances(model, self.layers.blocks)
        return {
            name: decay ** distances.get(name.rpartition(".")[0], 0)
            for name, _ in model.named_parameters()
            if self.ever_trains(name)
        }

    def _note_what_is_held(self, model: nn.Module) -> None:
        self._held = self._names_to_hold(model, self.layers.names)
        self._held_while_waiting = self._names_to_hold(model, frozenset())

    def _mark(self, model: nn.Module) -> None:
        own = [(name, list(module.parameters(recurse=False))) for name, module in model.named_modules()]
        for name, parameters in own:
            for parameter in parameters:
                parameter.requires_grad_(not is_of_features(name))
        for name, parameters in own:
            for parameter in parameters if name in self.layers.names and not self.waits else ():
                parameter.requires_grad_()

    def _names_to_hold(self, model: nn.Module, trainable: frozenset[str]) -> set[str]:
        """Modules that are in eval mode while the modules in `trainable` train."""
        order, modules = self.layers.order, dict(model.named_modules())
        starts = (n for n, name in enumerate(order) if name in trainable and owns_parameters(modules[name]))
        start = next(starts, len(order))
        before, after = (
            {around for name in names for around in (name, *parents(name))} for names in (order[:start], order[start:])
        )
        norms = {name for name, module in modules.items() if is_of_features(name) and has_statistics(module)}
        return (before - after) | (norms if self.bn == "eval" else norms - trainable)

    def _layers_text(self) -> str:
        chosen, layers = self.layers.chosen, self.layers.layers
        if not chosen:
            return "the head only"
        if len(chosen) == len(layers):
            return f"all {len(layers)} layers"
        runs = [list(run) for _, run in groupby(chosen, key=lambda index: index - bisect_left(chosen, index))]
        texts = [" to ".join(dict.fromkeys((layers[run[0]].name, layers[run[-1]].name))) for run in runs[:MOST_RUNS]]
        more = f" and {len(runs) - MOST_RUNS} more" if len(runs) > MOST_RUNS else ""
        return f"{len(chosen)} of {len(layers)} layers ({', '.join(texts)}{more})"

    def _norms_text(self, norms: Sequence[str]) -> str:
        trained = [name for name in norms if name in self.layers.names and self.bn == "train"]
        if not norms:
            return ""
        if not trained:
            return "; BatchNorm keeps its statistics"
        return "; BatchNorm trains" + (
            " in these and keeps its statistics elsewhere" if len(trained) < len(norms) else ""
        )


def freezing_of(model: nn.Module) -> Freezing | None:
    """What a model that freezes a part of itself has as `freezing`; None for others."""
    found = getattr(model, "freezing", None)
    return found if isinstance(found, Freezing) else None


def name_to_write(model: nn.Module, module: str) -> str:
    """What a user calls a module, by its dotted name: as `model.trainable` takes it, where the model has that."""
    return module if freezing_of(model) is None else short_name(module)


def _distances(model: nn.Module, blocks: Sequence[Layer]) -> dict[str, int]:
    """Blocks from each module up to the head, by the dotted name of the module."""
    numbers: dict[str, int] = {}
    number = 0
    for block in blocks:
        weighs = any(isinstance(model.get_submodule(name), (*CONVOLUTIONS, nn.Linear)) for name in block.modules)
        number += weighs
        numbers |= dict.fromkeys(block.modules, max(number, 1))
    return {name: max(number, 1) - own + 1 for name, own in numbers.items()}


def _share_text(part: int, whole: int) -> str:
    """`1.3 of 2.2 million`, `12,810 of 2.2 million`, `90 of 120`."""
    if whole < 1e6:
        return f"{part:,} of {whole:,}"
    return f"{part / 1e6:.1f} of {whole / 1e6:.1f} million" if part >= 1e5 else f"{part:,} of {whole / 1e6:.1f} million"

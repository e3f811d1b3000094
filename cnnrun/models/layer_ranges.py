"""Which layers of a network train: `top:40`, `-80:-40`, `layer3..layer4`, names and regular expressions.

The grammar of `trainable`, a string or a list of strings:

    none | all              the head only | everything
    top:40                  the last 40 layers
    -80:-40   0:40   :40    positions, as slices of Python; the head has none
    layer3..layer4          from the first layer of the one to the last of the other; an end may be left open
    layer4.1.bn2            a layer, or all that stand in layer4.1
    layer[34]   .*[.]bn2    a regular expression for such a name, the whole of it
    layer3,layer4.1         several of these; also in brackets, also as a list

Positions count the layers of a scheme (`layer_schemes`). Names are those of the scheme or of the modules, the latter
with or without the leading `features.` of tables/layers.csv. In Keras's names `_` parts what a dot parts in ours.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate

from torch import nn

from cnnrun.errors import ConfigError, near_miss
from cnnrun.models.layer_schemes import PREFIX, SCHEMES, Layer, Scheme, by_blocks, by_keras, by_modules, is_of_features
from cnnrun.models.layers import Trace, owns_parameters, parents, trace
from cnnrun.values import Shape

TOP = re.compile(r"top:(\d+)")
SLICE = re.compile(r"(-?\d+)?:(-?\d+)?")
SPAN = re.compile(r"([\w.\-/]*?)\.\.([\w\-/][\w.\-/]*)?")
SHOWN = 8
"""Layers that an error names."""
OF_A_REGEX = set(r"\^$*+?{}[]|()")


@dataclass(frozen=True)
class LayerRange:
    """What `resolve` found in a network."""

    names: frozenset[str]
    """Dotted names of the modules that train, the head aside."""
    layers: tuple[Layer, ...]
    """All of the scheme, in its order."""
    chosen: tuple[int, ...]
    """The positions of those that train."""
    blocks: tuple[Layer, ...]
    """As the scheme `blocks` counts, whatever the scheme is."""
    order: tuple[str, ...]
    """Dotted names of all modules that are layers, the head aside, in the order of the forward."""
    parted: dict[str, str]
    """BatchNorm -> the convolution or linear layer that it normalises, where only one of them trains."""


def resolve(model: nn.Module, input_shape: Shape, trainable: str | Sequence[str], scheme: Scheme) -> LayerRange:
    """Find the layers that `trainable` names in the child `features` of the model.

    Raises:
        ConfigError: if a part of it matches no layer, or none that has parameters; says what there is.
    """
    found = trace(model, input_shape)
    features = model.get_submodule("features")
    order = [name for name in found.order if is_of_features(name)]
    owners = {name for name in order if owns_parameters(model.get_submodule(name))}
    modules, blocks = by_modules(features, order), by_blocks(features, order)
    layers = {"modules": modules, "blocks": blocks}.get(scheme) or by_keras(features)
    names, positions = _Search(layers, modules, owners, scheme).words(trainable)
    chosen = [index for index, layer in enumerate(layers) if index in positions or not names.isdisjoint(layer.modules)]
    return LayerRange(
        frozenset(names), tuple(layers), tuple(chosen), tuple(blocks), tuple(order), _parted(found, names)
    )


def _parted(found: Trace, names: set[str]) -> dict[str, str]:
    return {
        norm: layer
        for norm, layer in found.normalised.items()
        if is_of_features(norm) and (norm in names) != (layer in names)
    }


class _Search:
    """The layers that words of the grammar stand for, in one scheme of one network."""

    def __init__(self, layers: Sequence[Layer], modules: Sequence[Layer], owners: set[str], scheme: Scheme) -> None:
        self.layers = layers
        self.modules = modules
        self.owners = owners
        """Modules that have parameters."""
        self.scheme = scheme

    def words(self, trainable: str | Sequence[str]) -> tuple[set[str], set[int]]:
        """Names of modules that train, and positions of the scheme."""
        words = list(_split(trainable)) if isinstance(trainable, str) else [str(word).strip() for word in trainable]
        if words == ["none"]:
            return set(), set()
        if words == ["all"]:
            return {layer.modules[0] for layer in self.modules}, set(range(len(self.layers)))
        names: set[str] = set()
        positions: set[int] = set()
        for word in words or [""]:
            layers, found = self._word(word)
            matched = {name for index in found for name in layers[index].modules}
            if not matched & self.owners:
                raise self._with_layers(word, "holds no layer that has parameters")
            names |= matched
            positions |= set(found) if layers is self.layers else set()
        return names, positions

    def _word(self, word: str) -> tuple[Sequence[Layer], Sequence[int]]:
        """Positions of one word in the layers that it speaks of: those of the scheme, or else the modules."""
        if word in ("none", "all", ""):
            reason = "cannot be a part of a list" if word else "names no layer"
            raise _refusal(word, f"{reason}; take none, all, top:40 or names of layers")
        counted = self._counted(word)
        if counted is not None:
            return self.layers, counted
        for layers in (self.layers, self.modules):
            if positions := self._named(word, layers):
                return layers, positions
        head, colon, count = word.partition(":")
        if head == "top" and colon:
            raise _refusal(word, "is no number of layers; top:40 trains the last 40")
        names = dict.fromkeys(name for layer in self.layers for name in (layer.name, *self._groups(layer)))
        words = ["none", "all", f"top:{count or 40}"]
        raise self._with_layers(word, f"is the name of no layer{near_miss(word, [*names, *words])}")

    def _counted(self, word: str) -> range | None:
        """Of `top:N` and `a:b`; None for other words."""
        count = len(self.layers)
        if top := TOP.fullmatch(word):
            ends: tuple[int | None, int | None] = -int(top[1]), None
        elif cut := SLICE.fullmatch(word):
            ends = int(cut[1]) if cut[1] else None, int(cut[2]) if cut[2] else None
        else:
            return None
        if any(end is not None and not -count <= end <= count for end in ends):
            raise self._with_layers(word, f"reaches beyond the {count} layers")
        if top and not int(top[1]):
            raise self._with_layers(word, "holds no layer; for the head only write none")
        positions = range(count)[slice(*ends)]
        if not positions:
            raise self._with_layers(word, f"holds no layer of {count}")
        return positions

    def _named(self, word: str, layers: Sequence[Layer]) -> Sequence[int]:
        """Of a span, a name or a regular expression; none where nothing is called so."""
        span = SPAN.fullmatch(word)
        if not span or word == "..":
            return self._called(word, layers)
        begin = self._called(span[1], layers) if span[1] else [0]
        end = self._called(span[2], layers) if span[2] else [len(layers) - 1]
        if not begin or not end:
            return []
        if begin[0] > end[-1]:
            raise self._with_layers(word, f"begins after its end: {span[2]} stands before {span[1]}")
        return range(begin[0], end[-1] + 1)

    def _called(self, word: str, layers: Sequence[Layer]) -> list[int]:
        names = {word, word.removeprefix(PREFIX)}
        exact = [index for index, layer in enumerate(layers) if layer.name in names]
        within = [index for index, layer in enumerate(layers) if names.intersection((layer.name, *self._groups(layer)))]
        if exact and self.scheme == "keras":  # Conv1, not also Conv1_relu
            return exact
        if within or not OF_A_REGEX & set(word):
            return within
        pattern = self._compiled(word)
        return [
            index
            for index, layer in enumerate(layers)
            for name in (layer.name, *self._groups(layer))
            if pattern.fullmatch(name) or pattern.fullmatch(PREFIX + name)
        ]

    def _groups(self, layer: Layer) -> list[str]:
        """What the layer is a part of, by its name."""
        return parents(layer.name, "_" if self.scheme == "keras" and "." not in layer.name else ".")

    def _compiled(self, word: str) -> re.Pattern[str]:
        try:
            return re.compile(word)
        except re.error as error:
            raise _refusal(word, f"is neither a name nor a regular expression ({error})") from error

    def _with_layers(self, word: str, reason: str) -> ConfigError:
        names = [f"{index} {layer.name}" for index, layer in enumerate(self.layers)]
        listed = names if len(names) <= SHOWN else [*names[: SHOWN - 2], "...", *names[-2:]]
        return _refusal(
            word, f"{reason}; model.scheme={self.scheme} has {len(names)} layers: {', '.join(listed)} ({SCHEMES})"
        )


def _refusal(word: str, reason: str) -> ConfigError:
    return ConfigError(f"model.trainable: '{word}' {reason}")


def _split(text: str) -> Iterator[str]:
    """The words between commas, those within brackets aside, without quotes around them."""
    text = text.strip()
    if _is_in_brackets(text):
        text = text[1:-1]
    word, depth = "", 0
    for character in f"{text},":
        depth += (character in "([{") - (character in ")]}")
        if character == "," and depth <= 0:
            yield word.strip().strip("'\"")
            word = ""
        else:
            word += character
    if word:
        yield word.rstrip(",").strip()


def _is_in_brackets(text: str) -> bool:
    """Whether the first character is a bracket that only the last one closes: so is `[a,b[12]]`, and not `[ab][12]`."""
    depths = list(accumulate((character == "[") - (character == "]") for character in text))
    return len(text) > 1 and text[-1] == "]" and depths[-1] == 0 and all(depths[:-1])

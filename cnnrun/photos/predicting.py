"""Decode, predict, note: the next photos are decoded while the network has the last ones."""

from collections.abc import Generator, Iterator
from contextlib import closing

import numpy as np
from torch import Tensor

from cnnrun.data.decoding import Decoded, decode_in_order
from cnnrun.metrics.sums import Array
from cnnrun.photos.classes import Classes
from cnnrun.photos.inputs import Inputs
from cnnrun.photos.network import Network
from cnnrun.photos.rows import Guess, Row, TrueClass
from cnnrun.photos.truth import Truth


def predicted(
    network: Network, inputs: Inputs, truth: Truth, top_k: int, *, first: int = 0, threads: int | None = None
) -> Iterator[list[Row]]:
    """The rows of all inputs from the `first` on, a batch at a time.

    A batch is so many files, the broken ones too, and the network sees a black image in the place of each of these and
    behind the last: which photos go together, and how many, is the same in a prediction that was interrupted.
    """
    paths = inputs.paths[first:]
    files = [inputs.file(path) for path in paths]
    decoding = decode_in_order(files, network.geometry, threads=threads, ahead=4 * network.batch_size)
    assert isinstance(decoding, Generator)
    with closing(decoding) as decoded:
        for begin in range(0, len(paths), network.batch_size):
            batch = paths[begin : begin + network.batch_size]
            yield _rows(network, batch, [next(decoded) for _ in batch], truth, top_k)


def _rows(network: Network, paths: tuple[str, ...], decoded: list[Decoded], truth: Truth, top_k: int) -> list[Row]:
    pixels: Tensor = network.blank()
    for place, image in enumerate(decoded):
        if image.pixels is not None:
            pixels[place] = image.pixels
    seen = any(image.pixels is not None for image in decoded)
    found = network.log_probabilities(pixels) if seen else None
    rows = []
    for place, (path, image) in enumerate(zip(paths, decoded, strict=True)):
        target = truth.indices.get(path)
        if found is None or image.pixels is None:
            rows.append(Row(path, image.reason, _true_class(network.classes, target, None)))
        else:
            rows.append(row_of(path, found[place], network.classes, target, top_k))
    return rows


def row_of(path: str, log_probabilities: Array, classes: Classes, target: int | None, top_k: int) -> Row:
    """The row of a photo; log_probabilities (K,). Of equally probable classes the lower index comes first."""
    probabilities = np.exp(log_probabilities)
    entropy = float(-(probabilities * np.where(probabilities > 0, log_probabilities, 0.0)).sum())
    best = np.argsort(-log_probabilities, kind="stable")[:top_k].tolist()
    guesses = tuple(Guess(index, classes.names[index], float(probabilities[index])) for index in best)
    return Row(path, "", _true_class(classes, target, log_probabilities), max(entropy, 0.0), guesses)


def _true_class(classes: Classes, target: int | None, log_probabilities: Array | None) -> TrueClass | None:
    if target is None:
        return None
    label = classes.names[target]
    if log_probabilities is None:
        return TrueClass(label, target)
    ours = log_probabilities[target]
    ties = int((log_probabilities[:target] == ours).sum())
    return TrueClass(label, target, 1 + int((log_probabilities > ours).sum()) + ties, float(np.exp(ours)))

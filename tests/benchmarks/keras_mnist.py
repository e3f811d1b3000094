"""Reference 001's CNN in Keras 3 on TensorFlow, the hard peer; run by `mnist.py --keras-python`, in a venv of its own.

`python -m venv keras && keras/bin/pip install tensorflow-cpu keras`, then
`keras/bin/python tests/benchmarks/keras_mnist.py --root DIR --batch-size 128 --policy mixed_bfloat16`
"""

import os

os.environ["KERAS_BACKEND"] = "tensorflow"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import time
from pathlib import Path

import keras
import numpy as np
from keras import layers
from measuring import print_measured, timed_arguments

IMAGES = 16_384
"""Of an epoch: as many as all batch sizes divide."""


def read(root: Path, *, train: bool) -> tuple[np.ndarray, np.ndarray]:
    """Images (N, 28, 28, 1) in [0, 1] and labels (N,), from the unpacked files in root/MNIST/raw."""
    raw, part = root / "MNIST" / "raw", "train" if train else "t10k"
    images = np.fromfile(raw / f"{part}-images-idx3-ubyte", np.uint8, offset=16).reshape(-1, 28, 28, 1)
    labels = np.fromfile(raw / f"{part}-labels-idx1-ubyte", np.uint8, offset=8)
    return images[:IMAGES].astype(np.float32) / 255, labels[:IMAGES].astype(np.int64)


def reference_001() -> keras.Model:
    """Compiled with Adam, as in the reference."""
    model = keras.Sequential(
        [
            layers.Input((28, 28, 1)),
            layers.Conv2D(32, 3, activation="relu"),
            layers.MaxPooling2D(),
            layers.Conv2D(64, 3, activation="relu"),
            layers.MaxPooling2D(),
            layers.Conv2D(64, 3, activation="relu"),
            layers.Flatten(),
            layers.Dense(64, activation="relu"),
            layers.Dense(10, dtype="float32"),
        ]
    )
    model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True), metrics=["accuracy"])
    return model


class Stopwatch(keras.callbacks.Callback):
    """Ends the training after the first epoch that comes to its end when the time is up."""

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self.seconds = seconds
        self.epochs = 0

    def on_train_begin(self, logs: dict | None = None) -> None:
        self.began = time.perf_counter()

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        self.epochs += 1
        self.passed = time.perf_counter() - self.began
        self.model.stop_training = self.passed >= self.seconds


def train_images_per_second(model: keras.Model, x: np.ndarray, y: np.ndarray, batch_size: int, seconds: float) -> float:
    """Of `fit`, once it is compiled."""
    model.fit(x, y, batch_size, epochs=1, verbose=0)
    watch = Stopwatch(seconds)
    model.fit(x, y, batch_size, epochs=10_000, verbose=0, callbacks=[watch])
    return watch.epochs * len(x) / watch.passed


def evaluate_images_per_second(
    model: keras.Model, x: np.ndarray, y: np.ndarray, batch_size: int, seconds: float
) -> float:
    """Of `evaluate`, once it is compiled."""
    model.evaluate(x, y, batch_size, verbose=0)
    images, began = 0, time.perf_counter()
    while (passed := time.perf_counter() - began) < seconds:
        model.evaluate(x, y, batch_size, verbose=0)
        images += len(x)
    return images / passed


def main() -> None:
    parser = timed_arguments(__doc__)
    parser.add_argument("--policy", choices=["float32", "mixed_bfloat16"], default="float32")
    arguments = parser.parse_args()
    keras.mixed_precision.set_global_policy(arguments.policy)
    x, y = read(arguments.root, train=arguments.phase == "train")
    measure = train_images_per_second if arguments.phase == "train" else evaluate_images_per_second
    print_measured(measure(reference_001(), x, y, arguments.batch_size, arguments.seconds))


if __name__ == "__main__":
    main()

"""What training, evaluation and reports work on: a model on its device, with data and task."""

from dataclasses import dataclass, field, replace
from typing import Any, Self

from torch import Tensor, nn

from cnnrun.data.loaders import ResidentLoader
from cnnrun.data.splits import Data, Split
from cnnrun.experiment.parting import Parting
from cnnrun.models.freezing import freezing_of
from cnnrun.models.layer_summary import layer_summary
from cnnrun.models.layers import with_modes_of
from cnnrun.tasks.task import Task
from cnnrun.training import distributed, residence
from cnnrun.training.device import Compute
from cnnrun.training.inference import predict
from cnnrun.training.parted import Parted

EVALUATION_BYTES = 1 << 28
"""Of the largest activation of a batch that is only evaluated, in fp32: large batches are fast, up to what caches hold.
"""


@dataclass(frozen=True)
class Experiment:
    """A model on its device, the data and the task: what training, evaluation and reports work on."""

    data: Data
    task: Task
    model: nn.Module
    compute: Compute
    layers: list[dict[str, Any]]
    """Rows of tables.LAYERS."""
    warnings: list[str]
    """What is known to be wrong before training starts, a sentence each."""
    parting: Parting
    epoch: int | None = None
    """Finished ones of the checkpoint that the weights are from."""
    _settled: dict[str, Split] = field(default_factory=dict)
    """Splits by name, as far as they were asked for, on the device if they fit there: all loaders share them."""

    @property
    def parted(self) -> Parted | None:
        """The model without its frozen first layers; the first time all processes must ask for it."""
        return self.parting.parted

    @property
    def parameters(self) -> int:
        return sum(int(row["parameters"]) for row in self.layers)

    @property
    def remarks(self) -> list[str]:
        """What is to be known of the data and of the model before training starts, a sentence each."""
        freezing = freezing_of(self.model)
        summary = [f"the model {freezing.summary(self.model)}"] if freezing is not None else []
        left = residence.remarks(self._settled.values(), self.compute.device)
        whole = [self.parting.whole] if self.parting.whole else []
        return [*self.data.remarks, *left, *self._preparation(), *getattr(self.model, "remarks", []), *whole, *summary]

    def _preparation(self) -> list[str]:
        """How pictures of a folder are prepared for weights that do not tell what they were trained on."""
        published = getattr(self.model, "images_as", "")
        geometry = getattr(self.data.preprocessing, "geometry", None)
        if not published or geometry is None:
            return []
        size = "x".join(str(side) for side in geometry.size)
        cut = f", cut out of a short side of {geometry.resize}" if geometry.fit == "crop" else ""
        return [
            f"the file of model.weights does not tell how its images were prepared, so what is not chosen is as for "
            f"{published}: {size} pixels{cut}, {geometry.interpolation}; dataset.image_size, dataset.resize, "
            "dataset.interpolation and dataset.normalize change it"
        ]

    def layer_summary(self) -> list[dict[str, Any]]:
        """What of the layers trains, in a few lines; none for a model of which all does."""
        freezing = freezing_of(self.model)
        return [] if freezing is None else layer_summary(self.layers, freezing.layers.blocks)

    def with_modes_as_they_are(self) -> Self:
        """Once weights were loaded: they decide, too, whether BatchNorm is in eval mode."""
        return replace(self, layers=with_modes_of(self.model, self.layers))

    def outputs(self, split: Split, batch_size: int | None = None) -> Tensor:
        """(N, K) float32 on the CPU: what the model says of every sample, in the order of the split."""
        loader = self.evaluation_loader(split, batch_size)
        if self.parted is None:
            return predict(self.model, loader, self.compute)
        return predict(self.parted.tail(self.model), self.parted.feed(loader), self.compute)

    def evaluation_loader(self, split: Split, batch_size: int | None = None) -> ResidentLoader:
        """Every sample in its order, in batches as large as is fast unless a size is given."""
        return self.loader(split, batch_size=batch_size or self._evaluation_batch_size())

    def loader(self, split: Split, **settings: Any) -> ResidentLoader:
        """The batches of a split on the device, where the split itself fits or not; settings are ResidentLoader's."""
        if split.name not in self._settled:
            self._settled[split.name] = residence.settled(split, self.compute.device)
        return ResidentLoader(
            self._settled[split.name],
            self.data.preprocessing,
            device=self.compute.device,
            channels_last=self.compute.channels_last,
            rank=distributed.rank(),
            world_size=distributed.world_size(),
            **settings,
        )

    def _evaluation_batch_size(self) -> int:
        largest = max(num_cells(str(row["output_shape"])) for row in self.layers)
        return min(max(EVALUATION_BYTES // (4 * largest), 16), 2048)


def num_cells(shape: str) -> int:
    """Numbers in an output of the layer table: 32x14x14 is 6,272."""
    cells = 1
    for size in shape.split("x"):
        cells *= int(size)
    return cells

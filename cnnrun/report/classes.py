"""The report of a classifier: its results, tables and figures."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from cnnrun.data.image_folder import FolderData
from cnnrun.data.loaders import ResidentLoader
from cnnrun.data.preprocessing import Preprocessing
from cnnrun.data.splits import LabelledData, Split
from cnnrun.experiment import Experiment
from cnnrun.report.drawing import draw, read
from cnnrun.report.judgement import Judgement, Outputs
from cnnrun.run import Run
from cnnrun.tables import BROKEN, CLASSES
from cnnrun.tasks.classification import Classification
from cnnrun.tasks.findings import classes_without_samples

NUM_IMAGES = 32
"""On a figure of samples, at most."""


class ClassesReport:
    """What a run leaves of a classifier."""

    def __init__(self, experiment: Experiment) -> None:
        data, task = experiment.data, experiment.task
        assert isinstance(data, LabelledData)
        assert isinstance(task, Classification)
        self.data: LabelledData = data
        self.task: Classification = task

    def judge(self, outputs: Outputs, train_losses: Sequence[float]) -> Judgement:
        rows = {name: self.task.results(parts, self._targets(name), name) for name, parts in outputs.items()}
        judged = Judgement([row for of_split in rows.values() for row in of_split])
        if {"train", "val"} <= set(rows):
            gap = self.task.gap(rows["train"], rows["val"])
            judged.rows.append(gap)
            judged.warnings += self.task.findings(outputs["val"], self._targets("val"), train_losses, rows["train"])
            judged.notes += self.task.notes(gap)
        for name in outputs:
            judged.notes += classes_without_samples(self._targets(name), self.data.class_names, name)
        if isinstance(self.data, FolderData):
            judged.doubts += self.data.doubts
            if "train" not in rows:  # an evaluation: a training has said it before it began
                judged.notes += [sentence for sentence in self.data.remarks if sentence not in judged.doubts]
        return judged

    def stored(self) -> dict[str, Any]:
        return self.data.stored()

    def write_tables(self, run: Run, outputs: Outputs, split: str) -> None:
        """Write classes, per_class, confusion, predictions, calibration; of a folder what is broken."""
        run.write_rows(CLASSES, self._counts())
        if isinstance(self.data, FolderData) and self.data.broken:
            run.write_rows(BROKEN, [{"path": path, "reason": reason} for path, reason in self.data.broken])
        ids = getattr(self.data, split).ids
        for name, frame in self.task.tables(outputs[split], self._targets(split), ids).items():
            run.write_frame(name, frame)

    def draw_data(self, run: Run, training: ResidentLoader) -> None:
        """Draw how many samples each class has, the first images, and an augmented batch."""
        data = self.data
        run.write_figure("class_counts", draw("class_counts", read(run.table_file(CLASSES.name))))
        if not _are_pictures(data.train.inputs):
            return
        first = first_images(data.train.targets)
        titles = self._names(data.train.targets[first])
        images = data.train.take(first).numpy()
        run.write_figure("first_images", draw("samples", images, titles, "Images of the training set"))
        batch = next(training.batches())
        assert isinstance(data.preprocessing, Preprocessing)
        pictures = data.preprocessing.invert(batch.inputs[:NUM_IMAGES]).cpu()
        hard = batch.targets if batch.targets.ndim == 1 else batch.targets.argmax(dim=1)
        run.write_figure(
            "augmented_batch",
            draw(
                "samples", pictures.numpy(), self._names(hard[:NUM_IMAGES]), "A batch as the network is trained on it"
            ),
        )

    def draw_split(self, run: Run, split: str) -> None:
        """Draw how the model does on a split: confusion, classes, calibration, the most confident mistakes."""
        for name in ("confusion", "per_class", "calibration"):
            run.write_figure(name, draw(name, read(run.table_file(name)), split))
        samples: Split = getattr(self.data, split)
        if not _are_pictures(samples.inputs):
            return
        predictions = read(run.table_file("predictions"))
        wrong = predictions[~predictions["correct"]].nlargest(NUM_IMAGES, "confidence", keep="first")
        if len(wrong):
            from cnnrun.plots.samples import mistake_captions

            title = f"Most confident mistakes on {split}"
            pictures = samples.take(torch.tensor(wrong.index.to_list()))
            run.write_figure("mistakes", draw("samples", pictures.numpy(), mistake_captions(wrong), title))

    def _counts(self) -> list[dict[str, Any]]:
        """Rows of tables.CLASSES."""
        names = self.data.class_names
        splits = {split.name: split.targets for split in (self.data.train, self.data.val, self.data.test)}
        counts = {name: torch.bincount(targets, minlength=len(names)).tolist() for name, targets in splits.items()}
        return [
            {"class": name} | {split: of_class[label] for split, of_class in counts.items()}
            for label, name in enumerate(names)
        ]

    def _targets(self, split: str) -> Tensor:
        targets: Tensor = getattr(self.data, split).targets
        return targets

    def _names(self, targets: Tensor) -> list[str]:
        return [self.data.class_names[target] for target in targets.tolist()]


def first_images(targets: Tensor) -> Tensor:
    """Indices of some samples: the first, or where they are sorted by class, some evenly apart. `targets`: (N,)."""
    count = min(NUM_IMAGES, len(targets))
    is_sorted = bool((targets.diff() >= 0).all())
    return torch.linspace(0, len(targets) - 1, count).long() if is_sorted else torch.arange(count)


def _are_pictures(inputs: Tensor) -> bool:
    return inputs.ndim == 4 and inputs.shape[1] in (1, 3)

"""TensorBoard: event files in the folder of the run, which `tensorboard --logdir outputs` finds."""

import json
import struct
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cnnrun.tracking.tracker import Begun

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

NOT_DRAWN = ("epoch", "step")
"""Columns of the history that only count."""


class TensorBoard:
    """Curves over the epochs, figures, the settings as text and as hyperparameters."""

    package = "tensorboard"
    _writer: "SummaryWriter"

    def begin(self, begun: Begun) -> str:
        from torch.utils.tensorboard import SummaryWriter

        self._epoch = begun.epoch
        self._settings = begun.settings
        # What a run wrote that was killed is hidden from the epoch on that is trained again.
        purged = begun.epoch + 1 if begun.known else None
        self._writer = SummaryWriter(str(begun.events), purge_step=purged)
        self._writer.add_text("run", _table(begun.tags), begun.epoch)
        self._writer.add_text("settings", _table(begun.settings), begun.epoch)
        self._writer.flush()
        return begun.events.name

    def epoch(self, row: dict[str, float]) -> None:
        self._epoch = int(row["epoch"])
        for name, value in row.items():
            if name not in NOT_DRAWN:
                self._writer.add_scalar(name, value, self._epoch)
        self._writer.flush()

    def results(self, metrics: dict[str, float], figures: list[Path]) -> None:
        from torch.utils.tensorboard.summary import hparams

        plain = {name: _plain(value) for name, value in self._settings.items()}
        for summary in hparams(plain, metrics):
            self._add(summary)
        for name, value in metrics.items():
            self._writer.add_scalar(name, value, self._epoch)
        for file in figures:
            self._add_png(file)
        self._writer.flush()

    def end(self, status: str, reason: str) -> None:
        self._writer.add_text("status", f"{status} {reason}".strip(), self._epoch)
        self._writer.close()

    def _add_png(self, file: Path) -> None:
        """As it is: the writer's own way would take it apart and pack it again."""
        from tensorboard.compat.proto.summary_pb2 import Summary

        content = file.read_bytes()
        width, height = struct.unpack(">II", content[16:24])
        picture = Summary.Image(height=height, width=width, colorspace=4, encoded_image_string=content)
        summary = Summary(value=[Summary.Value(tag=file.stem, image=picture)])
        self._add(summary)

    def _add(self, summary: Any) -> None:
        """What the writer has no method for."""
        assert self._writer.file_writer is not None
        self._writer.file_writer.add_summary(summary, self._epoch)


def _table(values: dict[str, Any]) -> str:
    """In Markdown, which TensorBoard shows."""
    rows = [f"| {name} | {str(_plain(value)).replace('|', chr(92) + '|')} |" for name, value in values.items()]
    return "\n".join(["| | |", "| --- | --- |", *rows])


def _plain(value: Any) -> bool | float | str:
    return value if isinstance(value, bool | int | float | str) else json.dumps(value)

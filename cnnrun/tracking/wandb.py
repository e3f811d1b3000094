"""Weights & Biases: a run that is kept on the disk until it is synchronised, or sent at once."""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from cnnrun.tracking.tracker import Begun

FOLDER = Path("outputs")
EXIT_CODES = {"finished": 0, "pruned": 0}
"""By status; it calls others failed."""


class Wandb:
    """Settings are its config, results its summary."""

    package = "wandb"
    _run: Any

    def __init__(self, *, project: Annotated[str, Field(min_length=1)], mode: Literal["offline", "online"]) -> None:
        self._project = project
        self._mode: Literal["offline", "online"] = mode

    def begin(self, begun: Begun) -> str:
        import wandb

        FOLDER.mkdir(exist_ok=True)
        # It would take over what the process prints, and look for the user's git repository.
        quiet = wandb.Settings(silent=True, console="off", disable_git=True, save_code=False, x_disable_stats=True)
        self._run = wandb.init(
            project=self._project,
            mode=self._mode,
            dir=str(FOLDER),
            id=begun.known,
            resume="allow" if begun.known and self._mode == "online" else None,
            name=begun.folder.name,
            config=begun.settings | {f"run.{name}": value for name, value in begun.tags.items()},
            settings=quiet,
        )
        self._run.define_metric("*", step_metric="epoch")
        return str(self._run.id)

    def epoch(self, row: dict[str, float]) -> None:
        self._run.log(row)

    def results(self, metrics: dict[str, float], figures: list[Path]) -> None:
        import wandb

        self._run.summary.update(metrics)
        if figures:
            self._run.log({f"figures/{file.stem}": wandb.Image(str(file)) for file in figures})

    def end(self, status: str, reason: str) -> None:
        self._run.summary.update({"status": status} | ({"reason": reason} if reason else {}))
        self._run.finish(exit_code=EXIT_CODES.get(status, 1))

"""What the jobs of a sweep make better: the metric on val by which runs of a task are judged."""

from dataclasses import dataclass
from typing import Any, Self

from cnnrun.config import callables
from cnnrun.errors import ConfigError

LOSS = "loss"


@dataclass(frozen=True)
class Objective:
    """The metric and its direction."""

    monitor: str
    """As val/accuracy."""
    higher_is_better: bool

    @classmethod
    def of(cls, config: dict[str, Any]) -> Self:
        """Of the task of a checked config: more is better, unless the task says otherwise or watches a loss."""
        monitor = str(config["task"].get("monitor", "accuracy"))
        task = callables.find("task", config["task"]["name"])
        return cls(f"val/{monitor}", getattr(task, "higher_is_better", monitor != LOSS) is True)

    def refuse_other(self, monitor: str, higher_is_better: bool) -> None:
        """Raises: ConfigError: if a run was judged by something else."""
        if (monitor, higher_is_better) != (self.monitor, self.higher_is_better):
            raise ConfigError(f"a trial was judged by {_said(monitor, higher_is_better)}, the search takes {self}")

    def __str__(self) -> str:
        return _said(self.monitor, self.higher_is_better)


def _said(monitor: str, higher_is_better: bool) -> str:
    return f"{monitor} ({'higher' if higher_is_better else 'lower'} is better)"

"""The end of a search: its tables and figures, and the one look at test, for the trial that val chose."""

import csv
import io
import shlex
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import compress
from operator import not_
from pathlib import Path
from typing import Any

from hydra.core.config_loader import ConfigLoader
from hydra.types import RunMode

from cnnrun import console
from cnnrun.config import Invocation, check, compose, overrides
from cnnrun.config.callables import load
from cnnrun.files import write_bytes
from cnnrun.run import RECORD, Run
from cnnrun.sweeps import table
from cnnrun.sweeps.folders import outcome
from cnnrun.sweeps.jobs import Outcome
from cnnrun.sweeps.search.trials import ERROR, Trials, Tried
from cnnrun.tables import IMPORTANCE, TRIALS, Table

EVALUATE = "cnnrun.commands.eval:evaluate"
TEST = "test"
"""The split, and the folder for what it says: a folder inside for each trial that was judged on it."""
FIGURES = "figures"
STATUS = {"COMPLETE": "finished", "PRUNED": "pruned", "FAIL": "failed", "RUNNING": "interrupted"}


class Ending:
    """What is written of the trials in a sweep's folder."""

    def __init__(self, folder: Path, trials: Trials, words: Sequence[str]) -> None:
        """Args: words: what all trials share, as it was typed."""
        self._folder = folder
        self._trials = trials
        self._words = words

    def rows(self, *, to_do: bool = True) -> list[Outcome]:
        """The rows of sweep.csv, by trial, with the winner's results on test; those that are still `to_do` or not."""
        tried = [each for each in self._trials.tried() if to_do or each.is_done]
        return [self._row(each) for each in tried]

    def parted(self, folders: Container[Path]) -> tuple[list[Outcome], list[Outcome]]:
        """The rows apart: those in these folders last, but for failures that to try again would not help."""
        rows = self.rows()
        tried = zip(self._trials.tried(), rows, strict=True)
        counts = [row.folder in folders and not (each.is_done and each.state == "FAIL") for each, row in tried]
        return list(compress(rows, map(not_, counts))), list(compress(rows, counts))

    def write(self, *, figures: bool) -> None:
        """Write the tables, and draw them, with what there is."""
        table.write(self._folder, self.rows())
        self._write_tables()
        if figures:
            self._draw()

    def read_test(self, loader: ConfigLoader, config: Mapping[str, Any], *, trusted: bool) -> None:
        """Judge the winner on test, unless that was done before.

        Args:
            config: of any trial.
            trusted: whether the winner's folder, which may be a stranger's, may name code that is not ours.
        """
        if winner := table.chosen(self.rows()):
            self._judge(winner, loader, config, trusted)
            table.write(self._folder, self.rows())

    def tell(self) -> None:
        """Say which trial was the best, and how to train it again."""
        tried = self._trials.tried()
        winner = table.chosen(self.rows())
        if winner is None:
            console.tell("no trial came to a result")
            return
        best = next(each for each in tried if each.name == winner.folder.name)
        words = [*map(overrides.split, self._words), *best.settings.items()]
        command = [f"{key}={overrides.bare(key, value)}" for key, value in words if key != "sweep"]
        console.tell(
            f"the best of {len(tried)} trials is number {best.number}, {winner.monitor} {winner.best_value:.4g}: "
            f"{winner.folder}\n  cnnrun train {shlex.join(overrides.without_none(command))}"
        )

    def _row(self, tried: Tried) -> Outcome:
        error = str(tried.trial.user_attrs.get(ERROR, "")) if tried.state == "FAIL" else ""
        row = outcome(tried.settings, self._folder / tried.name, error)
        metrics = {"trial": tried.number, **row.metrics}
        if row.status == "pruned" and row.best_value is not None:
            metrics[row.monitor] = row.best_value
        judged = self._judged(tried.name)
        if (judged / RECORD).is_file():
            metrics |= outcome({}, judged).metrics
        return replace(row, metrics=metrics)

    def _judged(self, name: str) -> Path:
        """Where it is written what test says of a trial."""
        return self._folder / TEST / name

    def _write_tables(self) -> None:
        if rows := self._trial_rows():
            _write(self._folder, TRIALS, rows)
        if shares := self._importance():
            _write(self._folder, IMPORTANCE, [{"setting": key, "importance": share} for key, share in shares.items()])

    def _trial_rows(self) -> list[dict[str, Any]]:
        chosen = table.chosen(self.rows())
        return [
            {
                "trial": each.number,
                "status": STATUS[each.state],
                "chosen": table.CHOSEN if chosen and chosen.folder.name == each.name else "",
                "value": each.trial.value,
                "epochs": len(each.trial.intermediate_values),
                "folder": each.name,
                **{key: overrides.unquote(word) for key, word in each.settings.items()},
            }
            for each in self._trials.tried()
        ]

    def _importance(self) -> dict[str, float]:
        """Share of the metric's variance that each setting explains, by fANOVA; none if there is nothing to see."""
        from optuna.importance import FanovaImportanceEvaluator, get_param_importances

        values = {each.trial.value for each in self._trials.tried() if each.state == "COMPLETE"}
        if len(values) < 2:
            return {}
        shares = get_param_importances(self._trials.study, evaluator=FanovaImportanceEvaluator(seed=0))
        return {key: float(share) for key, share in shares.items()}

    def _draw(self) -> None:
        """From the tables, as anybody could."""
        import pandas as pd

        from cnnrun.plots.canvas import png
        from cnnrun.plots.importance import importance
        from cnnrun.plots.search_history import search_history

        objective, figures = self._trials.objective, self._folder / FIGURES
        if not (table_of_trials := _file(self._folder, TRIALS)).is_file():
            return
        trials = pd.read_csv(table_of_trials)
        drawn = search_history(trials, objective.monitor, objective.higher_is_better)
        write_bytes(figures / "search_history.png", png(drawn))
        if (shares := _file(self._folder, IMPORTANCE)).is_file():
            write_bytes(figures / "importance.png", png(importance(pd.read_csv(shares), objective.monitor)))

    def _judge(self, winner: Outcome, loader: ConfigLoader, config: Mapping[str, Any], trusted: bool) -> None:
        """Evaluate the winner on test, once; another trial may have won before this search had so many."""
        folder = self._judged(winner.folder.name)
        if (folder / RECORD).is_file():
            run = Run.open(folder)
            if run.status == "finished":
                return
            run.clear()
        before = [file.parent for file in folder.parent.glob(f"*/{RECORD}") if file.parent != folder]
        words = [f"run={overrides.quote(str(winner.folder))}", f"split={TEST}", f"trust_code={str(trusted).lower()}"]
        words += [f"{key}={str(config[key]).lower()}" for key in ("figures", "offline")]
        asked = compose.plain(loader.load_configuration("eval", words, RunMode.RUN))
        check("eval", asked)
        console.tell(f"the one look at test, for the best on val, {winner.folder.name}:")
        load(EVALUATE)(asked, Invocation(folder, {}, words))
        if before:
            note = (
                f"test was read {len(before) + 1} times in this search, before for the winner of fewer trials: "
                f"{', '.join(file.name for file in before)}"
            )
            run = Run.open(folder)
            run.update(notes=[*run.record.get("notes", []), note])
            console.note(note)


def _write(folder: Path, kind: Table, rows: Iterable[Mapping[str, Any]]) -> None:
    listed = list(rows)
    text = io.StringIO()
    writer = csv.DictWriter(text, list(dict.fromkeys([*kind.names, *listed[0]])), lineterminator="\n")
    writer.writeheader()
    writer.writerows(listed)
    write_bytes(_file(folder, kind), text.getvalue().encode())


def _file(folder: Path, kind: Table) -> Path:
    return folder / f"{kind.name}.csv"

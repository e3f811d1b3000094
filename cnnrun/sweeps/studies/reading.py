"""Read a study from conf/study/NAME.yaml, and check it.

    settings: {dataset: mnist, epochs: 10}             what all jobs share
    rows: {DNN: {model: reference_002_dnn}, ...}       a label, and what makes this row
    cols: {"0.1": {optimizer.lr: 0.1}, ...}            the same of columns; a study can do without
    seeds: [0, 1, 2]
    cells: [test/accuracy, train/loss@1, best_epoch]   metrics, metrics after an epoch, study.FACTS
    optional: [DNN]                                    rows that wait until a word names what no other row has
    published:
      source: reference 002, table 2
      n: 10000                                         samples of its test set
      remark: of another file                          what stands beside every number
      values: {DNN: {"0.1": [0.78, null, null]}}       one a cell, as it was printed; without columns {DNN: [...]}
      inconsistent: [{row: DNN, col: "0.1", cell: test/accuracy, why: ...}]
    claims:                                            sentences, tested by differences paired over seeds
      - {says: ..., cell: test/accuracy, of: all | any, within: 0.02, differences: [{more: [DNN / 0.1], less: [...]}]}
    budget: {smoke: {epochs: 1, seeds: [0, 1], rows: [DNN]}}     settings that win over all others, and fewer of these

Values are text, as typed: they name the folders of the jobs.
"""

from dataclasses import replace
from pathlib import Path

from cnnrun.config import options
from cnnrun.config.overrides import FULL, STUDY
from cnnrun.errors import ConfigError, near_miss
from cnnrun.sweeps.studies.claims import claims_of, published_of
from cnnrun.sweeps.studies.study import ONLY, Place, Settings, Study, check_cell, merged, titled
from cnnrun.sweeps.studies.yaml_node import Node

KEYS = ("settings", "rows", "cols", "seeds", "cells", "published", "claims", "optional", "budget")
NARROWED = ("rows", "cols", "seeds")
"""What a budget may narrow, beside the settings that it replaces."""
NO_SETTINGS = ("seed", "study", "budget", "sweep", "resume")


def read(name: str, places: list[Path], budget: str = FULL) -> Study:
    """Find a study in the conf folders and read it with one of its budgets.

    Raises:
        ConfigError: if there is none of that name or budget, or something in it is wrong.
    """
    path = next((file for place in places if (file := place / STUDY / f"{name}.yaml").is_file()), None)
    if path is None:
        known = options.options(STUDY, places)
        raise ConfigError(f"unknown study '{name}'{near_miss(name, known)} (there are {', '.join(known) or 'none'})")
    whole = Node.of_file(path)
    parts = whole.mapping(KEYS)
    study = _grid(name, whole, parts)
    if "published" in parts:
        study = replace(study, published=published_of(parts["published"], study))
    if "claims" in parts:
        study = replace(study, claims=claims_of(parts["claims"], study))
    return _with_budget(study, parts["budget"].mapping() if "budget" in parts else {}, budget)


def _grid(name: str, whole: Node, parts: dict[str, Node]) -> Study:
    for key in ("rows", "seeds", "cells"):
        if key not in parts or not parts[key].value:
            raise whole.wrong(f"a study needs {key}")
    rows = _labelled(parts["rows"])
    parts["cells"].texts()
    study = Study(
        name,
        _settings(parts["settings"]) if "settings" in parts else {},
        rows,
        _labelled(parts["cols"]) if "cols" in parts else {ONLY: {}},
        _seeds(parts["seeds"]),
        [check_cell(cell) for cell in parts["cells"].entries()],
        parts["optional"].some_of(rows) if "optional" in parts else [],
    )
    _refuse_twins(study, whole)
    return study


def _with_budget(study: Study, budgets: dict[str, Node], name: str) -> Study:
    """The study with what a budget replaces; its settings win over those of rows and columns, too."""
    found = {label: _narrowed(study, node, label) for label, node in budgets.items()} | {FULL: study}
    if name not in found:
        known = [FULL, *budgets]
        raise ConfigError(f"study {study.name} has no budget '{name}'{near_miss(name, known)} ({', '.join(known)})")
    return found[name]


def _narrowed(study: Study, node: Node, name: str) -> Study:
    parts = node.mapping()
    settings = _settings(Node(node.file, node.where, {key: node.value[key] for key in parts if key not in NARROWED}))
    rows = parts["rows"].some_of(study.rows) if "rows" in parts else study.rows
    cols = parts["cols"].some_of(study.cols) if "cols" in parts else study.cols
    small = replace(
        study,
        settings=merged(study.settings, settings),
        rows={label: _changed(study.rows[label], settings) for label in rows},
        cols={label: _changed(study.cols[label], settings) for label in cols},
        seeds=_seeds(parts["seeds"]) if "seeds" in parts else study.seeds,
        optional=[label for label in study.optional if label in rows],
        budget=name,
    )
    _refuse_twins(small, node)
    return small


def _changed(settings: Settings, changes: Settings) -> Settings:
    return {key: changes.get(key, value) for key, value in settings.items()}


def _labelled(node: Node) -> dict[str, Settings]:
    found = {}
    for label, inner in node.mapping().items():
        found[label] = _settings(inner)
        if not found[label]:
            raise inner.wrong("names no setting, as in {optimizer.lr: 0.1}")
    return found


def _settings(node: Node) -> Settings:
    found = {}
    for key, inner in node.mapping().items():
        if isinstance(inner.value, dict):
            raise inner.wrong(f"settings are written with dots: {key}.{next(iter(inner.value), 'key')}: ...")
        if key in NO_SETTINGS or key.startswith("hydra"):
            raise node.wrong(f"'{key}' is no setting of a job{'; write seeds' if key == 'seed' else ''}")
        found[key] = _word(inner.value)
    return found


def _seeds(node: Node) -> list[str]:
    seeds = node.texts()
    wrong = next((seed for seed in seeds if not seed.isdecimal()), None)
    if wrong is not None or not seeds:
        raise node.wrong(f"must be whole numbers from 0 on, not '{wrong or ''}'")
    return seeds


def _refuse_twins(study: Study, node: Node) -> None:
    seen: dict[tuple[tuple[str, str], ...], Place] = {}
    for row, col in study.places:
        settings = tuple(sorted((study.rows[row] | study.cols[col]).items()))
        if settings in seen:
            raise node.wrong(f"'{titled((row, col))}' and '{titled(seen[settings])}' are the same job")
        seen[settings] = (row, col)


def _word(value: object) -> str:
    return f"[{','.join(map(_word, value))}]" if isinstance(value, list) else str(value)

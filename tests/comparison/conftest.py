"""Run folders as `train` leaves them, without training."""

import csv
import json
from pathlib import Path

import pytest
import yaml

CONFIG = {
    "model": {"name": "mlp", "hidden": [16], "dropout": 0.0},
    "task": {"name": "classification", "monitor": "accuracy"},
    "dataset": {"name": "digits", "image_size": None, "root": None, "normalize": "standardize"},
    "augment": {"name": "batch", "flip": False},
    "optimizer": {"name": "adam", "lr": 0.001},
    "scheduler": {"name": "constant"},
    "seed": 0,
    "epochs": 2,
    "batch_size": 32,
    "threads": 1,
    "figures": False,
}


class Folder:
    """Writes runs below a folder."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def run(self, name, accuracy=0.9, *words, record=(), results=(), history=True, **settings):
        """A finished run; `words` are those of the command line, and settings have dots as two underscores."""
        config = json.loads(json.dumps(CONFIG))
        choices = {
            "model": "mlp",
            "dataset": "digits",
            "augment": "none",
            "optimizer": "adam",
            "task": "classification",
        }
        for word in words:
            key, _, value = word.partition("=")
            if key in choices:
                choices[key] = value
                config[key]["name"] = value
            else:
                settings[key.replace(".", "__")] = yaml.safe_load(value)
        for key, value in settings.items():
            *groups, last = key.split("__")
            node = config
            for group in groups:
                node = node[group]
            node[last] = value
        monitor = f"val/{config['task']['monitor']}"
        facts = {
            "status": "finished",
            "started": "2026-11-21T10:00:00+0000",
            "command": "explain",  # of no defaults that would be filled in
            "choices": choices,
            "overrides": list(words),
            "seed": config["seed"],
            "parameters": 1000,
            "data": {"classes": 10, "input_shape": [1, 8, 8], "samples": {"train": 800, "val": 100, "test": 200}},
            "seconds": 2227.4,
            "epochs": 2,
            "monitor": monitor,
            "higher_is_better": True,
            "best_value": accuracy,
            "best_epoch": 1,
            "dead": False,
            "warnings": [],
        } | dict(record)
        rows = [("val", monitor.partition("/")[2], accuracy), ("test", "accuracy", accuracy - 0.01), *results]
        folder = self.path / name
        folder.mkdir(parents=True)
        (folder / "config.yaml").write_text(yaml.safe_dump(config))
        (folder / "run.json").write_text(json.dumps(facts))
        if facts["status"] == "finished":
            _write(
                folder / "results.csv",
                ("split", "metric", "value", "low", "high", "n"),
                [(*row, "", "", 200) for row in rows],
            )
        if history:
            _write(
                folder / "history.csv",
                ("epoch", "train/loss", "val/loss", "train/accuracy", "val/accuracy"),
                [(1, 0.9, 0.8, 0.7, accuracy), (2, 0.5, 0.6, 0.8, accuracy - 0.1)],
            )
        return folder


def _write(file, columns, rows):
    with open(file, "w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(columns)
        writer.writerows(rows)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """`folder.run("a", .9, "model=cnn")` writes runs/a; works in an empty folder."""
    monkeypatch.chdir(tmp_path)
    return Folder(Path("runs"))

"""What Weights & Biases writes of a run offline. `pytest -m slow tests/tracking/test_wandb.py`"""

import json
import struct
from pathlib import Path

import pandas as pd
import pytest

from cnnrun.cli import main
from cnnrun.run import Run

pytest.importorskip("wandb", reason="needs the extra wandb")
BLOCK, FULL, LAST = 32768, 1, 4
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]


def logged(content):
    """What lies in a log of LevelDB: blocks of 32 KiB, in which each piece has a checksum, its length and its kind."""
    place, whole = 7, b""
    while place + 7 <= len(content):
        if BLOCK - place % BLOCK < 7:
            place += BLOCK - place % BLOCK
        length, kind = struct.unpack("<HB", content[place + 4 : place + 7])
        whole += content[place + 7 : place + 7 + length]
        place += 7 + length
        if kind in (FULL, LAST):
            yield whole
            whole = b""


def records(file):
    from wandb.proto import wandb_internal_pb2

    return [wandb_internal_pb2.Record.FromString(content) for content in logged(file.read_bytes())]


def values(items):
    return {item.nested_key[0] if item.nested_key else item.key: json.loads(item.value_json) for item in items}


def test_an_offline_run_has_its_history_settings_results_and_status(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    words = ["dataset.limit=200", "model=mlp", "model.hidden=[16]", "threads=1", "epochs=2", "figures=false"]
    assert main(["train", *words, "logger=wandb", "hydra.run.dir=run"]) == 0
    run = Run.open("run")
    [file] = Path("outputs/wandb").glob("offline-run-*/*.wandb")
    assert run.record["logger"]["id"] in file.name
    found = records(file)
    rows = [values(record.history.item) for record in found if record.WhichOneof("record_type") == "history"]
    history = pd.read_csv(run.table_file("history"))
    assert [row["val/loss"] for row in rows if "val/loss" in row] == history["val/loss"].to_list()
    changes = [record.summary.update for record in found if record.WhichOneof("record_type") == "summary"]
    summary = {name: value for change in changes for name, value in values(change).items()}
    assert summary["status"] == "finished"
    [accuracy] = [row for row in run.results() if (row["split"], row["metric"]) == ("test", "accuracy")]
    assert summary["best/test/accuracy"] == float(accuracy["value"])
    [begun] = [record.run for record in found if record.WhichOneof("record_type") == "run"]
    settings = values(begun.config.update)
    assert settings["model.hidden"] == [16]
    [end] = [record.exit for record in found if record.WhichOneof("record_type") == "exit"]
    assert end.exit_code == 0

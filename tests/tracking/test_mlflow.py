"""What MLflow's own client finds of a run in a local SQLite. `pytest -m slow tests/tracking/test_mlflow.py`

A first database takes MLflow some seconds.
"""

import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from cnnrun.cli import main
from cnnrun.run import Run
from cnnrun.tracking.mlflow import _name
from cnnrun.tracking.tracker import Begun

pytest.importorskip("mlflow", reason="needs the extra mlflow")
pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
]
QUICK = ["dataset.limit=200", "model=mlp", "model.hidden=[16]", "threads=1", "logger=mlflow"]
DATABASE = "sqlite:///outputs/mlflow.db"


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with a database in which a run has finished, gone on, and another has failed."""
    folder = tmp_path_factory.mktemp("mlflow")
    with pytest.MonkeyPatch.context() as patched:
        patched.chdir(folder)
        assert main(["train", *QUICK, "epochs=2", "seed=7", "hydra.run.dir=run"]) == 0
        assert main(["train", "resume=run", "epochs=3"]) == 0
        broken = ["figures=false", "optimizer=sgd", "optimizer.lr=1e9", "epochs=5", "hydra.run.dir=broken"]
        assert main(["train", *QUICK, *broken]) == 1
        yield folder


def client():
    from mlflow.tracking import MlflowClient

    return MlflowClient(DATABASE)


def stored(run):
    return client().get_run(run.record["logger"]["id"])


@pytest.mark.slow
def test_curves_are_the_history_also_of_a_run_that_went_on(place):
    run = Run.open("run")
    history = pd.read_csv(run.table_file("history"))
    assert len(history) == 3
    for column in history.columns.drop("epoch"):
        found = client().get_metric_history(run.record["logger"]["id"], column)
        assert [(point.step, point.value) for point in found] == list(
            zip(history["epoch"], history[column], strict=True)
        )


@pytest.mark.slow
def test_results_settings_tags_and_status_are_those_of_the_run(place):
    run = Run.open("run")
    found = stored(run)
    for row in run.results():
        name = f"best/{row['split']}/{row['metric']}"
        points = client().get_metric_history(run.record["logger"]["id"], name)
        assert max(points, key=lambda point: point.step).value == float(row["value"]), name
    assert found.data.params["model.hidden"] == "[16]"
    assert found.data.params["epochs"] == "2", "as it was begun"
    assert found.data.tags["seed"] == "7"
    assert found.data.tags["folder"] == "run"
    assert (found.info.status, found.data.tags["status"]) == ("FINISHED", "finished")


@pytest.mark.slow
def test_figures_are_artifacts_beside_the_database(place):
    run = Run.open("run")
    listed = client().list_artifacts(run.record["logger"]["id"], "figures")
    assert {Path(entry.path).name for entry in listed} == {file.name for file in run.figures()}
    [copy] = (place / "outputs/mlflow-artifacts").glob("*/artifacts/figures/curves.png")
    assert copy.read_bytes() == (run.path / "figures/curves.png").read_bytes()


@pytest.mark.slow
def test_a_run_that_failed_is_failed_there_with_its_reason(place):
    run = Run.open("broken")
    found = stored(run)
    assert (found.info.status, found.data.tags["status"]) == ("FAILED", "failed")
    assert found.data.tags["reason"] == run.record["reason"][:500]


@pytest.mark.slow
def test_a_run_whose_database_is_gone_begins_anew_in_another(place, tmp_path):
    from cnnrun.tracking.mlflow import MLflow

    tracker = MLflow(tracking_uri=DATABASE, experiment="another")
    begun = Begun(tmp_path, tmp_path, {"a": 1}, {}, 3, "0" * 32)
    known = tracker.begin(begun)
    assert known != "0" * 32
    assert client().get_run(known).data.params == {"a": "1"}


@pytest.mark.slow
def test_a_server_that_is_not_there_stops_no_run(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    words = ["logger.tracking_uri=http://127.0.0.1:9", "figures=false", "epochs=2", "hydra.run.dir=run"]
    assert main(["train", *QUICK, *words]) == 0
    assert Run.open("run").status == "finished"
    [line] = [line for line in capsys.readouterr().err.splitlines() if line.startswith("warning: logger=")]
    assert "127.0.0.1" in line


@pytest.mark.slow
def test_jobs_that_begin_at_once_share_a_database_that_none_has_made_before(tmp_path):
    script = f"""
from pathlib import Path
from cnnrun.tracking.mlflow import MLflow
from cnnrun.tracking.tracker import Begun
tracker = MLflow(tracking_uri="{DATABASE}", experiment="cnnrun")
print(tracker.begin(Begun(Path("run"), Path("run"), {{"a": 1}}, {{}}, 0, None)))
tracker.end("finished", "")
"""
    command = [sys.executable, "-c", script]
    with_one_thread = os.environ | {"OMP_NUM_THREADS": "1"}
    jobs = [
        subprocess.Popen(
            command, cwd=tmp_path, env=with_one_thread, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        for _ in range(3)
    ]
    ended = [(*job.communicate(timeout=240), job.returncode) for job in jobs]
    assert [code for _, _, code in ended] == [0, 0, 0], [error for _, error, _ in ended]
    assert len({known for known, _, _ in ended}) == 3


@pytest.mark.parametrize(
    ("ours", "theirs"), [("val/accuracy", "val/accuracy"), ("best/test/mae[load, a]", "best/test/mae_load_ a_")]
)
def test_a_name_has_only_what_mlflow_takes(ours, theirs):
    assert _name(ours) == theirs

"""Runs whose first layers are frozen: what is kept of them changes no result. `pytest tests/commands`"""

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file
from torchvision.models import shufflenet_v2_x0_5

from cnnrun.cli import main

SMALL = ["dataset.limit=90", "dataset.image_size=32", "threads=1", "figures=false", "precision=fp32"]
BACKBONE = ["model=backbone", "model.arch=shufflenet_v2_x0_5", "model.weights=none", "batch_size=16", "epochs=2"]
TIMES = {"seconds", "samples_per_second"}


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.setenv("CNNRUN_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def train(folder, *words, code=0):
    assert main(["train", *SMALL, *BACKBONE, f"hydra.run.dir={folder}", *words]) == code
    return Path(folder)


def rows(file):
    with file.open(newline="") as stream:
        return [{key: value for key, value in row.items() if key not in TIMES} for row in csv.DictReader(stream)]


def facts(run):
    return json.loads((run / "run.json").read_text()).get("prefix")


def entries(here):
    return [entry for entry in (here / "cache" / "prefix").iterdir() if entry.is_dir()]


def assert_same(run, other):
    for name in ("history.csv", "results.csv", "tables/predictions.csv"):
        assert rows(run / name) == rows(other / name)
    ours, theirs = (load_file(folder / "checkpoints/best/model.safetensors") for folder in (run, other))
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)


def test_a_run_with_and_without_the_cache_has_the_same_bytes(here, capsys):
    kept = train("kept", "ema=0.9")
    assert (
        "note: the frozen layers, up to features, are computed once for each sample: 80 of train, 10 of val "
        "(0 MB, fp32)\n"
    ) in capsys.readouterr().err
    known = facts(kept)
    assert {key: known[key] for key in ("cut", "activations", "precision", "folded", "kept", "views")} == {
        "cut": "after features",
        "activations": [1024],
        "precision": "fp32",
        "folded": True,
        "kept": ["train", "val"],
        "views": 0,
    }
    computed = train("computed", "ema=0.9", "cache.prefix=off")
    assert "are computed at each step for train: cache.prefix=off; at each step for val" in capsys.readouterr().err
    assert facts(computed)["kept"] == []
    assert_same(kept, computed)
    assert len(entries(here)) == 3
    assert main(["eval", "run=kept", "split=test", "figures=false", "hydra.run.dir=again"]) == 0
    assert rows(here / "again/results.csv") == [row for row in rows(kept / "results.csv") if row["split"] == "test"]
    assert len(entries(here)) == 3


def test_the_checkpoint_holds_the_whole_model(here):
    run = train("run")
    weights = load_file(run / "checkpoints/best/model.safetensors")
    assert {name.partition(".")[0] for name in weights} == {"features", "head"}
    assert "features.conv5.1.running_mean" in weights


def test_a_run_that_goes_on_ends_with_the_same_bytes(here):
    whole = train("whole", "scheduler=constant", "epochs=3")
    train("parts", "scheduler=constant", "epochs=1")
    assert main(["train", "resume=parts", "epochs=3"]) == 0
    for name in ("history.csv", "results.csv"):
        assert rows(whole / name) == rows(here / "parts" / name)


def test_folded_batch_norm_is_told_alike_by_a_run_that_goes_on_and_by_an_evaluation(here, capsys):
    torch.save(shufflenet_v2_x0_5(num_classes=10).state_dict(), here / "folded.pth")  # its statistics change nothing
    run = train("run", "model.weights=folded.pth", "model.trainable=conv5", "scheduler=constant", "epochs=1")
    layers = rows(run / "tables/layers.csv")
    assert {row["batch_norm"] for row in layers} == {"eval", ""}
    assert main(["eval", "run=run", "figures=false", "hydra.run.dir=again"]) == 0
    assert rows(here / "again/tables/layers.csv") == layers
    capsys.readouterr()
    assert main(["train", "resume=run", "epochs=2"]) == 0
    assert "BatchNorm keeps its statistics" in capsys.readouterr().err
    assert rows(run / "tables/layers.csv") == layers


def test_the_jobs_of_a_sweep_share_what_they_have_in_common(here):
    words = ["train", "-m", *SMALL, *BACKBONE, "optimizer.lr=0.001,0.01", "sweep=lr", "epochs=1"]
    assert main(words) == 0
    assert len(entries(here)) == 3


def test_layers_that_train_later_are_not_before_the_cut(here, capsys):
    run = train("run", "model.trainable=stage4..conv5", "model.unfreeze_after=1")
    assert facts(run)["cut"] == "after stage3"
    first, last = (load_file(run / f"checkpoints/{name}/model.safetensors") for name in ("best", "last"))
    assert first.keys() == last.keys()
    fresh = train("fresh", "model.trainable=none", "epochs=1")
    frozen = load_file(fresh / "checkpoints/last/model.safetensors")
    moved = {name for name in last if not torch.equal(last[name], frozen[name])}
    assert any(name.startswith("features.stage4") for name in moved)
    assert not any(name.startswith(("features.stage3", "features.conv1")) for name in moved)


@pytest.mark.slow
def test_names_on_screen_are_those_that_trainable_takes(here, capsys):
    """mobilenet_v2 calls its own layers features, too."""
    words = ["model.arch=mobilenet_v2", "epochs=1", "dataset.image_size=32"]
    run = train("run", *words, "model.trainable=features.14..")
    assert facts(run)["cut"] == "after features.13"
    said = capsys.readouterr().err
    assert "the frozen layers, up to features.13, are computed once" in said
    assert "features.features" not in said


def test_where_nothing_can_be_kept_a_sentence_says_why(here, capsys):
    run = train("run", "model.trainable=conv1", "epochs=1")
    assert (
        "note: every step computes the whole network: nothing is frozen before conv1.0, which trains\n"
    ) in capsys.readouterr().err
    assert facts(run) is None
    assert not (here / "cache").exists()


def test_how_pictures_are_prepared_for_a_file_is_said_and_the_table_follows_its_sentence(here, capsys):
    for number in range(12):
        file = here / "small" / ("light" if number % 2 else "dark") / f"{number:02}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (40, 32), (200 * (number % 2), number, 9)).save(file)
    torch.save(shufflenet_v2_x0_5(weights=None).state_dict(), "own.pth")
    words = ["dataset=image_folder", "dataset.root=small", "model.weights=own.pth", "model.trainable=conv1"]
    train("run", *words, "dataset.image_size=64", "epochs=1")
    lines = capsys.readouterr().err.splitlines()
    (said,) = [line for line in lines if "does not tell how its images were prepared" in line]
    side = round(64 * 256 / 224)  # as torchvision has it for these weights
    assert f"is as for IMAGENET1K_V1: 64x64 pixels, cut out of a short side of {side}, bilinear;" in said
    (table,) = [number for number, line in enumerate(lines) if line.startswith("  layers ")]
    assert lines[table - 1].startswith("note: the model trains 3 of ")
    assert lines[table - 2].startswith("note: every step computes the whole network")


def test_nothing_is_said_where_all_layers_train(here, capsys):
    train("run", "model.trainable=all", "epochs=1")
    said = capsys.readouterr().err
    assert "frozen" not in said
    assert "whole network" not in said


def test_views_of_mixed_samples_are_refused(here, capsys):
    train("run", "cache.views=2", "augment=flip_crop", "augment.mixup=0.2", code=2)
    assert "cache.views=2: mixup and cutmix mix the pixels of each batch anew" in capsys.readouterr().err


def test_views_are_kept(here, capsys):
    run = train("run", "cache.views=2", "augment=flip_crop", "epochs=3")
    assert "80 of train in 2 views, 10 of val" in capsys.readouterr().err
    assert facts(run)["bytes"] == (2 * 80 + 10) * 1024 * 4


def test_what_no_epoch_will_use_is_a_warning(here, capsys):
    train("run", "model.trainable=conv5", "model.unfreeze_after=2", "cache.views=3")
    said = capsys.readouterr().err
    assert "warning: only the head trains: model.unfreeze_after=2 is not less than epochs=2, so the" in said
    assert "warning: cache.views=3 changes nothing: without augmentation each sample has one view" in said
    train("other", "model.trainable=conv5", "model.unfreeze_after=1", "cache.views=3", "cache.prefix='off'")
    said = capsys.readouterr().err
    assert "only the head trains" not in said
    assert "warning: cache.views=3 keeps nothing: cache.prefix=off\n" in said
    train("all", "model.trainable=all", "cache.views=3")
    assert "warning: cache.views=3 keeps nothing: no layers are frozen" in capsys.readouterr().err


@pytest.mark.parametrize("word", ["cache.views=-1", "cache.views=1.5", "cache.prefix=on"])
def test_wrong_settings_are_told(word, capsys):
    assert main(["train", word]) == 2
    assert 'must be prefix: auto or "off" (in quotes, in YAML), and views: 0 or more' in capsys.readouterr().err


# --- pictures of a folder, in processes that are stopped, or run at the same time


FOLDER = [
    *("model=backbone", "model.arch=shufflenet_v2_x0_5", "model.weights=none", "model.trainable=stage4..conv5"),
    *("model.unfreeze_after=1", "model.head_dropout=0.3", "augment=flip_crop", "cache.views=2", "ema=0.9"),
    *("dataset=image_folder", "dataset.root=photos", "dataset.image_size=48", "scheduler=plateau", "epochs=4"),
    *("batch_size=8", "threads=1", "figures=false", "precision=fp32"),
]


@pytest.fixture
def photos(here):
    """60 JPEGs of two classes, large enough to be some time about."""
    generator = np.random.default_rng(0)
    for number in range(60):
        file = here / "photos" / ("light" if number % 2 else "dark") / f"{number:02}.jpg"
        file.parent.mkdir(parents=True, exist_ok=True)
        pixels = generator.integers(100 * (number % 2), 155 + 100 * (number % 2), size=(30, 40, 3), dtype=np.uint8)
        Image.fromarray(pixels).resize((800, 600), Image.Resampling.BICUBIC).save(file)


def start(*words, cache):
    environment = os.environ | {"OMP_NUM_THREADS": "1", "CNNRUN_CACHE": cache}
    command = [sys.executable, "-m", "cnnrun", "train", *words]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def finish(process):
    _, err = process.communicate(timeout=240)
    assert process.returncode == 0, err
    return err


def wait_for(pattern):
    deadline = time.monotonic() + 120
    while not list(Path().glob(pattern)) and time.monotonic() < deadline:
        time.sleep(0.001)


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="processes are ended by POSIX signals")
def test_whatever_a_training_on_a_folder_was_stopped_at_it_ends_with_the_same_bytes(photos):
    finish(start(*FOLDER, "hydra.run.dir=whole", cache="cache_of_whole"))
    moments = {
        "pixels/*/rows-1": signal.SIGKILL,
        "prefix/*": signal.SIGINT,
        "../run{}/checkpoints/last": signal.SIGKILL,
    }
    for number, (moment, stop) in enumerate(moments.items()):
        cache, run = f"cache{number}", f"run{number}"
        process = start(*FOLDER, f"hydra.run.dir={run}", cache=cache)
        wait_for(f"{cache}/{moment.format(number)}")
        process.send_signal(stop)
        _, err = process.communicate(timeout=60)
        assert "Traceback" not in err
        words = [f"resume={run}"] if Path(run).exists() else [*FOLDER, f"hydra.run.dir={run}"]
        finish(start(*words, cache=cache))
        assert_same(Path("whole"), Path(run))
        assert not list(Path(cache).rglob("*.tmp"))


@pytest.mark.slow
def test_trainings_at_the_same_time_share_a_cache(photos, here):
    processes = [start(*FOLDER, f"hydra.run.dir=run{number}", cache="shared") for number in range(2)]
    said = [finish(process) for process in processes]
    assert any("reading: 60 of 60 pictures" in words for words in said)
    assert_same(Path("run0"), Path("run1"))
    kept = [entry for entry in (here / "shared/prefix").iterdir() if entry.is_dir()]
    assert len(kept) == 4, "train in views and as it is, val, test"


@pytest.mark.slow
def test_two_processes_agree_with_one(here):
    words = ["-m", "cnnrun", "train", *SMALL, *BACKBONE, "model.trainable=stage4..conv5", "model.bn=eval", "device=cpu"]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "CNNRUN_CACHE": str(here / "other")}
    launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    done = subprocess.run(
        [sys.executable, *launcher, *words, "model.unfreeze_after=1", "hydra.run.dir=two"],
        env=environment,
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr
    one = train("one", "model.trainable=stage4..conv5", "model.bn=eval", "model.unfreeze_after=1")
    for ours, theirs in zip(rows(here / "two/history.csv"), rows(one / "history.csv"), strict=True):
        assert {key: float(value) for key, value in ours.items()} == pytest.approx(
            {key: float(value) for key, value in theirs.items()}, rel=1e-3, abs=1e-4
        )
    assert done.stderr.count("note: the frozen layers") == 1


@pytest.mark.slow
def test_a_compiled_tail_learns_the_same(here):
    plain, compiled = (
        train("plain", "model.trainable=stage4..conv5"),
        train("it", "model.trainable=stage4..conv5", "compile=true"),
    )
    for ours, theirs in zip(rows(compiled / "history.csv"), rows(plain / "history.csv"), strict=True):
        assert float(ours["train/loss"]) == pytest.approx(float(theirs["train/loss"]), rel=1e-3)

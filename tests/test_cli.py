"""The command line as somebody types it: help, flags, what a command gets, exit codes. `pytest tests/test_cli.py`"""

import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest
import yaml

from cnnrun import __version__, cli
from cnnrun.run import Run

HEAVY = ("torch", "torchvision", "pandas", "sklearn", "matplotlib")


def cnnrun(*words, **more):
    return subprocess.run([sys.executable, "-m", "cnnrun", *words], capture_output=True, text=True, **more)


# --- help


def test_the_help_names_every_command_and_shows_examples(capsys):
    assert cli.main(["--help"]) == 0
    text = capsys.readouterr().out
    assert all(f"\n  {name}" in text for name in (*cli.COMMANDS, "completion"))
    assert "cnnrun train model=resnet" in text
    assert "hydra" not in text.lower()


def test_no_command_prints_the_help_and_is_wrong_usage(capsys):
    assert cli.main([]) == 2
    assert capsys.readouterr().out.startswith("usage: cnnrun <command>")


@pytest.mark.parametrize("flag", ["-V", "--version"])
def test_the_version_is_printed(flag, capsys):
    assert cli.main([flag]) == 0
    assert capsys.readouterr().out == f"cnnrun {__version__}\n"


@pytest.mark.parametrize("flag", ["-h", "--help"])
def test_the_help_of_a_command_lists_options_and_settings(toy, flag, capsys):
    assert cli.main(["train", "seed=3", flag]) == 0
    text = capsys.readouterr().out
    assert "\n  model=       cnn | cnn_wide | mlp\n" in text
    assert "\n  experiment=  (none) | quick\n" in text
    assert "\n  sweep=null                with -m: the name of the sweep's folder in outputs/sweeps\n" in text
    assert "\n  cache.views=0  " in text
    assert "\n  backtest.folds=0  " in text
    assert "\n  -m, --multirun" in text
    assert "hydra" not in text.lower()
    assert max(map(len, text.splitlines())) <= 130
    assert not toy.CALLS


@pytest.mark.parametrize(("columns", "widest"), [(40, 60), (72, 72), (130, 130)])
@pytest.mark.parametrize("words", [["--help"], ["train", "--help"]])
def test_the_help_is_as_wide_as_the_terminal(toy, words, columns, widest, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", str(columns))
    assert cli.main(words) == 0
    text = capsys.readouterr().out.partition("examples:")[0]
    assert max(map(len, text.splitlines())) <= widest
    assert widest == 130 or "\n              " in text, "the rest of a text stands below its beginning"


def test_the_help_lists_options_of_the_users_own_conf_folder(toy, capsys):
    write("conf/model/mine.yaml", "name: mlp\nhidden: [1]\ndropout: 0.0\n")
    assert cli.main(["train", "--help"]) == 0
    assert "cnn | cnn_wide | mine | mlp" in capsys.readouterr().out


def test_the_help_of_eval_says_what_must_be_given(toy, capsys):
    assert cli.main(["eval", "--help"]) == 0
    text = capsys.readouterr().out
    assert "\n  run=???                   the folder of the run to evaluate\n" in text
    assert "parts to choose" not in text


# --- what a command gets


def test_a_command_gets_plain_values_and_its_folder(toy):
    assert cli.main(["train", "model=cnn_wide", "optimizer.lr=1e-2", "epochs=3"]) == 0
    ((config, invocation),) = toy.CALLS
    assert config["model"] == {
        "name": "cnn",
        "channels": [16, 32],
        "kernel_size": 3,
        "pooling": "max",
        "dropout": 0.0,
        "note": None,
    }
    assert type(config["model"]["channels"]) is list
    assert (config["optimizer"]["lr"], config["epochs"], config["dataset"]["root"]) == (0.01, 3, "data")
    assert "hydra" not in config
    assert "experiment" not in config
    assert invocation.choices == {
        "dataset": "digits",
        "augment": "none",
        "model": "cnn_wide",
        "task": "classification",
        "optimizer": "adam",
        "scheduler": "cosine",
    }
    assert invocation.overrides == ["model=cnn_wide", "optimizer.lr=1e-2", "epochs=3"]
    stamp, end = invocation.output_dir.name[:19], invocation.output_dir.name[19:]
    assert invocation.output_dir.parent == Path("outputs/train")
    assert time.strptime(stamp, "%Y-%m-%d_%H-%M-%S")
    assert end.startswith("-cnn_wide-digits-")
    assert len(end.removeprefix("-cnn_wide-digits-")) == 4


def test_hydra_writes_nothing_and_stays_in_the_working_directory(toy):
    here = Path.cwd()
    assert cli.main(["train"]) == 0
    assert Path.cwd() == here
    (folder,) = Path("outputs/train").iterdir()
    assert sorted(file.name for file in folder.iterdir() if file.name != ".lock") == [
        "config.yaml",
        "results.csv",
        "run.json",
    ]
    assert [path.name for path in here.iterdir()] == ["outputs"]


def test_the_folder_can_be_named(toy):
    assert cli.main(["train", "hydra.run.dir=my runs (1)/a,b"]) == 0
    assert toy.CALLS[0][1].output_dir == Path("my runs (1)/a,b")


def test_runs_of_the_same_second_get_folders_of_their_own(toy):
    for _ in range(3):
        assert cli.main(["train"]) == 0
    assert len({invocation.output_dir for _, invocation in toy.CALLS}) == 3


def test_an_evaluation_is_named_after_the_run(toy):
    assert cli.main(["eval", "run=outputs/train/2026-01-31_10-00-00-cnn-mnist-3fa1", "split=val"]) == 0
    folder = toy.CALLS[0][1].output_dir
    assert folder.parent == Path("outputs/eval")
    assert folder.name[19:-4] == "-cnn-mnist-3fa1-val-"


def test_an_experiment_changes_parts_and_settings(toy):
    assert cli.main(["train", "experiment=quick", "epochs=7"]) == 0
    ((config, invocation),) = toy.CALLS
    assert (config["model"]["name"], config["epochs"], config["optimizer"]["lr"]) == ("mlp", 7, 0.05)
    assert invocation.choices["experiment"] == "quick"


def test_the_users_conf_folder_goes_before_ours_and_config_dir_before_both(toy):
    write("conf/optimizer/adam.yaml", "name: adam\nlr: 0.5\n")
    assert cli.main(["train"]) == 0
    write("more (1)/optimizer/adam.yaml", "name: adam\nlr: 0.25\n")
    assert cli.main(["train", "--config-dir", "more (1)"]) == 0
    assert cli.main(["train", "--config-dir=more (1)", "model=mlp"]) == 0
    assert [config["optimizer"]["lr"] for config, _ in toy.CALLS] == [0.5, 0.25, 0.25]


def test_a_class_of_the_users_own_is_found_in_the_working_directory(toy, monkeypatch):
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.delitem(sys.modules, "my_nets", raising=False)
    write("my_nets.py", "class MyNet:\n    def __init__(self, input_shape, num_outputs, *, width: int): ...\n")
    write("conf/model/mine.yaml", "name: my_nets:MyNet\nwidth: 3\n")
    assert cli.main(["train"]) == 0
    assert str(Path.cwd()) not in sys.path
    assert cli.main(["train", "model=mine", "model.width=5"]) == 0
    assert toy.CALLS[-1][0]["model"] == {"name": "my_nets:MyNet", "width": 5}
    assert sys.path[0] == str(Path.cwd())


@pytest.mark.parametrize(
    "path", ["Photos (1)/a,b.jpg", "it's/here", "a=b", "C:\\data\\", "[1]", '"x', "ends\\'", "20:40", "true"]
)
def test_a_path_reaches_the_command_as_it_was_typed(toy, path):
    assert cli.main(["train", f"dataset.root={path}"]) == 0
    assert toy.CALLS[0][0]["dataset"]["root"] == path


# --- --cfg job


def test_cfg_job_prints_the_settings_and_runs_nothing(toy, capsys):
    assert cli.main(["train", "--cfg", "job", "model=mlp"]) == 0
    config = yaml.safe_load(capsys.readouterr().out)
    assert config["model"] == {"name": "mlp", "hidden": [8], "dropout": 0.0}
    assert config["dataset"]["root"] == "data"
    assert not toy.CALLS
    assert not list(Path.cwd().iterdir())


def test_cfg_job_shows_what_is_still_required(toy, capsys):
    assert cli.main(["eval", "-c", "job"]) == 0
    assert yaml.safe_load(capsys.readouterr().out)["run"] == "???"


# --- resume


def test_resume_takes_the_settings_of_the_run(toy):
    assert cli.main(["train", "model=mlp", "seed=5", "hydra.run.dir=first"]) == 0
    assert cli.main(["train", "resume=first", "epochs=30", "device=cpu", "threads=1"]) == 0
    config, invocation = toy.CALLS[1]
    assert config == toy.CALLS[0][0] | {"resume": "first", "epochs": 30, "device": "cpu", "threads": 1}
    assert invocation.output_dir == Path("first")
    assert invocation.choices["model"] == "mlp"


def test_a_strangers_code_runs_only_when_trusted(toy, monkeypatch, capsys):
    monkeypatch.setattr(sys, "path", list(sys.path))
    write("evil_nets.py", "raise SystemExit('ran')\n")
    assert cli.main(["train", "hydra.run.dir=theirs"]) == 0
    run = Run.open("theirs")
    run.write_config(run.config | {"model": {"name": "evil_nets:Net"}, "trust_code": True})
    assert cli.main(["train", "resume=theirs"]) == 2
    assert error_of(capsys) == (
        "cnnrun train: error: model.name=evil_nets:Net: "
        "this is code that did not come with cnnrun; trust_code=true runs it"
    )
    with pytest.raises(SystemExit, match="ran"):
        cli.main(["train", "resume=theirs", "trust_code=true"])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"model": {"name": "mlp", "hidden": "${oc.env:HOME}", "dropout": 0.0}},
            "model.hidden=${oc.env:HOME}: a reference; write the value itself",
        ),
        (
            {"model": {"_target_": "os.system"}},
            "model has the key '_target_': a setting's name is text without a leading _",
        ),
    ],
)
def test_a_strangers_config_holds_nothing_but_values(toy, changes, message, capsys):
    assert cli.main(["train", "hydra.run.dir=theirs"]) == 0
    run = Run.open("theirs")
    run.write_config(run.config | changes)
    assert cli.main(["train", "resume=theirs"]) == 2
    assert error_of(capsys) == f"cnnrun train: error: {message}"


# --- exit codes


@pytest.mark.parametrize(("end", "code"), [("no data", 3), ("interrupted", 130), ("ctrl-c", 130)])
def test_an_error_has_its_exit_code_and_no_traceback(toy, end, code, capsys):
    toy.ENDS[0] = end
    assert cli.main(["train"]) == code
    text = {
        "no data": "cnnrun train: error: data/ has no digits",
        "interrupted": "cnnrun train: stopped in epoch 1",
        "ctrl-c": "cnnrun train: interrupted",
    }
    assert error_of(capsys) == text[end]


def test_a_bug_keeps_its_traceback(toy):
    toy.ENDS[0] = "bug"
    with pytest.raises(ZeroDivisionError):
        cli.main(["train"])


def test_a_reader_that_goes_away_is_no_error():
    done = subprocess.run(
        f"{sys.executable} -m cnnrun train --help | true", shell=True, capture_output=True, text=True, check=False
    )
    assert done.stderr == ""


@pytest.mark.skipif(os.name != "posix", reason="the process is interrupted by a POSIX signal")
def test_ctrl_c_outside_of_training_has_no_traceback(tmp_path):
    code = "import cnnrun.cli as cli, time; cli._dispatch = lambda words: time.sleep(60); exit(cli.main(['train']))"
    process = subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE, text=True, cwd=tmp_path)
    time.sleep(1.0)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=20)
    assert (process.returncode, errors) == (130, "cnnrun train: interrupted\n")


ENDS = """
import atexit, sys, threading, time, types, weakref
from cnnrun import __main__ as program

class Kept:
    pass

def late():
    time.sleep(0.2)
    print("thread")

def main():
    sys.modules["torch"] = types.ModuleType("torch")
    atexit.register(print, "at exit")
    program.kept = Kept()
    weakref.finalize(program.kept, print, "finalized")
    threading.Thread(target=late).start()
    print("main")
    return 7

program.main = main
program.run()
"""


def test_the_program_ends_as_python_does(tmp_path):
    done = subprocess.run([sys.executable, "-c", ENDS], capture_output=True, text=True, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (7, "")
    assert done.stdout.splitlines() == ["main", "thread", "finalized", "at exit"]


@pytest.mark.parametrize("closed", [">&-", "2>&-", ">&- 2>&-"])
def test_a_closed_stream_is_no_error(closed):
    done = subprocess.run(f"{sys.executable} -m cnnrun --version {closed}", shell=True, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


# --- speed: what is imported


@pytest.mark.parametrize(
    "words", [["--help"], ["train", "--help"], ["train", "--cfg", "job"], ["__complete", "cnnrun train m"]]
)
def test_help_and_cfg_import_nothing_heavy(words, tmp_path):
    code = textwrap.dedent(f"""
        import sys
        from cnnrun import cli
        assert cli.main({words!r}) == 0
        print("heavy:", sorted(set({HEAVY!r}) & set(sys.modules)), "pydantic" in sys.modules, file=sys.stderr)
    """)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, check=True)
    assert done.stderr == "heavy: [] False\n"


@pytest.mark.parametrize(
    ("own", "spins"),
    [({}, "10000"), ({"GOMP_SPINCOUNT": "7"}, "7"), ({"OMP_WAIT_POLICY": "ACTIVE"}, "None")],
    ids=["default", "own count", "own policy"],
)
@pytest.mark.parametrize("words", [["train"], ["train", "-m", "seed=0,1"], ["eval", "run=here"]])
def test_threads_are_told_to_wait_briefly_before_torch_comes_unless_the_user_says_otherwise(
    words, own, spins, tmp_path
):
    code = textwrap.dedent("""
        import os, runpy, sys

        class Watch:
            @staticmethod
            def find_spec(name, path=None, target=None):
                if name == "torch":
                    sys.exit(str(os.environ.get("GOMP_SPINCOUNT")))

        sys.meta_path.insert(0, Watch)
        runpy.run_module("cnnrun", run_name="__main__", alter_sys=True)
    """)
    settings = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT")
    environment = {key: value for key, value in os.environ.items() if key not in settings} | own
    command = [sys.executable, "-c", code, *words]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=environment)
    assert done.stderr == f"{spins}\n"


def test_the_program_runs_from_any_working_directory(tmp_path):
    done = cnnrun("train", "--cfg", "job", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert yaml.safe_load(done.stdout)["dataset"]["name"] == "digits"
    assert cnnrun("trian", cwd=tmp_path).returncode == 2


def write(path, text):
    file = Path(path)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)


def error_of(capsys):
    return capsys.readouterr().err.removesuffix("\n")

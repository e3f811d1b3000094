"""Every wrong input gets one sentence and exit 2, before anything is written. `pytest tests/test_cli_errors.py`"""

import errno
import os
import shlex
import sys
from pathlib import Path

import pytest

from cnnrun import cli
from cnnrun.run import Run

TRAIN_HAS = (
    "model, task, dataset, augment, optimizer, scheduler, seed, epochs, max_seconds, batch_size, sampler, "
    "patience, min_delta, grad_clip, ema, device, precision, reproducibility, channels_last, compile, threads, "
    "backtest, cache, test, figures, offline, resume, study, budget, sweep, trust_code"
)
MAY_CHANGE = "epochs, max_seconds, device, threads, dataset.root, dataset.csv, logger, trust_code"
WRONG = {
    # unknown commands, flags and forms
    "trian": (
        "cnnrun: error: unknown command 'trian' - did you mean 'train'? (there are train, eval, predict, compare, "
        "completion)"
    ),
    "--versoin": "cnnrun: error: unknown flag '--versoin' - did you mean '--version'? (there are --help, --version)",
    "model=cnn": "cnnrun: error: 'model=cnn' needs a command before it, for example: cnnrun train model=cnn",
    "train --multrun": (
        "unknown flag '--multrun' - did you mean '--multirun'? "
        "(there are -h, --help, -m, --multirun, -c, --cfg, --config-dir)"
    ),
    "train --cfg": "argument -c/--cfg: expected one argument",
    "train --cfg all": "argument -c/--cfg: invalid choice: 'all' (choose from 'job')",
    "train --cfg job -m": "--cfg job shows the settings of one run: leave out -m",
    "train --config-dir nowhere": "--config-dir nowhere: no such folder",
    "train mnist": "'mnist' is no setting: settings are written key=value, as in dataset=mnist",
    "train epoch": "'epoch' is no setting: settings are written key=value",
    "train =3": "'=3' is no setting: settings are written key=value",
    "train +model.foo=1": "'+model.foo=1': settings cannot be added; write model.foo=... to change one that exists",
    "train ++seed=1": "'++seed=1': settings cannot be added; write seed=... to change one that exists",
    "train ~seed": "'~seed': settings cannot be removed; write seed=... to change one that exists",
    "train -m seed=0,1,": "cannot read 'seed=0,1,': there is a comma too many",
    "train -m seed=,1": "cannot read 'seed=,1': there is a comma too many",
    "train -m optimizer.lr=interval(0.1,0.2": "cannot read 'optimizer.lr=interval(0.1,0.2': the closing ) is missing",
    "train -m optimizer.lr=intervall(0.1,0.2)": (
        "cannot read 'optimizer.lr=intervall(0.1,0.2)': there is no intervall(...) - did you mean 'interval'?"
    ),
    "train -m optimizer.lr=interval(a,b)": (
        "cannot read 'optimizer.lr=interval(a,b)': interval(...) takes two numbers, as interval(0.001,0.1)"
    ),
    "train sweep=a(b": "cannot read 'sweep=a(b': put quotes around the value, as in \"sweep='a(b'\"",
    # folders
    "train hydra.run.dir=": "'hydra.run.dir=': a path must not be empty",
    "train hydra.run.dir=''": "'hydra.run.dir=': a path must not be empty",
    "train resume=": "'resume=': a path must not be empty",
    f"eval run={'x' * 300}": f"'run={'x' * 300}': File name too long",
    f"train hydra.run.dir={'x' * 300}": f"'hydra.run.dir={'x' * 300}': File name too long",
    "train -m hydra.sweep.dir= seed=1,2": "'hydra.sweep.dir=': a path must not be empty",
    "train sweep=foo": "'sweep=foo' names the folder of a sweep: add -m",
    "train hydra.sweep.dir=a,b": "'hydra.sweep.dir=a,b' names the folder of a sweep: add -m",
    "train -m hydra.run.dir=x seed=1,2": (
        "'hydra.run.dir=x' names the folder of one run: with -m write hydra.sweep.dir=..."
    ),
    "train -m sweep=a,b": "'sweep=a,b': a sweep has one name",
    "train model.note=it's(x": (
        "cannot read 'model.note=it'\"'\"'s(x': put quotes around the value, as in "
        + shlex.quote(r"model.note='it\'s(x'")
    ),
    "train --epochs=3": "'--epochs=3': settings have no dashes, write epochs=3",
    "train --epochs 3": "'--epochs': settings have no dashes, write epochs=...",
    "train -seed=3 model=mlp": "'-seed=3': settings have no dashes, write seed=3",
    "train --optimizer.lr=3": "'--optimizer.lr=3': settings have no dashes, write optimizer.lr=3",
    "eval ../f/kill": "'../f/kill' is no setting: settings are written key=value, as in run=../f/kill",
    "train my/run": "'my/run' is no setting: settings are written key=value, as in resume=my/run",
    "train model.name=json:decoder": (
        "model.name=json:decoder: 'json' has no class 'decoder' - did you mean 'JSONDecoder'?"
    ),
    # unknown keys
    "train model=cnn_wide model.pool=3": "unknown setting 'model.pool' - did you mean 'model.pooling'?",
    "train name=3": (
        "unknown setting 'name' - did you mean 'model.name' or 'task.name' or 'dataset.name' or 'augment.name' or "
        "'optimizer.name' or 'scheduler.name'?"
    ),
    "train optimizer.lrr=1": "unknown setting 'optimizer.lrr' - did you mean 'optimizer.lr'?",
    "train epoch=1": "unknown setting 'epoch' - did you mean 'epochs'?",
    "train lr=1": "unknown setting 'lr' - did you mean 'optimizer.lr'?",
    "train modle=cnn": "unknown setting 'modle' - did you mean 'model'?",
    "train modle.dropout=0": "unknown setting 'modle' - did you mean 'model'?",
    "train xyz=1": f"unknown setting 'xyz'; cnnrun train has {TRAIN_HAS}",
    "train optimizer.foo=1": "unknown setting 'optimizer.foo'; optimizer has name, lr",
    "train model=mlp model.channels=[1]": "unknown setting 'model.channels': mlp has no 'channels'; model=cnn has",
    "train optimizer.momentum=0.9": "unknown setting 'optimizer.momentum': adam has no 'momentum'; optimizer=sgd has",
    "train seed.x=1": "unknown setting 'seed.x': 'seed' is one value, without settings of its own",
    "train model.channels.x=1": "'model.channels.x=1': a list has no 'x'; give it as a whole, as in [32,64]",
    "train model.channels.3=1": "model.channels[3]: list index out of range",
    "train model@other=cnn": "unknown setting 'model@other' - did you mean 'model'?",
    "train dataset.images_size=3": "unknown setting 'dataset.images_size' - did you mean 'dataset.image_size'?",
    # unknown options
    "train model=cnm": "unknown model 'cnm' - did you mean 'cnn'? (there are cnn, cnn_wide, mlp)",
    "train model=1": "unknown model '1' (there are cnn, cnn_wide, mlp)",
    "train experiment=true": "unknown experiment 'true' (there are quick)",
    "train hydra.launcher.jobs=2": "'hydra.launcher.jobs=2' says how to run a sweep: add -m",
    "train hydra/sweeper=optuna": "'hydra/sweeper=optuna' says how to run a sweep: add -m",
    "train -m model=range(1,3)": "unknown model '1' (there are cnn, cnn_wide, mlp)",
    "train experiment=quik": "unknown experiment 'quik' - did you mean 'quick'? (there are quick)",
    "train -m hydra/launcher=raay": (
        "unknown hydra/launcher 'raay' - did you mean 'ray'? "
        "(there are processes, ray, serial, submitit_local, submitit_slurm)"
    ),
    "train model=null": "'model=null': cnnrun cannot do without a model; choose one of cnn, cnn_wide, mlp",
    "train model=": "'model=': cnnrun cannot do without a model; choose one of cnn, cnn_wide, mlp",
    "train model.name=vgg": (
        "model.name=vgg: no such model "
        "(there are cnn, mlp; a class of your own is written my_package.my_module:MyClass)"
    ),
    "train model.name=no_such_module:Net": (
        "model.name=no_such_module:Net: no module 'no_such_module' in {here} or among the installed packages"
    ),
    "train model.name=json:Nett": "model.name=json:Nett: 'json' has no class 'Nett'",
    "train model.name=json:JSONDecodr": (
        "model.name=json:JSONDecodr: 'json' has no class 'JSONDecodr' - did you mean 'JSONDecoder'?"
    ),
    # several values
    "train batch_size=32,64": "'batch_size=32,64' gives several values: -m runs each of them",
    "train model=cnn,mlp": "'model=cnn,mlp' gives several values: -m runs each of them",
    "train model.channels=32,64": (
        "'model.channels=32,64' gives several values: -m runs each of them, model.channels=[32,64] is a list"
    ),
    "train model.trainable=head,stage3": (
        "'model.trainable=head,stage3' gives several values: -m runs each of them, "
        "model.trainable=[head,stage3] is a list"
    ),
    "train model.channels=[16,32": "cannot read 'model.channels=[16,32': the closing ] is missing",
    "train model.channels=[[16],[32]": "cannot read 'model.channels=[[16],[32]': the closing ] is missing",
    "train seed=range(0,3)": "'seed=range(0,3)' gives several values: -m runs each of them",
    # values
    "train epochs=0": "epochs=0: must be greater than 0",
    "train epochs=2.5": "epochs=2.5: must be a whole number",
    "train epochs=true": "epochs=true: must be a whole number",
    "train epochs=null": "epochs=null: must be a whole number",
    "train epochs=ten": "epochs=ten: must be a whole number",
    "train seed=-1": "seed=-1: must be 0 or more",
    "train seed=99999999999999999999": "seed=99999999999999999999: must be less than 9.22337e+18",
    "train ema=1.0": "ema=1.0: must be less than 1",
    "train optimizer.lr=fast": "optimizer.lr=fast: must be a number",
    "train optimizer.lr=-1": "optimizer.lr=-1: must be greater than 0",
    "train optimizer.lr=inf": "optimizer.lr=inf: must be a finite number",
    "train optimizer.lr=nan": "optimizer.lr=nan: must be a finite number",
    "train figures=yes": "figures=yes: must be true or false",
    "train figures=1": "figures=1: must be true or false",
    "train precision=fp31": "precision=fp31: must be auto, fp32, bf16 or fp16 - did you mean 'fp32' or 'fp16'?",
    "train channels_last=maybe": "channels_last=maybe: must be auto or true or false",
    "train device=gpu": "device=gpu: must be auto, cpu, cuda, cuda:1 or mps",
    "train model.channels=32": "model.channels=32: must be a list such as [1,2]",
    "train model.channels=[]": "model.channels=[]: must be a list of 1 or more",
    "train model.channels=[8,-1]": "model.channels[1]=-1: must be greater than 0",
    "train model.kernel_size=big": "model.kernel_size=big: must be a whole number or a list such as [1,2]",
    "train model.kernel_size=[3,big]": "model.kernel_size[1]=big: must be a whole number",
    "train model.pooling=maxx": "model.pooling=maxx: must be max, avg or none - did you mean 'max'?",
    "train model.note=3": (
        "model.note=3: must be text; in YAML an unquoted 20:40 is the number 1240: put text in quotes"
    ),
    "train model.note=true": (
        "model.note=true: must be text; in YAML an unquoted yes, no, on or off is true or false: put text in quotes"
    ),
    "train sweep=${nothing}": "sweep: interpolation key 'nothing' not found",
    # required, resumed
    "eval": "run is required: write run=...",
    "eval resume=x": "unknown setting 'resume' - did you mean 'run'?",
    "eval -m resume=x split=val,test": "unknown setting 'resume' - did you mean 'run'?",
    "train run=x": "unknown setting 'run' - did you mean 'resume'?",
    "eval split=vall run=x": "split=vall: must be train, val or test - did you mean 'val'?",
    "train resume=nowhere": "nowhere does not exist",
    "train resume=nowhere batch_size=3": (
        f"'batch_size=3': a resumed run keeps its settings; only {MAY_CHANGE} can be changed"
    ),
    "train -m resume=nowhere": (
        "resume goes on with one run, leave out -m; a sweep goes on when its command is given again"
    ),
    # in a sweep, before the first job
    "train -m seed=0,1 optimizer.lrr=1": "unknown setting 'optimizer.lrr' - did you mean 'optimizer.lr'?",
    "train -m model=mlp,cnn model.hidden=[4]": "unknown setting 'model.hidden': cnn has no 'hidden'; model=mlp has",
    "train -m model=cnn,cnm": "unknown model 'cnm' - did you mean 'cnn'? (there are cnn, cnn_wide, mlp)",
    "train -m model=cnn,null": "'model=null': cnnrun cannot do without a model; choose one of cnn, cnn_wide, mlp",
    "train -m optimizer.lr=0.1,-1": "optimizer.lr=-1: must be greater than 0",
    "train -m seed=0,1 epochs=0": "epochs=0: must be greater than 0",
    "train -m optimizer.lr=interval(0,1)": (
        "'optimizer.lr=interval(0,1)': a grid needs values, such as optimizer.lr=0.1,0.01 or optimizer.lr=range(1,4); "
        "hydra/sweeper=optuna searches a range"
    ),
    "train -m model.channels.x=1,2": "'model.channels.x=1': a list has no 'x'; give it as a whole, as in [32,64]",
    "train -m sweep=a/b seed=0,1": "sweep=a/b: must be a name of letters, digits and . _ = + , - without folders",
}


@pytest.mark.parametrize("words", WRONG)
def test_a_wrong_input_is_one_sentence(toy, words, capsys):
    message = WRONG[words].format(here=Path.cwd()) if "{here}" in WRONG[words] else WRONG[words]
    if not message.startswith("cnnrun"):
        message = f"cnnrun {words.split()[0]}: error: {message}"
    assert cli.main(words.split()) == 2
    out, err = capsys.readouterr()
    assert err == message + "\n"
    assert out == ""
    assert not toy.CALLS
    assert not list(Path.cwd().iterdir()), "nothing is written"


def test_all_problems_are_reported_at_once(toy, capsys):
    words = ["epochs=0", "model.dropout=1.5", "optimizer.lr=-1", "model.channels=[a]"]
    assert cli.main(["train", *words]) == 2
    assert capsys.readouterr().err == (
        "cnnrun train: error: 4 problems in the settings\n"
        "  epochs=0: must be greater than 0\n"
        "  model.channels[0]=a: must be a whole number\n"
        "  model.dropout=1.5: must be less than 1\n"
        "  optimizer.lr=-1: must be greater than 0\n"
    )


FILES = {
    "name: [mlp\nhidden": "{file} cannot be read: line 2, column 7: expected ',' or ']', but got '<stream end>'",
    "name: cnn\n\tchannels: [8]\n": (
        "{file} cannot be read: line 2, column 1: found character '\\t' that cannot start any token"
    ),
    "name: vgg\n": (
        "model.name=vgg: no such model "
        "(there are cnn, mlp; a class of your own is written my_package.my_module:MyClass)"
    ),
    "hidden: [8]\n": "model has no name: model must hold 'name' and the settings of what it names",
    "name: mlp\nhidden: [8]\n": "missing setting 'model.dropout': mlp needs it",
    "name: mlp\nhidden: [8]\ndropout: 0.0\ndepth: 3\n": "unknown setting 'model.depth': mlp has hidden, dropout",
    "defaults: [mlp]\nhiden: [8]\n": "unknown setting 'model.hiden' - did you mean 'model.hidden'?",
    "name: mlp\nhidden: ???\ndropout: 0.0\n": "model.hidden is required: write model.hidden=...",
    "name: mlp\nhidden: 20:40\ndropout: 0.0\n": "model.hidden=1240: must be a list such as [1,2]",
    "defaults: [cnn]\nnote: 20:40\n": (
        "model.note=1240: must be text; in YAML an unquoted 20:40 is the number 1240: put text in quotes"
    ),
    "defaults: [cnn]\npooling: no\n": (
        "model.pooling=false: must be max, avg or none; "
        "in YAML an unquoted yes, no, on or off is true or false: put text in quotes"
    ),
    "defaults: [cnm]\n": "unknown model 'cnm' - did you mean 'cnn'? (there are cnn, cnn_wide, mine, mlp)",
    "name: my_nets:Plain\nwidth: 3\n": (
        "model.width: 'width' is a positional parameter of my_nets:Plain; settings are keyword-only: put a * before it"
    ),
    "name: my_nets:Odd\nwidth: 3\n": (
        "model.width: my_nets:Odd declares it as <class 'my_nets.Plain'>; a setting is int, float, str, list[int], ..."
    ),
    "_target_: my_nets.Plain\n": "model has the key '_target_': a setting's name is text without a leading _",
    "[1, 2]\n": "model=[1,2]: model must hold 'name' and the settings of what it names",
    "just text\n": "model has no name: model must hold 'name' and the settings of what it names",
}


CASES = [(text, []) for text in FILES] + [(text, ["-m", "seed=1,2"]) for text in list(FILES)[:4]]


@pytest.mark.parametrize(("text", "sweep"), CASES)
def test_a_wrong_file_of_the_user_is_one_sentence(toy, text, sweep, capsys, monkeypatch):
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.delitem(sys.modules, "my_nets", raising=False)
    file = Path("conf/model/mine.yaml")
    file.parent.mkdir(parents=True)
    file.write_text(text)
    Path("my_nets.py").write_text(
        "class Plain:\n    def __init__(self, input_shape, num_outputs, width=3): ...\n"
        "class Odd:\n    def __init__(self, input_shape, num_outputs, *, width: Plain): ...\n"
    )
    assert cli.main(["train", "model=mine", *sweep]) == 2
    assert capsys.readouterr().err == f"cnnrun train: error: {FILES[text].replace('{file}', str(file.resolve()))}\n"
    assert not Path("outputs").exists()


@pytest.mark.parametrize("key", ["hydra.run.dir", "hydra.sweep.dir"])
@pytest.mark.parametrize(("folder", "file"), [("a file", "a file"), ("a file/x", "a file"), ("a file/x/y", "a file")])
def test_a_file_is_no_folder(toy, key, folder, file, capsys):
    Path(file).touch()
    assert cli.main(["train", f"{key}={folder}", *(["-m", "seed=1,2"] if key == "hydra.sweep.dir" else [])]) == 2
    assert capsys.readouterr().err == f"cnnrun train: error: {key}={folder}: {file} is a file; name a folder\n"


def test_the_folder_of_a_run_is_no_config_dir(toy, capsys):
    assert cli.main(["train", "hydra.run.dir=first"]) == 0
    assert cli.main(["train", "--config-dir", "first"]) == 2
    assert capsys.readouterr().err == (
        "cnnrun train: error: --config-dir first: this is the folder of a run; to go on with it: resume=first\n"
    )
    Path("first").rename("my first")
    assert cli.main(["train", "--config-dir", "my first"]) == 2
    assert capsys.readouterr().err.endswith("to go on with it: 'resume=my first'\n")


def test_settings_that_are_equally_near_are_all_named(toy, capsys):
    Path("conf/model").mkdir(parents=True)
    Path("conf/model/mine.yaml").write_text("name: mlp\nhidden_one: 1\nhidden_two: 2\n")
    assert cli.main(["train", "model=mine", "model.hiden=3"]) == 2
    assert capsys.readouterr().err == (
        "cnnrun train: error: unknown setting 'model.hiden' - did you mean 'model.hidden_one' or 'model.hidden_two'?\n"
    )


@pytest.mark.parametrize(
    ("code", "problem"),
    [
        (
            "import json\nimport not_there\n",
            "ModuleNotFoundError: No module named 'not_there' (nets/broken.py, line 2)",
        ),
        ("def net(:\n    pass\n", "SyntaxError: invalid syntax (nets/broken.py, line 1)"),
        ("DEPTH = int('')\n", "ValueError: invalid literal for int() with base 10: '' (nets/broken.py, line 1)"),
        (
            "class Net:\n    def __init__(self, *, width: 'Width'): ...\n",
            "NameError: name 'Width' is not defined (nets/broken.py)",
        ),
    ],
)
def test_an_error_inside_a_users_module_names_its_line(toy, code, problem, capsys, monkeypatch):
    monkeypatch.setattr(sys, "path", list(sys.path))
    for module in ("nets", "nets.broken"):
        monkeypatch.delitem(sys.modules, module, raising=False)
    Path("nets").mkdir()
    Path("nets/broken.py").write_text(code)
    assert cli.main(["train", "model.name=nets.broken:Net"]) == 2
    assert capsys.readouterr().err == f"cnnrun train: error: model.name=nets.broken:Net: {problem}\n"
    assert not Path("outputs").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["epochs=1,2"], "'epochs=1,2' gives several values: a run that goes on takes one"),
        (
            ["hydra.run.dir=my run"],
            f"'hydra.run.dir=my run': a resumed run keeps its settings; only {MAY_CHANGE} can be changed",
        ),
        (["epochs=0"], "epochs=0: must be greater than 0"),
        (["epochs=a(b"], "cannot read 'epochs=a(b': put quotes around the value, as in \"epochs='a(b'\""),
        (
            ["epoch=3"],
            f"'epoch=3': a resumed run keeps its settings; only {MAY_CHANGE} can be changed - did you mean 'epochs'?",
        ),
    ],
)
def test_a_wrong_word_beside_resume_is_one_sentence(toy, words, message, capsys):
    assert cli.main(["train", "hydra.run.dir=first"]) == 0
    assert cli.main(["train", "resume=first", *words]) == 2
    assert capsys.readouterr().err == f"cnnrun train: error: {message}\n"
    assert len(toy.CALLS) == 1


def test_a_sweep_that_is_resumed_by_its_folder_runs_nothing_that_is_finished(toy, capsys):
    assert cli.main(["train", "-m", "seed=1,2", "sweep=x"]) == 0
    capsys.readouterr()
    assert cli.main(["train", "resume=outputs/sweeps/x"]) == 0
    assert capsys.readouterr().err == "[1/2] seed=1: finished before\n[2/2] seed=2: finished before\n"
    assert len(toy.CALLS) == 2


def test_a_folder_that_holds_a_run_is_not_written_again(toy, capsys):
    assert cli.main(["train", "hydra.run.dir=q r"]) == 0
    assert cli.main(["train", "hydra.run.dir=q r"]) == 2
    assert capsys.readouterr().err == (
        "cnnrun train: error: q r already holds a run; name another folder, or go on with it: 'resume=q r'\n"
    )


@pytest.mark.parametrize("command", ["train", "eval run=run", "predict run=run inputs=run"])
def test_a_folder_that_is_taken_is_refused_before_any_work(toy, capsys, command):
    Path("notes").mkdir()
    Path("notes/a.txt").touch()
    assert cli.main(["train", "hydra.run.dir=run"]) == 0
    del toy.CALLS[:]
    for folder, said in {"run": "run already holds a run", "notes": "notes holds other files (a.txt)"}.items():
        assert cli.main([*command.split(), f"hydra.run.dir={folder}"]) == 2
        assert f"error: {said}; name " in capsys.readouterr().err
    assert toy.CALLS == []


def test_a_folder_that_cannot_be_made_is_told_before_any_work(toy, capsys, monkeypatch):
    Path("closed").mkdir()
    monkeypatch.setattr(os, "access", lambda place, _: place != Path("closed"))  # root may write everywhere
    assert cli.main(["train", "hydra.run.dir=closed/a/b"]) == 1
    assert capsys.readouterr().err == "cnnrun train: error: could not write into closed: Permission denied\n"
    assert toy.CALLS == []


def test_a_folder_within_one_that_may_not_be_searched_is_told_too(toy, capsys, monkeypatch):
    Path("closed").mkdir()
    stat = os.stat

    def as_another_user(place, *args, **kwargs):
        if isinstance(place, str | os.PathLike) and Path("closed") in Path(place).parents:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(place))
        return stat(place, *args, **kwargs)

    monkeypatch.setattr(os, "stat", as_another_user)  # root may search everywhere
    assert cli.main(["train", "hydra.run.dir=closed/a/b"]) == 2
    assert capsys.readouterr().err == "cnnrun train: error: 'hydra.run.dir=closed/a/b': Permission denied\n"


def test_a_missing_run_names_runs_nearby(toy, capsys):
    assert cli.main(["train", "hydra.run.dir=outputs/train/one"]) == 0
    assert cli.main(["train", "resume=outputs/train/two"]) == 2
    assert capsys.readouterr().err == (
        "cnnrun train: error: outputs/train/two does not exist; runs there, newest first: outputs/train/one\n"
    )
    assert Run.open("outputs/train/one").status == "finished"


MISREAD = {
    "an experiment without its first line": (
        "conf/experiment/mine.yaml",
        b"epochs: 2\n",
        "experiment=mine",
        "{here}/conf/experiment/mine.yaml: an experiment begins with the line '# @package _global_'",
    ),
    "settings of the whole command": (
        "conf/train.yaml",
        b"epochs: 3\n",
        "epochs=2",
        "{here}/conf/train.yaml would stand in the place of all settings of cnnrun train; name it "
        "experiment/NAME.yaml there, and choose it with experiment=NAME",
    ),
    "text that is not UTF-8": (
        "conf/model/mine.yaml",
        "name: cnn # größer".encode("latin-1"),
        "model=mine",
        "{here}/conf/model/mine.yaml is not text in UTF-8: save it as that",
    ),
}


@pytest.mark.parametrize("mistake", MISREAD)
@pytest.mark.parametrize("several", [False, True])
def test_a_file_of_the_user_that_hydra_would_misread_is_named(toy, mistake, several, capsys):
    name, content, word, message = MISREAD[mistake]
    file = Path(name)
    file.parent.mkdir(parents=True)
    file.write_bytes(content)
    assert cli.main(["train", *(["-m", "seed=0,1"] if several else []), word]) == 2
    assert capsys.readouterr().err == f"cnnrun train: error: {message.format(here=Path.cwd())}\n"
    assert not toy.CALLS


def test_a_path_below_home_is_found_where_the_shell_leaves_the_tilde(toy, monkeypatch):
    monkeypatch.setenv("HOME", str(Path.cwd() / "home"))
    assert cli.main(["train", "hydra.run.dir=~/runs/a b"]) == 0
    assert toy.CALLS[0][1].output_dir == Path.cwd() / "home/runs/a b"


def test_of_several_processes_the_first_tells_and_the_others_leave_it_the_time(toy, monkeypatch, capsys):
    waits = []
    monkeypatch.setattr("time.sleep", waits.append)
    for rank in ("1", "0"):
        monkeypatch.setenv("LOCAL_RANK", rank)
        assert cli.main(["train", "model=cmn"]) == 2
    assert waits == [cli.UNTIL_TOLD]
    assert capsys.readouterr().err.count("unknown model 'cmn'") == 1


def test_a_process_that_leaves_others_the_time_to_tell_ends_at_once_when_it_is_interrupted(toy, monkeypatch, capsys):
    def interrupted(_):
        raise KeyboardInterrupt

    monkeypatch.setattr("time.sleep", interrupted)
    monkeypatch.setenv("LOCAL_RANK", "1")
    assert cli.main(["train", "model=cmn"]) == 2
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("words", ["train", "train -m seed=1,2"])
def test_a_file_in_the_place_of_the_results_is_called_one(toy, capsys, words):
    Path("outputs").write_text("a user's own")
    assert cli.main(words.split()) != 0
    err = capsys.readouterr().err
    assert "outputs is a file, not a folder: move it away, or choose another folder for the results" in err
    assert len(err.splitlines()) == 1

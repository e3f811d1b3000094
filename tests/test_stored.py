"""Runs of other versions, whose settings are not those of today. `pytest tests/test_stored.py`"""

from pathlib import Path

import pytest
import yaml

from cnnrun import cli
from cnnrun import config as configs
from cnnrun.errors import ConfigError
from cnnrun.run import Run

SETTINGS = "taken as by default"


def old_run(change, *words):
    """A run in ./run whose config was changed afterwards; returns the config before."""
    assert cli.main(["train", *words, "hydra.run.dir=run"]) == 0
    file = Path("run/config.yaml")
    whole = yaml.safe_load(file.read_text())
    changed = yaml.safe_load(file.read_text())
    change(changed)
    file.write_text(yaml.safe_dump(changed, sort_keys=False))
    return whole


def without(*names):
    def change(config):
        for name in names:
            *groups, key = name.split(".")
            node = config
            for group in groups:
                node = node[group]
            del node[key]

    return change


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (["sampler"], "sampler=uniform"),
        (["cache"], "cache.prefix=auto, cache.views=0"),
        (["cache.views"], "cache.views=0"),
        (["task.label_smoothing", "resume"], "resume=null, task.label_smoothing=0.0"),
        (["model.channels"], "model.channels=[16,32]"),
        (["model.dropout"], "model.dropout=0.0"),
    ],
)
def test_what_a_run_lacks_is_as_it_is_by_default_in_the_option_that_was_chosen(toy, names, said):
    whole = old_run(without(*names), "model=cnn_wide")
    config, sentence = configs.config_of(Run.open("run"))
    assert config == whole
    assert sentence == f"run is older than these settings; {SETTINGS}: {said}"
    configs.check_stored(Run.open("run"), "train", config, trusted=False)


def test_a_whole_config_is_taken_as_it_is(toy):
    whole = old_run(without(), "epochs=3", "model.dropout=0.5")
    assert configs.config_of(Run.open("run")) == (whole, "")


def test_without_a_record_of_the_choice_the_option_is_the_one_of_that_name(toy):
    whole = old_run(without("model.dropout"), "model=mlp")
    run = Run.open("run")
    run.update(choices=None, **{key: value for key, value in run.record.items() if key != "choices"})
    assert configs.config_of(Run.open("run"))[0] == whole


@pytest.mark.parametrize("option", ["name: mlp\ndropout: 0.5\nhidden: [3]\n", "- a list\n", "dropout: 0.5\n"])
def test_an_option_that_is_another_network_today_gives_nothing(toy, option):
    old_run(without("model.dropout"), "model=cnn_wide")
    Path("conf/model").mkdir(parents=True)
    Path("conf/model/cnn_wide.yaml").write_text(option)
    config, sentence = configs.config_of(Run.open("run"))
    assert config["model"] | {"dropout": 0.0} == config["model"], "that of cnn, which has the network's name"
    assert sentence.endswith(": model.dropout=0.0")


@pytest.mark.parametrize("command", [["train"], {}, 3, "explain"])
def test_a_run_of_no_command_of_ours_is_taken_as_it_is(toy, command):
    old_run(without("sampler"))
    run = Run.open("run")
    run.update(command=command)
    assert configs.config_of(run) == (run.config, "")


def test_what_must_be_named_has_no_default(toy):
    old_run(without("dataset.root", "task"))
    run = Run.open("run")
    config, sentence = configs.config_of(run)
    assert sentence == ""
    with pytest.raises(ConfigError) as caught:
        configs.check_stored(run, "train", config, trusted=False)
    assert "missing setting 'dataset.root'" in str(caught.value)
    assert "missing setting 'task'" in str(caught.value)
    assert str(caught.value).endswith("\nwrite into run/config.yaml what the run was trained with")


def test_a_run_goes_on_with_what_it_lacked_in_its_config(toy):
    whole = old_run(without("sampler", "model.dropout"))
    assert cli.main(["train", "resume=run", "epochs=20"]) == 0
    config, invocation = toy.CALLS[-1]
    assert config == whole | {"epochs": 20, "resume": "run"}
    assert invocation.remarks == [f"run is older than these settings; {SETTINGS}: sampler=uniform, model.dropout=0.0"]


def test_nothing_is_added_to_what_a_user_composes(toy, capsys):
    Path("conf/model").mkdir(parents=True)
    Path("conf/model/mine.yaml").write_text("name: mlp\nhidden: [3]\n")
    assert cli.main(["train", "model=mine"]) == 2
    assert "missing setting 'model.dropout'" in capsys.readouterr().err


def test_jobs_of_a_sweep_that_an_older_version_finished_stay_finished(toy):
    words = ["train", "-m", "seed=1,2", "sweep=mine"]
    assert cli.main(words) == 0
    for file in Path("outputs/sweeps/mine").glob("*/config.yaml"):
        config = yaml.safe_load(file.read_text())
        without("sampler", "cache")(config)
        file.write_text(yaml.safe_dump(config))
    calls = len(toy.CALLS)
    assert cli.main(words) == 0
    assert len(toy.CALLS) == calls


@pytest.mark.parametrize(("version", "writer"), [("0.0.7", "cnnrun 0.0.7"), (None, "another version of cnnrun")])
def test_settings_that_are_gone_are_told_with_what_to_do(toy, capsys, version, writer):
    old_run(lambda config: config.update(zoom=3))
    run = Run.open("run")
    run.update(**run.record | {"versions": {"cnnrun": version}})
    capsys.readouterr()
    assert cli.main(["train", "resume=run"]) == 2
    said = capsys.readouterr().err
    assert said.startswith("cnnrun train: error: unknown setting 'zoom'")
    assert f"; run/config.yaml was written by {writer}, and this is " in said
    assert said.endswith("take out of the file what is unknown here, if the run did not need it\n")

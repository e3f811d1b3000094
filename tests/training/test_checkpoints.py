"""Checkpoints come back as they were saved, and say so when they do not. `pytest tests/training/test_checkpoints.py`"""

import json

import pytest
import torch
from safetensors import SafetensorError

from cnnrun.errors import DataError, NotWritten
from cnnrun.training import checkpoints

TENSORS = {"model": {"weight": torch.arange(6.0).reshape(2, 3).t(), "bn.num_batches_tracked": torch.tensor(7)}}


@pytest.fixture
def folder(tmp_path):
    checkpoints.write(tmp_path / "last", TENSORS, {"epoch": 3, "lr": 0.1})
    return tmp_path / "last"


def test_what_was_written_is_read_to_the_bit(folder):
    tensors, values = checkpoints.read(folder)
    assert values == {"epoch": 3, "lr": 0.1}
    for name, value in TENSORS["model"].items():
        assert torch.equal(tensors["model"][name], value)


def test_weights_that_are_tied_are_written_twice(tmp_path):
    weight = torch.arange(6.0)
    checkpoints.write(tmp_path / "last", {"model": {"a": weight, "b": weight}}, {})
    named = checkpoints.read(tmp_path / "last")[0]["model"]
    assert torch.equal(named["a"], weight)
    assert torch.equal(named["b"], weight)


def test_a_full_disk_is_one_sentence_and_leaves_the_checkpoint_before(folder, monkeypatch):
    def full(*_):
        raise SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)")

    monkeypatch.setattr(checkpoints, "save_file", full)
    sentence = r"last: No space left on device; what was there before is unchanged; free some space$"
    with pytest.raises(NotWritten, match=sentence):
        checkpoints.write(folder, TENSORS, {"epoch": 4})
    assert checkpoints.read(folder)[1]["epoch"] == 3
    assert list(folder.parent.iterdir()) == [folder]


def test_a_checkpoint_is_safetensors_and_json_and_nothing_else(folder):
    assert sorted(file.name for file in folder.iterdir()) == ["manifest.json", "model.safetensors", "state.json"]


def test_a_second_one_replaces_the_first_and_leaves_nothing_beside_it(folder):
    checkpoints.write(folder, {"other": {"x": torch.ones(1)}}, {"epoch": 4})
    tensors, values = checkpoints.read(folder)
    assert (list(tensors), values) == (["other"], {"epoch": 4})
    assert [entry.name for entry in folder.parent.iterdir()] == ["last"]


@pytest.mark.parametrize("name", ["model.safetensors", "state.json"])
def test_a_changed_file_is_refused(folder, name):
    content = bytearray((folder / name).read_bytes())
    content[-1] ^= 1
    (folder / name).write_bytes(content)
    with pytest.raises(DataError, match=f"{name} is not the file that was saved"):
        checkpoints.read(folder)


@pytest.mark.parametrize("content", ["", "{", "[]", '{"../../secret": "0"}', '{"gone.safetensors": "0"}'])
def test_a_manifest_of_rubbish_is_refused(folder, content):
    (folder / "manifest.json").write_text(content)
    with pytest.raises(DataError, match="checkpoint"):
        checkpoints.read(folder)


def test_values_that_the_manifest_does_not_list_are_refused(folder):
    manifest = json.loads((folder / "manifest.json").read_text())
    del manifest["state.json"]
    (folder / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(DataError, match=r"manifest\.json does not vouch for state\.json"):
        checkpoints.read(folder)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (None, "No such file or directory"),
        ("{", "it is damaged, it ends too early"),
        ('{"a": b}', "it is damaged, see line 1"),
        ("[]", "it holds list, not an object"),
    ],
)
def test_a_broken_one_names_its_file_and_a_way_on(folder, content, problem):
    file = folder / "manifest.json"
    file.unlink() if content is None else file.write_text(content)
    with pytest.raises(DataError) as raised:
        checkpoints.read(folder)
    assert str(raised.value) == f"broken checkpoint: {file} cannot be read: {problem}; train again"
    checkpoints.write(folder.with_name("best"), TENSORS, {})
    with pytest.raises(DataError, match=r"; cnnrun eval and predict can use the other one: checkpoint=best$"):
        checkpoints.read(folder)


def test_rubbish_with_a_right_checksum_is_refused(folder):
    (folder / "model.safetensors").write_bytes(b"rubbish")
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["model.safetensors"] = checkpoints._sha256(folder / "model.safetensors")
    (folder / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(DataError, match="cannot be read"):
        checkpoints.read(folder)


def test_one_that_was_put_aside_when_the_process_died_is_found_again(folder):
    folder.rename(folder.with_name(".last.old"))
    assert checkpoints.read(folder)[1]["epoch"] == 3
    assert not folder.exists(), "a reader moves nothing: another process may be about to"
    checkpoints.write(folder, TENSORS, {"epoch": 4})
    assert checkpoints.read(folder)[1]["epoch"] == 4
    assert [entry.name for entry in folder.parent.iterdir()] == ["last"]


def replace_before(monkeypatch, function, folder, times):
    """Let a training replace the checkpoint each of so many times before this function reads a file of it."""
    original, left = getattr(checkpoints, function), [times]

    def reading(file):
        if file.name != checkpoints.MANIFEST and left[0]:
            left[0] -= 1
            checkpoints.write(folder, {"model": {"weight": torch.zeros(2)}}, {"left": left[0]})
        return original(file)

    monkeypatch.setattr(checkpoints, function, reading)


@pytest.mark.parametrize("function", ["load_file", "read_json"])
@pytest.mark.parametrize("times", [1, 3])
def test_one_that_is_replaced_while_it_is_read_is_read_again(folder, monkeypatch, function, times):
    replace_before(monkeypatch, function, folder, times)
    tensors, values = checkpoints.read(folder)
    assert values == {"left": 0}
    assert torch.equal(tensors["model"]["weight"], torch.zeros(2))


def test_one_that_is_replaced_each_time_is_not_called_broken(folder, monkeypatch):
    replace_before(monkeypatch, "load_file", folder, 1000)
    with pytest.raises(DataError, match=r"last was replaced each of 10 times that it was read; wait for the training"):
        checkpoints.read(folder)

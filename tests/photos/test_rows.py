"""The table of predictions, as it grows and after a kill. `pytest tests/photos/test_rows.py`"""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from scipy.special import log_softmax
from scipy.stats import entropy

from cnnrun.errors import DataError, NotWritten
from cnnrun.photos.classes import Classes
from cnnrun.photos.predicting import row_of
from cnnrun.photos.rows import Row, TrueClass, Writer, as_json, keep_whole, read_rows

CLASSES = Classes(("a", "b", "c, d", "b"))


def some_rows(count):
    outputs = np.random.default_rng(0).normal(size=(count, 4)) * 3
    rows = [row_of(f"{n:03}.jpg", log_softmax(one), CLASSES, n % 4, 3) for n, one in enumerate(outputs)]
    rows[1] = Row("001.jpg", "truncated", TrueClass("b", 1))
    return rows, outputs


def write(file, rows, *, batch=4):
    with Writer(file, 3) as writer:
        for begin in range(0, len(rows), batch):
            writer.add(rows[begin : begin + batch])


def test_a_row_has_what_scipy_says(tmp_path):
    rows, outputs = some_rows(9)
    write(tmp_path / "t/p.csv", rows)
    table = list(csv.DictReader((tmp_path / "t/p.csv").read_text().splitlines()))
    assert len(table) == 9
    for number, (cells, one) in enumerate(zip(table, outputs, strict=True)):
        shares = np.exp(log_softmax(one))
        if number == 1:
            continue
        best = sorted(range(4), key=lambda index: -shares[index])
        assert [int(cells[f"index_{rank}"]) for rank in (1, 2, 3)] == best[:3]
        assert cells["label_2"] == CLASSES.names[best[1]]
        assert float(cells["probability_1"]) == pytest.approx(shares[best[0]], rel=1e-5)
        assert float(cells["entropy_nats"]) == pytest.approx(entropy(shares), rel=1e-5)
        assert (int(cells["truth_index"]), int(cells["truth_rank"])) == (number % 4, 1 + best.index(number % 4))
        assert float(cells["truth_probability"]) == pytest.approx(shares[number % 4], rel=1e-5)
    assert (table[1]["status"], table[1]["error"], table[1]["index_1"]) == ("broken", "truncated", "")


def test_of_equally_probable_classes_the_first_is_predicted_and_ranks_follow():
    row = row_of("x", np.log(np.array([0.3, 0.2, 0.2, 0.3])), CLASSES, 3, 4)
    assert [guess.index for guess in row.guesses] == [0, 3, 1, 2]
    assert row.truth.rank == 2
    assert row_of("x", np.array([-np.inf, 0.0, -np.inf, -np.inf]), CLASSES, None, 4).entropy == 0.0


def test_what_was_written_is_read_again_and_gives_the_same_json(tmp_path):
    rows, _ = some_rows(9)
    write(tmp_path / "p.csv", rows)
    again = list(read_rows(tmp_path / "p.csv"))
    assert [row.path for row in again] == [row.path for row in rows]
    write(tmp_path / "q.csv", again)
    assert (tmp_path / "q.csv").read_bytes() == (tmp_path / "p.csv").read_bytes()
    values = json.loads(as_json(again))
    assert values["entropy_unit"] == "nats"
    assert [photo["status"] for photo in values["photos"]] == ["ok", "broken", *["ok"] * 7]
    assert values["photos"][0]["predictions"][0]["label"] == rows[0].guesses[0].label
    assert values["photos"][1]["truth"] == {"label": "b", "index": 1, "rank": None, "probability": None}


@pytest.mark.parametrize("path", ['a,b"c.jpg', "two\nlines.jpg", "caf\udce9.jpg", "größe €.jpg"])
def test_any_file_name_stays_in_one_line(path, tmp_path):
    write(tmp_path / "p.csv", [row_of(path, np.log(np.full(4, 0.25)), CLASSES, None, 3)])
    assert len((tmp_path / "p.csv").read_bytes().splitlines()) == 2
    (row,) = read_rows(tmp_path / "p.csv")
    assert row.path == path.replace("\n", "\\n").replace("\udce9", "\\xe9")


def test_whatever_a_kill_leaves_goes_on_from_a_whole_batch(tmp_path):
    rows, _ = some_rows(10)
    write(tmp_path / "whole.csv", rows)
    whole, file = (tmp_path / "whole.csv").read_bytes(), tmp_path / "p.csv"
    for length in range(0, len(whole) + 1, 7):
        file.write_bytes(whole[:length])
        kept = keep_whole(file, 4, 3, 10)
        assert kept == (10 if length == len(whole) else max(whole[:length].count(b"\n") - 1, 0) // 4 * 4)
        write(file, rows[kept:])
        assert file.read_bytes() == whole
    file.unlink()
    assert keep_whole(file, 4, 3, 10) == 0


@pytest.mark.parametrize("content", [b"path,status\na,ok\n", b"\xff\xfe\n\n", b"\n"])
def test_a_file_of_somebody_else_is_not_gone_on_with(content, tmp_path):
    (tmp_path / "p.csv").write_bytes(content)
    with pytest.raises(DataError, match="is not as this prediction left it"):
        keep_whole(tmp_path / "p.csv", 4, 3, 10)


def test_a_damaged_table_is_named(tmp_path):
    rows, _ = some_rows(3)
    write(tmp_path / "p.csv", rows)
    text = (tmp_path / "p.csv").read_text()
    (tmp_path / "p.csv").write_text(text.replace(",ok,,a,0,", ",ok,,a,zero,"))
    with pytest.raises(DataError, match=r"p.csv is damaged .*; predict again"):
        list(read_rows(tmp_path / "p.csv"))


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here, which stands for a full disk")
def test_a_full_disk_is_told(tmp_path):
    (tmp_path / "p.csv").symlink_to("/dev/full")
    with pytest.raises(NotWritten, match=r"No space left on device; the rows before stand; free some space"):
        write(tmp_path / "p.csv", some_rows(3)[0])

"""What a person sees: plain lines in a pipe, a live display on a terminal. `pytest tests/test_console.py`"""

import math
import os
import re
import struct
import subprocess
import sys
import time
from contextlib import suppress

import pytest

from cnnrun import console
from cnnrun.training.records import Epoch, Step

fcntl = pytest.importorskip("fcntl", reason="pseudo-terminals are a Unix thing")
termios = pytest.importorskip("termios", reason="pseudo-terminals are a Unix thing")
pty = pytest.importorskip("pty", reason="pseudo-terminals are a Unix thing")

TRAINING = """
import sys, time, warnings
from cnnrun import console
from cnnrun.training.records import Epoch, Step

with console.Display(2, "val/accuracy") as display:
    for number in (1, 2):
        for step in range(1, 4):
            display.step(Step(number, 2, step, 3, 0.5 / step, 1234.5))
            time.sleep(0.12)
        if number == 1:
            console.warn("features are small")
            print("printed", file=sys.stderr)
        val = {"loss": 0.4, "accuracy": 0.9}
        display.epoch(Epoch(number, 3 * number, {"loss": 0.5}, val, 0.1, 1.0, 1234.5, number == 1, None))
console.results([dict(split="test", metric="accuracy", value=0.9, low=0.8, high=0.95, n=100)], "outputs/train/[x]")
"""


def epoch(number: int, accuracy: float, is_best: bool) -> Epoch:
    val = {"loss": 0.038, "accuracy": accuracy, "f1_macro": 0.9}
    return Epoch(number, 10 * number, {"loss": 0.04123, "accuracy": 0.5}, val, 0.1, 4.1, 12300.4, is_best, None)


def run_on_terminal(script: str, columns: int = 80, **environment: str) -> str:
    """What the script writes to a terminal of that width, stdout and stderr together."""
    leader, follower = pty.openpty()
    fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    kept = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES", "NO_COLOR")}
    process = subprocess.Popen(
        [sys.executable, "-c", script],
        stdin=follower,
        stdout=follower,
        stderr=follower,
        env=kept | {"TERM": "xterm-256color"} | environment,
    )
    os.close(follower)
    pieces = []
    with suppress(OSError):  # How Linux says that the other end is closed.
        while piece := os.read(leader, 65536):
            pieces.append(piece)
    os.close(leader)
    assert process.wait(timeout=30) == 0
    return b"".join(pieces).decode()


def strip_codes(line: str) -> str:
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", line)


def test_a_pipe_gets_one_exact_line_an_epoch(capsys: pytest.CaptureFixture[str]) -> None:
    with console.Display(10, "val/accuracy") as display:
        for number, accuracy, is_best in ((2, 0.98, True), (3, 0.9881, True), (10, 0.9, False)):
            display.step(Step(number, 10, 1, 2, 0.5, 100.0))
            display.epoch(epoch(number, accuracy, is_best))
    out, err = capsys.readouterr()
    assert out == ""
    loss = "train/loss 0.0412  val/loss 0.0380"
    assert err.splitlines() == [
        f"epoch  2/10  {loss}  val/accuracy 0.9800  best 0.9800 (2)  12,300 samples/s  4.1 s",
        f"epoch  3/10  {loss}  val/accuracy 0.9881  best 0.9881 (3)  12,300 samples/s  4.1 s",
        f"epoch 10/10  {loss}  val/accuracy 0.9000  best 0.9881 (3)  12,300 samples/s  4.1 s",
    ]


def test_a_run_that_goes_on_remembers_its_best(capsys: pytest.CaptureFixture[str]) -> None:
    with console.Display(10, "val/loss", best=(0.0123, 4)) as display:
        display.epoch(epoch(5, 0.9, is_best=False))
    assert "val/loss 0.0380  best 0.0123 (4)" in capsys.readouterr().err


def test_escape_codes_stay_out_of_a_pipe_even_if_colour_is_forced() -> None:
    done = subprocess.run(
        [sys.executable, "-c", TRAINING],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | {"FORCE_COLOR": "1", "TTY_COMPATIBLE": "1", "COLUMNS": "40"},
    )
    assert "\x1b" not in done.stdout + done.stderr
    assert [line.split()[0] for line in done.stderr.splitlines()] == ["warning:", "printed", "epoch", "epoch"]
    assert done.stdout.splitlines()[0].split() == ["metric", "test", "95", "%", "of", "test"]


def test_a_terminal_shows_a_bar_and_keeps_the_epochs() -> None:
    seen = run_on_terminal(TRAINING)
    for words in ("epoch 1/2  step 1/3", "epoch 2/2  step 3/3", "loss 0.1667  1,234 samples/s", "left"):
        assert words in seen
    assert "best val/accuracy 0.9000 (1)" in seen
    assert "\x1b[?25l" in seen
    assert seen.rindex("\x1b[?25h") > seen.rindex("\x1b[?25l")
    assert "warning: features are small\r\n" in seen
    assert "printed\r\n" in seen
    assert seen.count("train/loss") == 1
    assert "run folder: outputs/train/[x]" in seen


def test_no_line_on_a_terminal_is_wider_than_it() -> None:
    seen = run_on_terminal(TRAINING, columns=60)
    assert all(len(strip_codes(line)) <= 60 for line in seen.replace("\r", "\n").split("\n"))


def test_a_dumb_terminal_gets_plain_lines() -> None:
    seen = run_on_terminal(TRAINING, TERM="dumb")
    assert "\x1b" not in seen
    assert "epoch 1/2  train/loss 0.5000" in seen


def test_a_step_costs_next_to_nothing() -> None:
    display = console.Display(10, "val/loss")
    step = Step(1, 10, 1, 1000, 0.5, 100.0)
    begin = time.perf_counter()
    for _ in range(10_000):
        display.step(step)
    assert time.perf_counter() - begin < 0.5


def test_results_show_splits_gap_and_the_interval_of_test(capsys: pytest.CaptureFixture[str]) -> None:
    rows = []
    for split, value, n in (("train", 0.99, 1078), ("val", 0.97, 359), ("test", 0.98, 360)):
        rows.append({"split": split, "metric": "accuracy", "value": value, "low": value - 0.01, "high": 1.0, "n": n})
        rows.append({"split": split, "metric": "loss", "value": 0.0001234, "low": None, "high": math.nan, "n": n})
    rows.append({"split": "val", "metric": "accuracy_gap", "value": 0.02, "low": -0.01, "high": 0.05, "n": 359})
    console.results(rows, "outputs/train/x")
    assert capsys.readouterr().out.splitlines() == [
        "metric        train        val       test  95 % of test",
        "accuracy     0.9900     0.9700     0.9800  0.9700 to 1.0000",
        "loss      0.0001234  0.0001234  0.0001234",
        "samples       1,078        359        360",
        "",
        "accuracy on train - accuracy on val: 0.0200 (95 %: -0.0100 to 0.0500)",
        "",
        "run folder: outputs/train/x",
    ]


def test_results_of_one_split_are_one_column(capsys: pytest.CaptureFixture[str]) -> None:
    console.results([{"split": "val", "metric": "accuracy", "value": 0.5, "low": 0.4, "high": 0.6, "n": 9}], "x")
    assert capsys.readouterr().out.splitlines()[:2] == [
        "metric       val  95 % of val",
        "accuracy  0.5000  0.4000 to 0.6000",
    ]


def test_a_narrow_terminal_leaves_columns_out_and_breaks_no_row() -> None:
    seen = run_on_terminal(TRAINING, columns=52)
    assert "best" in seen
    assert "samples/s" not in strip_codes(seen.replace("1,234 samples/s", ""))
    script = """
from cnnrun import console
row = dict(metric="balanced_accuracy", value=0.9, low=0.8, high=0.95, n=100)
rows = [row | dict(split=split) for split in ("a", "b", "c")]
console.results(rows, "x")
"""
    heading = next(line for line in run_on_terminal(script, columns=50).splitlines() if "metric" in line)
    assert strip_codes(heading).split() == ["metric", "c", "95", "%", "of", "c"]


def test_work_goes_on_when_its_readers_have_gone() -> None:
    read, write = os.pipe()
    os.close(read)
    script = f"{TRAINING.replace('print(', 'repr(').replace(', file=sys.stderr', '')}\nsys.exit(7)"
    done = subprocess.run([sys.executable, "-c", script], stdout=write, stderr=write)
    os.close(write)
    assert done.returncode == 7


def test_a_full_disk_behind_stdout_is_one_sentence() -> None:
    with open("/dev/full", "w") as full:
        done = subprocess.run([sys.executable, "-c", TRAINING], stdout=full, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 0
    assert done.stderr.splitlines()[-1] == "warning: could not write to the standard output: No space left on device"
    assert done.stderr.count("could not write") == 1


def test_wide_tables_are_not_wrapped(capsys: pytest.CaptureFixture[str]) -> None:
    rows = [{"settings": "x" * 200, "lr": 0.1, "job": 1}, {"settings": "[32,64]", "failed": True}]
    console.table(rows)
    lines = capsys.readouterr().out.splitlines()
    assert lines == [
        "settings" + " " * 192 + "      lr  job  failed",
        "x" * 200 + "  0.1000    1",
        "[32,64]" + " " * 193 + "                 True",
    ]


def test_a_table_too_wide_for_the_terminal_is_plain() -> None:
    script = "from cnnrun import console; console.table([dict(settings='a ' * 50, note='[b]')])"
    assert "[b]" in run_on_terminal(script, columns=200)
    assert "─" in run_on_terminal(script, columns=200)
    assert "─" not in run_on_terminal(script, columns=80)


def test_downloads_tell_begin_and_end_in_a_pipe(capsys: pytest.CaptureFixture[str]) -> None:
    with console.downloads() as report:
        for done in range(0, 2_500_001, 100_000):
            report(done, 2_500_000, "images.gz")
        report(0, None, "labels.gz")
    assert capsys.readouterr().err.splitlines() == [
        "downloading images.gz: 0.0 of 2.5 MB",
        "downloading images.gz: 2.5 of 2.5 MB",
        "downloading labels.gz: 0.0 MB",
    ]


def test_other_things_than_bytes_are_counted_in_their_unit(capsys: pytest.CaptureFixture[str]) -> None:
    with console.downloads() as report:
        report(0, None, "waiting for another process", "pictures")
        for done in (0, 700, 1200):
            report(done, 1200, "reading", "pictures")
    assert capsys.readouterr().err.splitlines() == [
        "waiting for another process",
        "reading: 0 of 1,200 pictures",
        "reading: 1,200 of 1,200 pictures",
    ]


def test_downloads_draw_a_bar_on_a_terminal() -> None:
    script = "from cnnrun import console\nwith console.downloads() as report: report(10**6, 10**7, 'images.gz')"
    seen = run_on_terminal(script)
    assert "images.gz" in seen
    assert "1.0 of 10.0 MB" in seen
    assert "━" in seen


def test_importing_the_console_loads_nothing_heavy() -> None:
    heavy = "{'torch', 'pandas', 'numpy', 'matplotlib', 'rich', 'sklearn'}"
    script = f"import sys, cnnrun.console; print(sorted({heavy} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_a_metric_that_the_last_split_does_not_have_has_no_interval_of_another(capsys):
    rows = [
        {"split": split, "metric": metric, "value": 1.0, "low": 0.5, "high": 1.5, "n": 3}
        for split, metric in (("val", "mae"), ("val", "mape"), ("test", "mae"))
    ]
    console.results(rows, "here", "kWh")
    lines = {line.split()[0]: line for line in capsys.readouterr().out.splitlines() if line}
    assert lines["mae"].endswith("0.5000 to 1.5000")
    assert lines["mape"].split() == ["mape", "1.0000"]
    assert "kWh" in lines["mae,"]


def test_baselines_stand_in_a_table_of_their_own_and_single_series_in_none(capsys):
    names = ["mae", "mae/naive", "mae/ridge", "mae[load]"]
    rows = [
        {"split": "test", "metric": name, "value": value, "low": None, "high": None, "n": 3}
        for value, name in enumerate(names, start=1)
    ]
    console.results(rows, "here")
    table = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert table[-5:-2] == [["network", "1"], ["naive", "2"], ["ridge", "3"]]
    assert not any("mae[load]" in line for line in table)


def test_a_table_on_stderr_is_aligned_and_indented(capsys):
    console.tell_table([{"layers": "a to b", "train": 1234}, {"layers": "head", "train": 5}])
    assert capsys.readouterr().err == "  layers  train\n  a to b  1,234\n  head        5\n"

"""`cnnrun compare` from the command line, on runs that were never trained. `pytest tests/commands/test_compare.py`"""

import csv
import importlib.util
import io
import json
import re
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from scipy import stats

from cnnrun.cli import main

_SPEC = importlib.util.spec_from_file_location(
    "runs_for_comparison", Path(__file__).parents[1] / "comparison/conftest.py"
)
assert _SPEC is not None
assert _SPEC.loader is not None
RUNS = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(RUNS)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return RUNS.Folder(Path("runs"))


def grid(folder):
    """Two models, two rates, three seeds each; cnn at .1 is the best, mlp at .1 is dead."""
    for model, lr, base in (("cnn", 0.1, 0.95), ("cnn", 0.01, 0.945), ("mlp", 0.1, 0.1), ("mlp", 0.01, 0.9)):
        for seed, off in enumerate((0, 0.004, 0.009)):
            record = {"dead": True, "warnings": ["may have learned nothing: one class"]} if base < 0.5 else {}
            words = f"model={model}", f"optimizer.lr={lr}", f"seed={seed}"
            noise = off * (1 if lr == 0.1 else 1.5)
            more = [("test", "f1_macro", base + off - 0.02)]
            folder.run(",".join(words), base + noise, *words, record=record, results=more)


def compare(*words, code=0):
    assert main(["compare", "runs=runs", "figures=false", "hydra.run.dir=out", *words]) == code


def printed(capsys):
    """The lines of stdout, each parted at two blanks and more."""
    out = capsys.readouterr().out
    return [[word.strip() for word in line.split("  ") if word.strip()] for line in out.splitlines()]


def test_seeds_are_grouped_with_mean_and_t_interval(folder, capsys):
    grid(folder)
    compare()
    lines = printed(capsys)
    assert lines[0] == ["model", "optimizer.lr", "n", "dead", "val/accuracy", "test/accuracy", "runtime", "mark"]
    assert len(lines) == 5
    values = [0.95, 0.954, 0.959]
    half = stats.t.ppf(0.975, 2) * stats.sem(values)
    assert lines[1] == ["cnn", "0.1", "3", "0", f"{sum(values) / 3:.4f} ± {half:.4f}", lines[1][5], "37m 7s", "*"]
    assert [line[-1] for line in lines[1:]] == ["*", "≈", "37m 7s", "†"]


def test_the_files_hold_all_runs_and_the_groups(folder, capsys):
    grid(folder)
    compare()
    runs, groups = pd.read_csv("out/compare.csv"), pd.read_csv("out/groups.csv")
    assert len(runs) == 12
    assert list(runs.columns[:9]) == [
        "run",
        "path",
        "status",
        "reason",
        "dead",
        "chosen",
        "model",
        "optimizer.lr",
        "seed",
    ]
    assert runs.loc[runs["chosen"], "run"].tolist() == ["model=cnn,optimizer.lr=0.1,seed=2"]
    assert groups["n"].tolist() == [3] * 4
    assert groups["dead"].tolist() == [0, 0, 0, 3]
    assert groups["val/accuracy"].iloc[0] == pytest.approx(0.954333, abs=1e-6)
    record = json.loads(Path("out/run.json").read_text())
    assert (record["command"], record["status"], record["of"], len(record["runs"])) == (
        "compare",
        "finished",
        "runs",
        12,
    )
    assert "comparison folder" not in capsys.readouterr().out


def test_the_marks_are_those_of_the_paired_test_with_holms_correction(folder, capsys):
    grid(folder)
    compare()
    groups = pd.read_csv("out/groups.csv")
    best, other = [0.95, 0.954, 0.959], [0.945, 0.951, 0.9585]
    p = stats.ttest_rel(best, other).pvalue
    assert groups["p"].iloc[1] == pytest.approx(min(1, p), rel=1e-6)  # the largest of three: multiplied by 1
    assert groups["tied"].tolist() == [False, True, False, False]
    said = capsys.readouterr().err
    assert "(paired t test at 5 %, Holm-corrected for 3 comparisons)" in said
    assert "† learnt nothing, but counts in the mean: model=mlp,optimizer.lr=0.1,seed=2" in said


def test_a_pivot_has_a_cell_for_each_model_and_rate(folder, capsys):
    grid(folder)
    compare("rows=model", "cols=optimizer.lr", "cells=[test/accuracy,test/f1_macro]")
    lines = printed(capsys)
    assert lines[0] == ["model", "optimizer.lr=0.01", "optimizer.lr=0.1"]
    assert [line[0] for line in lines[1:]] == ["cnn", "mlp"]
    accuracy, f1 = lines[1][2].split(" | ")
    values = [0.94, 0.944, 0.949]
    half = stats.t.ppf(0.975, 2) * stats.sem(values)
    assert accuracy == f"{sum(values) / 3:.4f} ± {half:.4f} *"
    assert f1.endswith("*")
    assert "†" in lines[2][2]
    table = pd.read_csv("out/pivot.csv")
    assert len(table) == 8
    assert set(table["metric"]) == {"test/accuracy", "test/f1_macro"}


def test_a_pivot_shows_what_val_chose_where_something_else_differs(folder, capsys):
    for size, accuracy in ((16, 0.8), (32, 0.9)):
        folder.run(f"a{size}", accuracy, "model=cnn", f"batch_size={size}")
    folder.run("b", 0.7, "model=mlp", "batch_size=16")
    compare("rows=model", "cells=test/accuracy")
    out = capsys.readouterr()
    assert [line.split() for line in out.out.splitlines()] == [
        ["model", "test/accuracy"],
        ["cnn", "0.8900", "*"],
        ["mlp", "0.6900"],
    ]
    assert "runs of one cell differ in batch_size: it shows the best on val" in out.err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            ["rows=modle"],
            "rows=modle: no run has this setting - did you mean 'model'? (these differ: model, optimizer.lr)",
        ),
        (["rows=model", "cols=lr"], "cols=lr: no run has this setting"),
        (
            ["cells=test/acuracy"],
            "cells=test/acuracy: no run has this metric - did you mean 'test/accuracy'? (there are",
        ),
        (["sort=val/f1"], "sort=val/f1: no run has this metric"),
        (["rows=[seed,model]", "cols=model"], "cols=model: model makes the rows already; take another"),
        (["runs=runs.txt"], "runs=runs.txt: that is a file, and no run's; name a folder that holds runs"),
        (["format=md,tex"], "'format=md,tex' gives several values: write [md,tex]"),
        (["format=htm"], "or a list such as [tex,html] - did you mean 'html'?"),
        (["cols=model"], "cols=... makes a pivot, and needs rows=..., too"),
        (["rows=model", "columns=reference"], "columns=reference and rows=... are two tables"),
        (["format=pdf"], "format=pdf: "),
        (["-m"], "leave out -m"),
    ],
)
def test_what_is_not_there_is_told(folder, capsys, words, said):
    grid(folder)
    Path("runs.txt").write_text("")
    compare(*words, code=2)
    assert said in capsys.readouterr().err
    assert not Path("out").exists()


def test_one_format_alone_is_printed_and_nothing_else(folder, capsys):
    grid(folder)
    compare("rows=model", "cols=optimizer.lr", "cells=test/accuracy", "format=csv")
    rows = list(csv.reader(io.StringIO(capsys.readouterr().out)))
    assert rows[0] == ["model", "optimizer.lr=0.01", "optimizer.lr=0.1"]
    assert len(rows) == 3


def test_markdown_marks_the_best_in_bold(folder, capsys):
    grid(folder)
    compare("format=[md,tex]")
    assert "|" not in capsys.readouterr().out, "text, as there are two"
    lines = Path("out/compare.md").read_text().splitlines()
    assert lines[0] == "| model | optimizer.lr | n | dead | val/accuracy | test/accuracy | runtime | mark |"
    assert lines[1] == "| --- | ---: | ---: | ---: | ---: | ---: | ---: | --- |"
    assert lines[2].startswith("| cnn | 0.1 | 3 | 0 | **0.9543 ± 0.0112** |")
    assert any(line.startswith("- \\* is the best, ≈ cannot be told from it") for line in lines)


def test_tex_has_the_rules_of_booktabs_and_no_sign_that_tex_minds(folder, capsys):
    folder.run("50%_a&b#", 0.9, "model=cnn_wide", "dataset.normalize=x_y^z~{1}")
    folder.run("b", 0.8, "model=mlp", "dataset.normalize=\\none")
    compare("format=tex")
    text = capsys.readouterr().out
    for rule in (r"\toprule", r"\midrule", r"\bottomrule", r"\begin{tabular}{llrrrrll}", r"\end{tabular}"):
        assert rule in text
    assert r"cnn\_wide & x\_y\textasciicircum{}z\textasciitilde{}\{1\} & \textbf{0.9000}" in text
    assert r"50\%\_a\&b\# \\" in text
    assert r"\textbackslash{}none" in text


def test_no_sign_of_a_strangers_run_ends_a_cell_or_starts_markup_in_markdown(folder, capsys):
    folder.run("a", 0.9, scheduler__name="x\\|y ~~z~~ &lt;b>")
    folder.run("b", 0.8)
    compare("format=md")
    row = capsys.readouterr().out.splitlines()[2]
    assert row.startswith(r"| x\\\|y \~\~z\~\~ &amp;lt;b> | **0.9000** |")


def test_a_seed_without_the_metric_is_named_where_the_mean_leaves_it_out(folder, capsys):
    for seed, value in enumerate((0.95, 0.951, float("nan"))):
        folder.run(f"b{seed}", value, "optimizer.lr=0.1", f"seed={seed}")
    folder.run("a", 0.9, "seed=0")
    compare()
    assert "val/accuracy is missing in b2, which its mean leaves out" in capsys.readouterr().err
    compare("rows=optimizer.lr", "cells=test/accuracy", "hydra.run.dir=out2")
    assert "test/accuracy is missing in b2, which its mean leaves out" in capsys.readouterr().err


def test_of_many_reasons_for_an_end_the_rare_ones_are_counted_together(folder, capsys):
    folder.run("good", 0.9)
    for number in range(20):
        reason = "out of memory" if number < 3 else f"below the median: {number}"
        folder.run(f"r{number:02}", record={"status": "pruned", "reason": reason}, batch_size=number + 1)
    compare()
    ends = [line for line in capsys.readouterr().err.splitlines() if "pruned" in line]
    assert ends[0] == "note: pruned: r00, r01, r02 (out of memory)"
    assert len(ends) == 6
    assert ends[5].endswith("and 7 more")


def test_the_correction_of_several_kinds_of_runs_is_told_as_that_of_each(folder, capsys):
    for data in ("digits", "mnist"):
        for lr, base in ((0.1, 0.9), (0.01, 0.8), (0.001, 0.7)):
            for seed, off in enumerate((0, 0.004, 0.009)):
                words = f"dataset={data}", f"optimizer.lr={lr}", f"seed={seed}"
                folder.run(",".join(words), base + off * (1 + lr), *words)
    compare()
    said = capsys.readouterr().err
    assert "at 5 %, Holm-corrected among the runs of each kind)" in said
    compare("rows=optimizer.lr", "cols=dataset", "hydra.run.dir=out2")
    assert "Holm-corrected among the runs of each kind in each metric)" in capsys.readouterr().err


def test_large_whole_numbers_stay_whole_beside_runs_without_them(folder, capsys):
    folder.run("a", 0.9, dataset__image_size=1234567)
    folder.run("b", 0.8)
    compare()
    assert printed(capsys)[1][0] == "1234567"


def test_a_setting_is_written_alike_in_the_table_and_in_a_pivot(folder, capsys):
    for name, rate in (("a", 1e9), ("b", 1.0), ("c", 0.0001)):
        folder.run(name, 0.9, optimizer__lr=rate)
    compare("sort=parameters")
    assert [line[0] for line in printed(capsys)] == ["optimizer.lr", "1e+09", "1", "0.0001"]
    compare("rows=optimizer.lr", "hydra.run.dir=out2")
    assert [line[0] for line in printed(capsys)[1:]] == ["0.0001", "1", "1e+09"]


def test_the_reference_table_takes_settings_of_any_kind_without_signs_that_steer(folder, capsys):
    folder.run("a", 0.9, "model=backbone", model__arch="\x1b[2Jx", batch_size=[1, 2])
    folder.run("b", 0.8, record={"data": {"input_shape": ["\x1b[31m", 3, 4], "classes": 10}})
    compare("columns=reference")
    said = capsys.readouterr()
    assert "[1,2]" in said.out
    assert "\x1b" not in said.out + said.err


def test_the_reference_table_has_the_published_columns(folder, capsys):
    folder.run("a", 0.85, "model=cnn", "optimizer.lr=0.01", augment__flip=True)
    folder.run("b", 0.95, "model=mlp", record={"seconds": 3903, "data": {"input_shape": [3, 64, 64], "classes": 10}})
    compare("columns=reference", "format=csv")
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert ",".join(rows[0]) == (
        "MODEL_NAME,INPUT_SHAPE,BATCH_SIZE,AUGMENT,FINAL_VAL_ACCURACY,FINAL_VAL_LOSS,RUNTIME,EPOCHS,LEARNING_RATE,"
        "NORMALIZE,EPOCH/ACCURACY,EPOCH/LOSS,EPOCH/VAL_ACCURACY,EPOCH/VAL_LOSS,TEST_ACCURACY"
    )
    assert [row["MODEL_NAME"] for row in rows] == ["mlp", "cnn"], "the best on val first"
    assert rows[0] | {} == {
        "MODEL_NAME": "mlp",
        "INPUT_SHAPE": "[64,64,3]",
        "BATCH_SIZE": "32",
        "AUGMENT": "false",
        "FINAL_VAL_ACCURACY": "0.9500",
        "FINAL_VAL_LOSS": "0.8000",
        "RUNTIME": "1h 5m 3s",
        "EPOCHS": "2",
        "LEARNING_RATE": "0.001",
        "NORMALIZE": "true",
        "EPOCH/ACCURACY": "0.8000",
        "EPOCH/LOSS": "0.5000",
        "EPOCH/VAL_ACCURACY": "0.8500",
        "EPOCH/VAL_LOSS": "0.6000",
        "TEST_ACCURACY": "0.9400",
    }
    assert rows[1]["AUGMENT"] == "true"


def test_the_runtimes_of_the_reference_page_are_sorted_by_seconds(folder, capsys):
    for name, seconds in (("a", 2227.4), ("b", 45), ("c", None)):
        folder.run(name, 0.9, record={"seconds": seconds})
    compare("columns=reference", "format=html")
    page = Path("out/report.html").read_text()
    table = page[page.index('id="table-1"') : page.index('id="table-2"')]
    assert re.findall(r'class="number" data-value="([^"]*)">([^<]*)<', table) == [
        ("2227.4", "37m 7s"),
        ("45.0", "45s"),
        ("", ""),
    ]
    assert list(pd.read_csv("out/reference.csv", keep_default_na=False)["RUNTIME"]) == ["37m 7s", "45s", ""]


def test_a_page_says_which_metric_its_pivot_shows_and_which_ranks_the_runs(folder, capsys):
    grid(folder)
    compare("rows=model", "cols=optimizer.lr", "cells=test/accuracy", "format=html")
    page = Path("out/report.html").read_text().replace("<wbr>", "")
    assert ">test/accuracy by model, optimizer.lr</h2>" in page
    assert "<dt>ranked by</dt><dd>val/accuracy</dd>" in page
    assert "<dd>model=cnn,optimizer.lr=0.1,seed=2, val/accuracy 0.9590</dd>" in page


def test_a_page_of_single_runs_has_the_marks_that_it_explains(folder, capsys):
    for name, accuracy in (("a", 0.9), ("b", 0.8)):
        folder.run(name, accuracy, f"batch_size={ord(name)}", record={"dead": name == "b"})
    compare("format=html")
    page = Path("out/report.html").read_text()
    assert re.findall(r'<td class="short">([*≈▸†]*)</td>', page)[:1] == ["*"]
    assert page.count(">†</td>") == 1
    assert "* is the best<" in page


def test_a_page_names_no_best_run_where_runs_cannot_be_ranked_together(folder, capsys):
    folder.run("a", 0.9, "dataset=digits")
    folder.run("b", 0.5, "dataset=cifar10")
    compare("format=html")
    assert "best run" not in Path("out/report.html").read_text()


def test_the_reference_table_is_not_for_forecasts(folder, capsys):
    forecast = {"data": {"targets": ["load"], "horizon": 24}, "higher_is_better": False}
    folder.run("a", record=forecast)
    compare("columns=reference", code=2)
    assert "is a table of classifiers, and these runs forecast a series" in capsys.readouterr().err


def test_runs_that_did_not_finish_and_broken_ones_are_named_and_the_others_compared(folder, capsys):
    folder.run("good", 0.9)
    folder.run("full", record={"status": "failed", "reason": "NotWritten: disk full"})
    folder.run("cut", record={"status": "pruned", "reason": "below the median"})
    folder.run("broken")
    Path("runs/broken/run.json").write_text("{")
    compare()
    said = capsys.readouterr()
    assert "warning: left out: runs/broken/run.json cannot be read: it is damaged, it ends too early" in said.err
    assert "failed: full (NotWritten: disk full)" in said.err
    assert "pruned: cut (below the median)" in said.err
    assert "good" in said.out


def test_a_damaged_history_costs_its_curve_alone(folder, capsys):
    folder.run("a", 0.9, "seed=0")
    folder.run("b", 0.8, "seed=1")
    folder.run("c", 0.8, "seed=2")
    Path("runs/b/history.csv").write_bytes(b"epoch,val/accuracy\n\xff\xfe,1\n")
    Path("runs/c/history.csv").write_text("epoch,val/accuracy\n1,high\n2,0.5\n")
    assert main(["compare", "runs=runs", "hydra.run.dir=out"]) == 0
    said = capsys.readouterr()
    assert "warning: runs/b/history.csv cannot be read: it is damaged" in said.err
    assert Path("out/figures/curves.png").exists()
    compare("columns=reference", "hydra.run.dir=out2")
    assert "runs/b/history.csv cannot be read" in capsys.readouterr().err


def test_a_record_with_senseless_numbers_is_compared_all_the_same(folder, capsys):
    folder.run("a", 0.9, "seed=0", optimizer__lr=float("nan"), record={"seconds": 10**400, "parameters": 10**30})
    folder.run("b", 0.8, "seed=1", results=[("test", "odd", "inf")], optimizer__lr=10**400)
    compare("format=html")
    assert pd.read_csv("out/compare.csv")["optimizer.lr"].isna().sum() == 1


@pytest.mark.parametrize("name", ["seconds", "parameters"])
def test_runs_can_be_sorted_by_what_they_cost(folder, capsys, name):
    folder.run("slow", 0.9, "batch_size=8", record={"seconds": 20, "parameters": 500})
    folder.run("fast", 0.8, "batch_size=64", record={"seconds": 10, "parameters": 100})
    compare(f"sort={name}", "rows=batch_size", f"cells={name}")
    assert [line[0] for line in printed(capsys)[1:]] == ["8", "64"]
    compare(f"sort={name}", "hydra.run.dir=out2")
    assert [line[-1] for line in printed(capsys)[1:]] == ["fast", "slow"]


def test_one_run_alone_is_shown_without_a_mark(folder, capsys):
    folder.run("a", 0.9)
    compare("format=[md,tex]")
    assert printed(capsys) == [
        ["val/accuracy", "test/accuracy", "best_epoch", "runtime", "run"],
        ["0.9000", "0.8900", "1", "37m 7s", "a"],
    ]
    assert "**" not in Path("out/compare.md").read_text()


def test_what_val_chose_is_marked_where_test_would_choose_another(folder, capsys):
    folder.run("a", 0.9, "batch_size=8", results=[("test", "f1_macro", 0.5)])
    folder.run("b", 0.8, "batch_size=64", results=[("test", "f1_macro", 0.6)])
    compare("rows=batch_size", "cells=test/f1_macro")
    said = capsys.readouterr()
    assert [line.split() for line in said.out.splitlines()[1:]] == [["8", "0.5000", "▸"], ["64", "0.6000", "*"]]
    assert "▸ is the best on val, so the one to choose" in said.err
    compare("sort=test/f1_macro", "hydra.run.dir=out2")
    assert "▸ is the best on val" in capsys.readouterr().err


def test_only_broken_runs_are_bad_data(folder, capsys):
    folder.run("broken")
    Path("runs/broken/run.json").write_text("{")
    compare(code=3)
    assert "none of the 1 runs can be read" in capsys.readouterr().err


def test_a_folder_is_named_after_what_is_compared(folder, capsys):
    folder.run("a")
    assert main(["compare", "runs=runs", "figures=false"]) == 0
    (made,) = Path("outputs/compare").iterdir()
    assert "-runs-" in made.name
    assert f"comparison folder: {made}" in capsys.readouterr().err
    assert main(["compare", "runs=.", "figures=false"]) == 0, "the comparison is no run"
    assert main(["compare", f"runs={made}", "figures=false"]) == 2


def test_nothing_of_it_imports_torch(folder):
    grid(folder)
    code = "import sys; from cnnrun.cli import main; main(sys.argv[1:]); print('torch' in sys.modules)"
    words = ["compare", "runs=runs", "rows=model", "cols=optimizer.lr", "format=[csv,md,tex,html]", "hydra.run.dir=out"]
    done = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "False", done.stderr
    assert {file.name for file in Path("out/figures").iterdir()} > {"curves.png", "parallel.png"}


def test_evaluations_are_compared_by_the_run_that_they_judge(folder, capsys):
    for name, accuracy in (("a", 0.9), ("b", 0.8)):
        folder.run(name, accuracy, f"model={name}")
        more = {"of": f"runs/{name}", "command": "eval", "monitor": None, "best_value": None, "seed": None}
        folder.run(f"eval/{name}", accuracy, record=more)
    assert main(["compare", "runs=runs/eval", "figures=false", "hydra.run.dir=out", "sort=test/accuracy"]) == 0
    lines = printed(capsys)
    assert lines[0][0] == "model"
    assert [line[0] for line in lines[1:]] == ["a", "b"]


def test_equal_runs_share_the_mark_of_the_best(folder, capsys):
    for name, accuracy in (("a", 0.9), ("b", 0.9), ("c", 0.8)):
        folder.run(name, accuracy, f"batch_size={ord(name)}")
    compare("rows=batch_size", "cells=val/accuracy")
    said = capsys.readouterr()
    assert [line.split()[1:] for line in said.out.splitlines()[1:]] == [["0.9000", "*"], ["0.9000", "*"], ["0.8000"]]
    assert "note: * is the best (equal ones share it)\n" in said.err
    assert "≈" not in said.err
    compare("hydra.run.dir=out2", "format=[md,csv]")
    assert [line[-2] for line in printed(capsys)[1:]] == ["*", "*", "37m 7s"]
    assert Path("out2/compare.md").read_text().count("**0.9000**") == 2


def test_one_seed_among_several_is_not_passed_off_as_tested(folder, capsys):
    for model, seeds in (("cnn", 3), ("res", 2), ("mlp", 1)):
        for seed in range(seeds):
            folder.run(f"{model}{seed}", 0.9 + 0.003 * seed, f"model={model}", f"seed={seed}")
    compare()
    said = capsys.readouterr().err
    assert "≈ cannot be told from it (Welch's t test at 5 %; of one seed there is no test)" in said


def test_where_all_others_can_be_told_from_the_best_it_is_said(folder, capsys):
    for model, base in (("cnn", 0.9), ("mlp", 0.5)):
        for seed, off in enumerate((0, 0.004, 0.009)):
            folder.run(f"{model}{seed}", base + off * (1 + base), f"model={model}", f"seed={seed}")
    compare()
    said = capsys.readouterr().err
    assert "note: * is the best, all others are significantly worse (paired t test at 5 %)\n" in said


def test_bold_is_the_best_of_what_sorts(folder, capsys):
    folder.run("a", 0.9, "batch_size=8", results=[("test", "f1_macro", 0.5)])
    folder.run("b", 0.8, "batch_size=64", results=[("test", "f1_macro", 0.6)])
    compare("sort=test/f1_macro", "format=md")
    assert "| **0.6000** |" in capsys.readouterr().out


def test_runs_that_ended_before_they_knew_data_and_metric_are_of_the_kind_of_the_others(folder, capsys):
    for seed in (0, 1):
        folder.run(f"good{seed}", 0.9, f"seed={seed}")
    ended = {"status": "failed", "reason": "DataError: no space (40 GB); free some", "monitor": None, "data": None}
    folder.run("bad", 0.9, "seed=2", record=ended | {"higher_is_better": None})
    compare("figures=true")
    said = capsys.readouterr()
    assert said.out.split()[:3] == ["n", "failed", "val/accuracy"]
    assert said.out.splitlines()[1].split()[:2] == ["2", "1"]
    assert said.err.splitlines() == [
        "note: sorted by val/accuracy; means over the seeds ± 95 % t interval, n = runs that finished",
        "note: failed, so not counted: bad (DataError: no space)",
        "comparison folder: out",
    ]
    assert Path("out/figures/curves.png").exists()


def test_a_forecast_that_failed_early_does_not_turn_the_order_round(folder, capsys):
    told = {"data": {"targets": ["load"], "horizon": 24}, "higher_is_better": False}
    for name, mae in (("good", 1.0), ("bad", 2.0)):
        folder.run(name, mae, "task.monitor=odd", f"batch_size={int(mae)}", record=told)
    ended = {"status": "failed", "monitor": None, "higher_is_better": None, "data": None}
    folder.run("a", 0.0, "task.monitor=odd", "batch_size=3", record=ended)
    compare()
    assert [line[-1] for line in printed(capsys)[1:]] == ["good", "bad", "a"]


def test_of_runs_of_which_none_has_finished_only_that_is_said(folder, capsys):
    for name, status in (("a", "running"), ("b", "failed"), ("c", "interrupted")):
        folder.run(name, record={"status": status, "monitor": None, "best_value": None}, batch_size=ord(name))
    compare()
    said = capsys.readouterr()
    assert said.err.splitlines() == [
        "note: no run has finished, so there is nothing to compare",
        "note: failed: b",
        "note: interrupted: c",
        "note: running: a (it runs still, or was killed)",
        "comparison folder: out",
    ]
    assert said.out.split("\n")[0].split() == ["batch_size", "status", "best_epoch", "runtime", "run"]
    compare("rows=batch_size", "hydra.run.dir=out2", code=2)
    assert "rows=batch_size is a table of metrics, and none of these has finished" in capsys.readouterr().err


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here, which stands for a full disk")
@pytest.mark.parametrize("buffered", [{}, {"PYTHONUNBUFFERED": "1"}])
def test_a_full_disk_behind_stdout_is_an_error(folder, buffered):
    folder.run("a", 0.9)
    words = [sys.executable, "-m", "cnnrun", "compare", "runs=runs", "figures=false", "hydra.run.dir=out"]
    with open("/dev/full", "w") as full:
        done = subprocess.run(words, stdout=full, stderr=subprocess.PIPE, text=True, env=buffered)
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        "comparison folder: out",
        "cnnrun compare: error: could not write to the standard output: No space left on device",
    ]


def test_forecasts_are_better_the_lower_their_error(folder, capsys):
    told = {"data": {"targets": ["load"], "horizon": 24}, "higher_is_better": False}
    for seed in (0, 1, 2):
        for lr, mae in ((0.1, 12.0), (0.01, 10.0)):
            value = mae + 0.1 * seed
            folder.run(
                f"{lr},{seed}", value, f"optimizer.lr={lr}", f"seed={seed}", "task.monitor=mae",
                record=told, results=[("test", "mae", value + 1)],
            )  # fmt: skip
    compare()
    lines = printed(capsys)
    assert lines[0][:4] == ["optimizer.lr", "n", "val/mae", "test/mae"]
    assert [line[0] for line in lines[1:]] == ["0.01", "0.1"]
    assert lines[1][-1] == "*"


def test_runs_of_different_data_or_metrics_are_ranked_each_among_themselves(folder, capsys):
    for name, accuracy, dataset in (
        ("a", 0.9, "digits"),
        ("b", 0.8, "digits"),
        ("c", 0.5, "cifar10"),
        ("d", 0.4, "cifar10"),
    ):
        folder.run(name, accuracy, f"dataset={dataset}", f"batch_size={int(accuracy * 10)}")
    compare()
    said = capsys.readouterr()
    rows = pd.read_csv("out/compare.csv")
    assert rows["run"].tolist() == ["a", "b", "c", "d"]
    assert rows["chosen"].tolist() == [True, False, True, False]
    assert "runs on different data are ranked separately: digits, cifar10" in said.err
    folder.run("e", 0.99, "dataset=digits", "task.monitor=f1_macro")
    assert main(["compare", "runs=[runs/a,runs/b,runs/e]", "figures=false", "hydra.run.dir=out2"]) == 0
    said = capsys.readouterr().err
    assert "what chose their checkpoints are ranked separately: val/accuracy, val/f1_macro" in said


def test_cells_that_cannot_be_ranked_are_refused(folder, capsys):
    folder.run("a", 0.9, "dataset=digits")
    folder.run("b", 0.5, "dataset=cifar10")
    compare("rows=model", code=2)
    assert "the cell model=mlp would hold runs that cannot be ranked together: cifar10" in capsys.readouterr().err
    compare("rows=dataset", "cells=test/accuracy")


def test_the_same_seed_again_is_no_second_sample(folder, capsys):
    folder.run("old", 0.9, "seed=1")
    folder.run("new", 0.9, "seed=1", record={"started": "2026-11-22T10:00:00+0000"})
    folder.run("other", 0.8, "seed=2")
    compare()
    assert pd.read_csv("out/groups.csv")["n"].tolist() == [2]
    assert "same settings and seed as a newer run, so not counted: old" in capsys.readouterr().err


def test_a_report_is_one_page_with_links_to_the_runs(folder, capsys):
    grid(folder)
    folder.run("<script>alert(1)<script>", 0.5, "model=<b>x</b>", "optimizer.lr=1")
    compare("format=[html,md]")
    page = Path("out/report.html").read_text()
    assert 'href="../runs/model%3Dcnn%2Coptimizer.lr%3D0.1%2Cseed%3D0"' in page
    assert 'href="compare.csv"' in page
    assert "<b>x</b>" not in page
    assert "<script>alert" not in page
    assert "cannot be told from it" in page
    assert re.findall(r'<td class="short">([*≈▸†]+)</td>', page) == ["*", "≈", "≈", "†"], "as on the screen"
    assert not Path("out/pages").exists()


def test_cells_of_several_metrics_are_sorted_in_the_page_by_the_first(folder, capsys):
    grid(folder)
    compare("rows=model", "cols=optimizer.lr", "cells=[test/accuracy,test/f1_macro]", "format=html")
    page = Path("out/report.html").read_text()
    values = [float(value) for value in re.findall(r'class="number[^"]*" data-value="([^"]*)">[^<]* \| ', page)]
    means = pd.read_csv("out/pivot.csv").query("metric == 'test/accuracy'")
    by_cell = means.sort_values(["model", "optimizer.lr"])["mean"]
    assert values == pytest.approx(list(by_cell))
    assert re.findall(r'strong" data-value="([^"]*)"', page) == [str(by_cell.max())]


def test_each_run_gets_a_page_on_request_and_a_damaged_one_a_line(folder, capsys):
    folder.run("a", 0.9)
    folder.run("b", 0.8)
    figures = Path("runs/b/figures")
    figures.mkdir()
    (figures / "curves.png").write_bytes(b"\x89PNG\r\n\x1a\n" + b"broken")
    compare("pages=true")
    assert 'href="pages/0001.html"' in Path("out/report.html").read_text()
    assert "0.9000" in Path("out/pages/0001.html").read_text()
    assert 'href="../../runs/a"' in Path("out/pages/0001.html").read_text()
    assert "warning: no page of b: a table or a figure of runs/b is damaged" in capsys.readouterr().err


def test_text_is_written_in_the_letters_of_the_screen(folder):
    grid(folder)
    words = [sys.executable, "-m", "cnnrun", "compare", "runs=runs", "figures=false", "hydra.run.dir=out"]
    done = subprocess.run(words, capture_output=True, text=True, check=True, env={"PYTHONIOENCODING": "ascii"})
    assert "0.9543 +- 0.0112" in done.stdout

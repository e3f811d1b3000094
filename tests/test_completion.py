"""What a shell offers for a half-typed line. `pytest tests/test_completion.py`"""

import subprocess
import sys
from pathlib import Path

import pytest

from cnnrun import cli

LINES = {
    "cnnrun ": ["train", "eval", "predict", "compare", "completion", "--help", "--version"],
    "cnnrun t": ["train"],
    "cnnrun completion ": ["bash", "zsh", "fish"],
    "cnnrun completion z": ["zsh"],
    "cnnrun nonsense ": [],
    "cnnrun train mod": ["model=", "model."],
    "cnnrun train model=c": ["model=cnn", "model=cnn_wide"],
    "cnnrun train -m model=mlp,c": ["model=mlp,cnn", "model=mlp,cnn_wide"],
    "cnnrun train optimizer.": ["optimizer.lr="],
    "cnnrun train optimizer=sgd optimizer.": ["optimizer.lr=", "optimizer.momentum="],
    "cnnrun train nothing.": [],
    "cnnrun train e": ["experiment=", "experiment.", "epochs=", "ema="],
    "cnnrun train experiment=": ["experiment=quick"],
    "cnnrun train precision=": ["precision=auto", "precision=fp32", "precision=bf16", "precision=fp16"],
    "cnnrun train device=cuda": ["device=cuda", "device=cuda:1"],
    "cnnrun train model.pooling=": ["model.pooling=max", "model.pooling=avg", "model.pooling=none"],
    "cnnrun train figures=": ["figures=true", "figures=false"],
    "cnnrun train epochs=": [],
    "cnnrun train --c": ["--cfg", "--config-dir"],
    "cnnrun eval split=t": ["split=train", "split=test"],
    "cnnrun eval model": [],
}


@pytest.mark.parametrize("line", LINES)
def test_a_line_is_completed(toy, line, capsys):
    assert cli.main(["__complete", line]) == 0
    assert capsys.readouterr().out.split() == LINES[line]


def test_an_option_of_the_users_own_is_offered(toy, capsys):
    Path("conf/model").mkdir(parents=True)
    Path("conf/model/mine.yaml").write_text("name: mlp\nhidden: [3]\n")
    assert cli.main(["__complete", "cnnrun train model=mine model."]) == 0
    assert capsys.readouterr().out == "model.hidden=\n"


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_shell_has_a_script(shell, capsys):
    assert cli.main(["completion", shell]) == 0
    script = capsys.readouterr().out
    assert "cnnrun __complete" in script
    assert f"cnnrun completion {shell}" in script.splitlines()[0], "how to install it"


@pytest.mark.parametrize("words", [["--help"], ["-h"], ["bash", "--help"]])
def test_the_help_tells_how_to_install_each_script(words, capsys):
    assert cli.main(["completion", *words]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "usage: cnnrun completion bash|zsh|fish"
    assert "  fish  cnnrun completion fish | source, for example in ~/.config/fish/config.fish" in lines


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "say for which shell: cnnrun completion bash, zsh or fish"),
        (["bsh"], "no completion for 'bsh' - did you mean 'bash'?: one of bash, zsh or fish"),
        (["tcsh"], "no completion for 'tcsh': one of bash, zsh or fish"),
    ],
)
def test_another_shell_is_refused(words, message, capsys):
    assert cli.main(["completion", *words]) == 2
    assert capsys.readouterr().err == f"cnnrun: error: {message}\n"


BASH = """
cnnrun() {{ {python} -m cnnrun "$@"; }}
{script}
COMP_LINE={line!r} COMP_POINT={point} COMP_WORDS=({words}) COMP_CWORD={current}
_cnnrun
printf '%s\\n' "${{COMPREPLY[@]}}"
"""


@pytest.mark.parametrize(
    ("line", "words", "expected"),
    [
        ("cnnrun tr", ["cnnrun", "tr"], ["train"]),
        ("cnnrun train precision=", ["cnnrun", "train", "precision", "="], ["auto", "fp32", "bf16", "fp16"]),
        ("cnnrun train precision=b", ["cnnrun", "train", "precision", "=", "b"], ["bf16"]),
        ("cnnrun train device=cuda:", ["cnnrun", "train", "device", "=", "cuda", ":"], ["1"]),
        ("cnnrun train --cf", ["cnnrun", "train", "--cf"], ["--cfg"]),
    ],
)
def test_bash_gets_only_the_piece_behind_its_word_break(line, words, expected, tmp_path):
    script = subprocess.run(
        [sys.executable, "-m", "cnnrun", "completion", "bash"], capture_output=True, text=True, check=True
    ).stdout
    text = BASH.format(
        python=sys.executable,
        script=script,
        line=line,
        point=len(line),
        words=" ".join(f"'{word}'" for word in words),
        current=len(words) - 1,
    )
    done = subprocess.run(["bash", "-c", text], capture_output=True, text=True, cwd=tmp_path, check=True)
    assert done.stdout.split() == expected

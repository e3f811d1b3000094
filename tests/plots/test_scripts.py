"""What is said of characters that no font has. `pytest tests/plots/test_scripts.py`"""

import numpy as np
import pandas as pd
import pytest

from cnnrun.plots import fonts
from cnnrun.plots.scripts import scripts, what_to_install
from cnnrun.report import drawing


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("玫瑰", ["Chinese, Japanese or Korean"]),
        ("かカ한", ["Chinese, Japanese or Korean"]),
        ("🌻👍\U0001f3fd\N{ZERO WIDTH JOINER}\N{VARIATION SELECTOR-16}", ["emoji and other symbols"]),
        ("कि", ["Devanagari"]),
        ("ไทย", ["Thai"]),
        ("\U0010fffd\x85", []),
    ],
)
def test_characters_belong_to_a_writing(text: str, found: list[str]) -> None:
    assert scripts(text) == found


def test_each_writing_has_a_package() -> None:
    assert what_to_install(scripts("玫🌻")).endswith("(on Debian and Ubuntu: fonts-noto-cjk, fonts-symbola)")
    assert what_to_install(scripts("ไκ")).endswith(
        "(Greek; Thai), so figures show boxes in their place; install one that "
        "has them (on Debian and Ubuntu: fonts-noto-core)"
    )


def test_figures_with_boxes_are_warned_of_once(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(fonts, "_FAMILY_OF", {"a": "A", "玫": None})
    monkeypatch.setattr(fonts, "findSystemFonts", list)
    monkeypatch.setattr(drawing, "_WARNED_OF", set())
    classes = pd.DataFrame({"class": ["玫", "b"], **dict.fromkeys(("train", "val", "test"), np.ones(2, int))})
    for _ in range(2):
        assert drawing.draw("class_counts", classes).startswith(b"\x89PNG")
    assert capsys.readouterr().err.count("warning: no installed font has") == 1
    fonts._FAMILY_OF["ไ"] = None
    drawing.draw("class_counts", classes)
    assert "(Thai)" in capsys.readouterr().err

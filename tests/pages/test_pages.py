"""What the HTML files hold, without a browser. `pytest tests/pages`"""

import base64
import hashlib
import math
import re
import subprocess
import sys
import zipfile
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

import numpy as np
import pandas as pd
import pytest

from cnnrun.pages import PageCell, PageColumn, PageFigure, PageTable, page, run_page
from cnnrun.pages.parts import decimals, drawn, written
from tests.pages.example import ATTRIBUTE, FOLDER, HOSTILE, example_page, png

VOID = {"meta", "link", "img", "input", "wbr", "br"}


class Elements(HTMLParser):
    """All elements with their attributes, and that each is closed."""

    def __init__(self, content: bytes) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.texts: list[str] = []
        self.feed(content.decode())
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts.append(data)

    def attributes(self, name: str) -> list[str]:
        return [attributes[name] or "" for _, attributes in self.found if name in attributes]


@pytest.fixture(scope="module")
def elements() -> Elements:
    return Elements(example_page())


def test_values_stay_text(elements):
    tags = [tag for tag, _ in elements.found]
    assert tags.count("script") == 1
    names = {name for _, attributes in elements.found for name in attributes}
    assert not [name for name in names if name.startswith("on")]
    assert HOSTILE in "".join(elements.texts)
    assert ATTRIBUTE in "".join(elements.texts)


def test_links_are_relative_paths(elements):
    links = [link for link in elements.attributes("href") if link != "data:,"]
    assert links
    assert not [link for link in links if re.match(r"[a-z]+:|//", link)]
    assert FOLDER in {unquote(link) for link in links}
    assert not [link for link in links if "?" in link or "#" in link[1:]]


def test_nothing_is_loaded(elements):
    assert all(source.startswith("data:image/png;base64,") for source in elements.attributes("src"))
    assert not {tag for tag, _ in elements.found} & {"iframe", "object", "embed", "base", "form"}
    policy = next(value for value in elements.attributes("content") if "default-src" in value)
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy


def test_the_policy_names_the_script_and_the_style_that_are_there():
    text = example_page().decode()
    for tag in ("script", "style"):
        (inside,) = re.findall(f"<{tag}>(.*?)</{tag}>", text, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(inside.encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in text.replace("&#39;", "'")


def test_figures_are_there_once_with_text_and_size(elements):
    images = [attributes for tag, attributes in elements.found if tag == "img"]
    assert [image["alt"] for image in images] == [HOSTILE, ATTRIBUTE]
    assert [(image["width"], image["height"]) for image in images] == [("1200", "560"), ("240", "160")]
    stored = base64.b64decode((images[1]["src"] or "").partition(",")[2])
    assert stored == png(300, 200)


@pytest.mark.parametrize(
    ("value", "text", "value_sorted_by"),
    [
        ("word", "word", None),
        (7, "7", None),
        (np.int64(7), "7", None),
        (0.123456789, "0.123457", "0.123456789"),
        (0.5, "0.5", None),
        (np.float64(0.25), "0.25", None),
        (None, "", None),
        (math.nan, "", None),
        (pd.NA, "", None),
        (True, "yes", None),
        (np.bool_(False), "no", None),
        (PageCell("37m 7s", 2227.0), "37m 7s", "2227.0"),
        (PageCell("0.9", note="0.8 to 1"), "0.9", "0.9"),
        (PageCell("", math.nan), "", ""),
    ],
)
def test_values_are_written_and_sorted(value, text, value_sorted_by):
    cell = drawn({"x": value}, PageColumn("x", "number"), None)
    assert (cell.text, cell.value) == (text, value_sorted_by)


def test_numbers_have_the_digits_of_their_column():
    assert written(0.98765, 3) == "0.988"
    assert written(1.0, 4) == "1.0000"


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([0.1, 0.01, 0.0001], None),
        ([0.993056, 1.0, math.nan, None], 4),
        ([48.348912, 1.5], 2),
        ([19775.03562, 0.5], 1),
        ([0.0000123456, 0.5], None),
        ([0.0, 1.0], None),
        (["text", 3], None),
        ([], None),
    ],
)
def test_measured_numbers_of_a_column_have_the_same_decimals(values, expected):
    assert decimals(values) == expected


def test_a_page_of_nothing_is_a_page():
    Elements(page("nothing", facts=[], tables=[]))


def results() -> list[dict[str, str]]:
    rows = [
        ("train", "accuracy", "1.0", "0.99", "1.0", "100"),
        ("val", "accuracy", "0.95", "", "", "10"),
        ("test", "accuracy", "0.9", "0.85", "0.94", "20"),
        ("test", "mae", "1234.5678", "", "", "20"),
    ]
    return [dict(zip(["split", "metric", "value", "low", "high", "n"], row, strict=True)) for row in rows]


def test_the_page_of_a_run_has_its_results_settings_and_folder():
    settings = {"model": {"name": "cnn", "channels": [32, 64], "norm": None}, "seed": 0, "augment": {}}
    classes = [{"class": "0", "support": "3", "predicted": "3", "precision": "1.0", "recall": "1.0", "f1": "1.0"}]
    content = run_page(
        HOSTILE,
        facts=[("status", "finished")],
        results=results(),
        settings=settings,
        figures=[PageFigure("curves", png())],
        per_class=classes,
        warnings=["few samples"],
        notes=["a note"],
        folder=".",
    )
    text = content.decode()
    found = Elements(content)
    table = text[text.index("<table") : text.index("</table>")]
    assert re.findall(r"<th scope=\"col\"[^>]*>(\w+)</th>", table) == ["metric", "test", "val", "train"]
    assert re.findall(r"data-value=\"([^\"]*)\"", table) == ["0.9", "0.95", "1.0", "1234.5678"]
    assert "0.8500 to 0.9400" in table
    assert "1234.6" in table
    read = "".join(found.texts)
    assert [words for words in ("[32,64]", "few samples", "a note", "finished") if words not in read] == []
    assert "." in found.attributes("href")


def test_settings_are_written_as_on_the_command_line():
    settings = {"model": {"channels": [1, None], "bias": True}, "x": {}, "lr": 0.1}
    table = Elements(run_page("a", facts=[], results=[], settings=settings)).texts
    written = [text.strip() for text in table if text.strip()]
    start = written.index("value")
    assert "".join(written[start + 1 : -1]).startswith("model.channels[1,null]model.biastruex{}lr0.1")


def test_a_run_that_left_no_results_has_a_page():
    Elements(run_page("killed", facts=[], results=[], settings={}))


def test_a_table_says_which_rows_stand_out_and_which_recede():
    table = PageTable("t", [PageColumn("a")], [{"a": "1", "best": True}, {"a": "2", "lost": True}], {}, "best", "lost")
    text = page("x", facts=[], tables=[table]).decode()
    assert text.count('class="strong"') == text.count('class="faint"') == 1


def test_a_thousand_runs_fit_in_a_file_of_two_megabytes():
    assert len(example_page(1000)) < 2_000_000


def test_pages_are_written_without_torch():
    code = "import sys, cnnrun.pages as p; p.page('x', facts=[], tables=[]); print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


@pytest.mark.slow
def test_the_wheel_holds_template_style_and_script(tmp_path):
    root = Path(__file__).parents[2]
    command = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--wheel-dir", str(tmp_path), str(root)]
    subprocess.run(command, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    assert {f"cnnrun/pages/page.{kind}" for kind in ("html", "css", "js")} <= names

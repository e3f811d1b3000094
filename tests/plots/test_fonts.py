"""Letters that the usual font lacks, from a font made here. `pytest tests/plots/test_fonts.py`"""

import io
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from fontTools.fontBuilder import FontBuilder
from fontTools.pens.ttGlyphPen import TTGlyphPen
from matplotlib.font_manager import FontProperties, fontManager
from PIL import Image

from cnnrun.plots import fonts
from cnnrun.plots.canvas import PIXELS_PER_INCH, TITLE_SIZE, inches_wide, new_figure, png
from cnnrun.plots.captioned import captioned
from cnnrun.plots.class_counts import class_counts
from cnnrun.plots.contact_sheet import Tile, contact_sheet

LETTER = chr(0x10FFFD)
"""For private use: no font of this machine is expected to have it."""
USUAL = FontProperties().get_family()


def square_font(path: Path) -> None:
    """A font whose only letter is a black square, one em wide and high, on the baseline."""
    pen = TTGlyphPen(None)
    for number, corner in enumerate([(0, 0), (0, 1000), (1000, 1000), (1000, 0)]):
        pen.lineTo(corner) if number else pen.moveTo(corner)
    pen.closePath()
    font = FontBuilder(1000, isTTF=True)
    font.setupGlyphOrder([".notdef", "square"])
    font.setupCharacterMap({ord(LETTER): "square"})
    font.setupGlyf({".notdef": TTGlyphPen(None).glyph(), "square": pen.glyph()})
    font.setupHorizontalMetrics({".notdef": (500, 0), "square": (1000, 0)})
    font.setupHorizontalHeader(ascent=1000, descent=0)
    font.setupOS2(sTypoAscender=1000, usWinAscent=1000)
    font.setupNameTable({"familyName": "Squares", "styleName": "Regular"})
    font.setupPost()
    font.save(path)


@pytest.fixture(autouse=True)
def _nothing_looked_up_yet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fonts, "_FAMILY_OF", {})
    monkeypatch.setattr(fonts, "findSystemFonts", list)


@pytest.fixture
def squares(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The font was installed after matplotlib had made its list."""
    square_font(tmp_path / "squares.ttf")
    (tmp_path / "broken.ttf").write_bytes(b"no font")
    monkeypatch.setattr(fontManager, "ttflist", list(fontManager.ttflist))
    files = [str(tmp_path / "broken.ttf"), str(tmp_path / "squares.ttf")]
    monkeypatch.setattr(fonts, "findSystemFonts", lambda: files)


def ink(picture: Image.Image) -> int:
    """Pixels that are nearly black."""
    return int((np.asarray(picture.convert("L")) < 80).sum())


def test_what_the_usual_font_has_needs_no_other() -> None:
    assert fonts.families("plain") == fonts.families("Кошка é …\n\x85") == USUAL
    assert fonts._FAMILY_OF == {}, "none was looked for"


def test_a_letter_that_no_font_has_stays_with_the_usual_one() -> None:
    assert fonts.families(f"a {LETTER}") == USUAL


@pytest.mark.usefixtures("squares")
def test_a_letter_is_measured_in_the_font_that_has_it() -> None:
    assert fonts.families(f"a {LETTER}") == [*USUAL, "Squares"]
    assert inches_wide(3 * LETTER, 72) == pytest.approx(3, abs=0.02)


@pytest.mark.usefixtures("squares")
def test_texts_of_a_figure_are_drawn_with_the_font_that_has_their_letters(caplog: pytest.LogCaptureFixture) -> None:
    figure = new_figure(2, 1, 3 * LETTER)
    figure.texts[-1].set_fontweight("bold")
    side = TITLE_SIZE / 72 * PIXELS_PER_INCH
    assert ink(Image.open(io.BytesIO(png(figure)))) == pytest.approx(3 * side**2, rel=0.15)
    assert caplog.messages == []


@pytest.mark.usefixtures("squares")
def test_names_of_classes_and_captions_of_photos_are_among_them() -> None:
    classes = pd.DataFrame({"class": [LETTER, "b"], "train": [2, 1], "val": [1, 1], "test": [1, 1]})
    sheet = contact_sheet([Tile(LETTER, np.zeros((4, 4, 3), np.uint8), [("cat", 0.9)])], "photos")
    for figure in (class_counts(classes), sheet):
        png(figure)
        drawn_with = [text.get_fontfamily() for text in figure.findobj(fonts.Text) if text.get_text() == LETTER]
        assert drawn_with
        assert all(families == [*USUAL, "Squares"] for families in drawn_with)


@pytest.mark.usefixtures("squares")
def test_an_annotated_copy_mixes_the_fonts_of_a_line() -> None:
    white = np.full((400, 400, 3), 255, np.uint8)
    both, letter = (ink(captioned(white, [line])) for line in (f"{LETTER} 98%", LETTER))
    assert letter == pytest.approx(18**2, rel=0.15)
    assert both > letter + 20

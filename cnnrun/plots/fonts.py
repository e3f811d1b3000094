"""Fonts for what the usual one has no letters for: class names may be in any script, and hold emoji."""

from collections.abc import Iterable, Mapping
from contextlib import suppress
from functools import cache
from itertools import groupby

from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties, findfont, findSystemFonts, fontManager
from matplotlib.ft2font import FT2Font
from matplotlib.text import Text

LAST_RESORT = "Last Resort"
"""How the name of a font begins that comes with matplotlib and has a box for every character."""
_FAMILY_OF: dict[str, str | None] = {}
"""What was found for a character so far; None where no font has it, and it stays a box."""


def families(text: str) -> list[str]:
    """The usual fonts, and behind them those on this machine that have what the usual one lacks."""
    return [*FontProperties().get_family(), *_families_beside(text)]


def runs(text: str) -> list[tuple[str, str]]:
    """A text in parts that one font can write, each behind the file of that font."""
    _families_beside(text)
    parts = groupby(text, key=_FAMILY_OF.get)
    return [(findfont(FontProperties(family=[family] if family else None)), "".join(part)) for family, part in parts]


def use_fonts(figure: Figure) -> None:
    """Let each text of a figure that the usual font cannot write be drawn with those that can."""
    for text in figure.findobj(Text):
        assert isinstance(text, Text)
        if beside := _families_beside(text.get_text()):
            text.set_fontfamily([*text.get_fontfamily(), *beside])
            text.set_fontweight("normal")  # few of them are bold as well, and matplotlib would say so on stderr


def lacking() -> list[str]:
    """The characters that were to be drawn so far, in any figure, and that no font has."""
    return [character for character, family in _FAMILY_OF.items() if family is None]


def _families_beside(text: str) -> list[str]:
    """Those that the usual font needs beside it."""
    if text.isascii():
        return []
    visible = dict.fromkeys("".join(text.split()))
    lacking = [character for character in visible if ord(character) not in _usual_characters()]
    _look_up({character for character in lacking if character not in _FAMILY_OF})
    found = [_FAMILY_OF[character] for character in lacking]
    return [family for family in dict.fromkeys(found) if family]


@cache
def _usual_characters() -> frozenset[int]:
    return frozenset(FT2Font(findfont(FontProperties())).get_charmap())


def _look_up(characters: set[str]) -> None:
    """Note a font for each: one that other texts need, else one that matplotlib knows, else one that is new here."""
    for fonts in (_in_use, _known, _new):
        if characters:
            has = {family: _had(file, characters) for family, file in fonts().items()}
            characters = characters - _note_fewest(has)
    _FAMILY_OF.update(dict.fromkeys(characters))


def _note_fewest(has: Mapping[str, set[str]]) -> set[str]:
    """Note the font with the most characters, then the one with the most of the others; all that were found."""
    found: set[str] = set()
    while more := {family: own - found for family, own in has.items() if own - found}:
        family = max(more, key=lambda name: len(more[name]))
        _FAMILY_OF.update(dict.fromkeys(more[family], family))
        found |= more[family]
    return found


def _known() -> dict[str, str]:
    """Name and file of the fonts that matplotlib knows, of one face each: the others of a family have the same."""
    fonts: dict[str, str] = {}
    for font in fontManager.ttflist:
        if not font.name.startswith(LAST_RESORT):
            fonts.setdefault(font.name, font.fname)
    return fonts


def _in_use() -> dict[str, str]:
    families = set(_FAMILY_OF.values())
    return {family: file for family, file in _known().items() if family in families}


def _new() -> dict[str, str]:
    """Those that were installed after matplotlib made its list, which it keeps on the disk."""
    before = {font.fname for font in fontManager.ttflist}
    for file in findSystemFonts():
        if file not in before:
            with suppress(OSError, RuntimeError, NotImplementedError):  # damaged, or letters of one size only
                fontManager.addfont(file)
    return {family: file for family, file in _known().items() if file not in before}


def _had(file: str, characters: Iterable[str]) -> set[str]:
    """Those of the characters that a font has; none where it cannot be read."""
    try:
        font = FT2Font(file)
        return {character for character in characters if font.get_char_index(ord(character))}
    except (OSError, RuntimeError):
        return set()

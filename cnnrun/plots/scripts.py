"""Which writing a character belongs to, and which package has a font for it."""

import unicodedata
from collections.abc import Iterable

EAST_ASIAN = "Chinese, Japanese or Korean"
SYMBOLS = "emoji and other symbols"
PACKAGES = {EAST_ASIAN: "fonts-noto-cjk", SYMBOLS: "fonts-symbola"}
"""Of Debian and Ubuntu. Not fonts-noto-color-emoji: its letters are pictures, which matplotlib cannot draw."""
OF_OTHERS = "fonts-noto-core"
_EAST_ASIAN_WORDS = ("CJK", "HIRAGANA", "KATAKANA", "HANGUL", "BOPOMOFO", "FULLWIDTH", "HALFWIDTH", "IDEOGRAPHIC")
"""How the names of such characters begin in Unicode."""


def scripts(characters: Iterable[str]) -> list[str]:
    """The writings that characters belong to, sorted; of what is invisible or has no name: none."""
    return sorted({script for character in characters if (script := _script(character))})


def what_to_install(missing: Iterable[str]) -> str:
    """The sentence on writings, at least one, that no font has."""
    names = list(missing)
    packages = dict.fromkeys(PACKAGES.get(name, OF_OTHERS) for name in names)
    return (
        f"no installed font has the characters of some names ({'; '.join(names)}), so figures show boxes in their "
        f"place; install one that has them (on Debian and Ubuntu: {', '.join(packages)})"
    )


def _script(character: str) -> str | None:
    first = unicodedata.name(character, "").split(" ")[0]
    category = unicodedata.category(character)
    if not first or category.startswith("C") or first == "VARIATION":
        return None
    if first in _EAST_ASIAN_WORDS:
        return EAST_ASIAN
    return SYMBOLS if category.startswith("S") else first.capitalize()

"""A comparison, or a run, as one HTML file that needs nothing else: no network, no server, no framework.

Names of runs may be a stranger's, so the template escapes every value, links are paths and nothing but paths, and the
page forbids itself to load or run anything that it does not hold (Content-Security-Policy).
"""

import base64
import hashlib
import re
from collections.abc import Iterable, Sequence
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING
from urllib.parse import quote

from cnnrun.pages.parts import PageFigure, PageTable, drawn, is_short, with_decimals
from cnnrun.plots.packed import packed

if TYPE_CHECKING:
    from jinja2 import Template
    from markupsafe import Markup

MOST_ON_PAPER = 16
"""Columns that fit on a page in their own width; more share it in a smaller size."""
Pairs = Sequence[tuple[str, str]]


def page(
    title: str,
    *,
    facts: Pairs,
    tables: Sequence[PageTable],
    figures: Sequence[PageFigure] = (),
    settings: Pairs = (),
    warnings: Sequence[str] = (),
    notes: Sequence[str] = (),
    links: Pairs = (),
) -> bytes:
    """The HTML file.

    Args:
        facts: name and value: what was compared, when, with which versions.
        settings: those that differ, each with its values.
        warnings: what a reader must know first. notes: on the whole page: how the intervals were made.
        links: text and path, relative to where the page will lie.
    """
    css, js = _source("page.css"), _source("page.js")
    policy = f"default-src 'none'; img-src data:; style-src '{_hash(css)}'; script-src '{_hash(js)}'"
    shown = [PageFigure(figure.caption, packed(figure.png), figure.alt or figure.caption) for figure in figures]
    text = _template().render(
        title=title,
        policy=policy,
        css=_safe(css),
        js=_safe(js),
        facts=facts,
        tables=[with_decimals(table) for table in tables],
        figures=shown,
        settings=settings,
        warnings=warnings,
        notes=notes,
        links=links,
    )
    return text.encode()


@cache
def _template() -> "Template":
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("cnnrun.pages", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "path": path,
        "breakable": breakable,
        "data_uri": lambda png: f"data:image/png;base64,{base64.b64encode(png).decode()}",
    }
    environment.globals |= {"drawn": drawn, "is_short": is_short, "most_on_paper": MOST_ON_PAPER}
    return environment.get_template("page.html")


def path(path: str) -> str:
    """A path as a link: no character of it can make it another kind of address."""
    return quote(str(path).replace("\\", "/"), safe="/")


def breakable(text: str) -> "Markup":
    """Escaped text that may be broken into lines behind the signs that join the parts of a name."""
    from markupsafe import Markup, escape

    return Markup("<wbr>").join(escape(part) for part in _parts(text))


def _parts(text: str) -> Iterable[str]:
    return re.split(r"(?<=[,/=_])(?![,/=_])|(?<=\.)(?=[^\W\d])", text)


def _source(name: str) -> str:
    return (files("cnnrun.pages") / name).read_text(encoding="utf-8")


def _safe(text: str) -> "Markup":
    """Our own file, as it is."""
    from markupsafe import Markup

    return Markup(text)


def _hash(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"

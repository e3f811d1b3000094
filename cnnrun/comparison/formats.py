"""The table that is shown, as text on the screen, as CSV, as Markdown and as TeX."""

import csv
import io
import sys
from collections.abc import Sequence

from cnnrun.comparison.sheets import Sheet
from cnnrun.comparison.wording import PLAIN
from cnnrun.console.grid import write_table

_TEX = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "|": r"\textbar{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    '"': r"\textquotedbl{}",
    "±": r"$\pm$",
    "≈": r"$\approx$",
    "▸": r"$\triangleright$",
    "†": r"$\dagger$",
    "×": r"$\times$",
    "*": r"$\ast$",
}
_MARKDOWN = str.maketrans({sign: f"\\{sign}" for sign in "\\|*_`[]~"} | {"<": "&lt;", "&": "&amp;"})


def markdown(sheet: Sheet, remarks: Sequence[str]) -> str:
    """A table of GitHub's kind, and the remarks as a list below it."""
    rows = [
        [_bold(text, (row, place) in sheet.bold) for place, text in enumerate(line)]
        for row, line in enumerate(sheet.rows)
    ]
    lines = [
        [name.translate(_MARKDOWN) for name in sheet.columns],
        ["---:" if right else "---" for right in sheet.numeric],
    ]
    table = ["| " + " | ".join(line) + " |" for line in [*lines, *rows]]
    return "\n".join([*table, "", *(f"- {remark.translate(_MARKDOWN)}" for remark in remarks), ""])


def latex(sheet: Sheet, remarks: Sequence[str]) -> str:
    r"""A tabular with the rules of booktabs; the remarks are comments above it."""
    alignment = "".join("r" if right else "l" for right in sheet.numeric)
    lines = [
        r"% \usepackage{booktabs}",
        *(f"% {remark}" for remark in remarks),
        rf"\begin{{tabular}}{{{alignment}}}",
        r"\toprule",
        _tex_line(sheet.columns),
        r"\midrule",
    ]
    for row, line in enumerate(sheet.rows):
        texts = [
            rf"\textbf{{{escaped(text)}}}" if (row, place) in sheet.bold else escaped(text)
            for place, text in enumerate(line)
        ]
        lines.append(" & ".join(texts) + r" \\")
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}", ""])


def escaped(text: str) -> str:
    """Text with nothing left that TeX takes for a command."""
    return "".join(_TEX.get(sign, sign) for sign in text)


def comma_separated(sheet: Sheet, remarks: Sequence[str] = ()) -> str:
    """The texts of the table, as they are shown."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(sheet.columns)
    writer.writerows(sheet.rows)
    return stream.getvalue()


PRINTED = {"csv": comma_separated, "md": markdown, "tex": latex}
"""What can stand on stdout in the place of text."""


def show(sheet: Sheet, remarks: Sequence[str], wanted: Sequence[str]) -> None:
    """Write the table on stdout: in the one format of PRINTED that is wanted, as text where there is not just one.

    Raises:
        OSError: if nobody reads it, or the disk behind it is full.
    """
    kinds = [kind for kind in wanted if kind in PRINTED]
    if len(kinds) == 1 and len(wanted) == 1:
        print(_showable(PRINTED[kinds[0]](sheet, remarks)), end="")
        return
    columns = [[_showable(text) for text in column] for column in zip(sheet.columns, *sheet.rows, strict=True)]
    padded = [
        [text.rjust(max(map(len, column))) if right else text for text in column]
        for column, right in zip(columns, sheet.numeric, strict=True)
    ]
    heads = [column[0] for column in padded]
    rows = [dict(zip(heads, line, strict=True)) for line in list(zip(*padded, strict=True))[1:]]
    write_table(rows, [head for head in heads if head.strip() in sheet.dispensable])


def _showable(text: str) -> str:
    """Text in the letters of the screen: some have no ±."""
    try:
        text.encode(sys.stdout.encoding or "utf-8")
    except UnicodeEncodeError:
        return text.translate(PLAIN).encode(sys.stdout.encoding, "replace").decode(sys.stdout.encoding)
    return text


def _tex_line(texts: Sequence[str]) -> str:
    return " & ".join(map(escaped, texts)) + r" \\"


def _bold(text: str, is_best: bool) -> str:
    text = text.translate(_MARKDOWN)
    return f"**{text}**" if is_best and text else text

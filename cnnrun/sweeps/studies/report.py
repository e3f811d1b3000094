"""Write the table that ends a study, study.csv and study.md, and show it."""

import csv
import io
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from cnnrun import console
from cnnrun.comparison.formats import markdown
from cnnrun.comparison.sheets import Sheet
from cnnrun.comparison.verdicts import NOT_PUBLISHED, NOT_RUN, Conclusion
from cnnrun.console.numbers import number
from cnnrun.files import write_bytes
from cnnrun.sweeps.studies.jobs import Case
from cnnrun.sweeps.studies.runs import told_by
from cnnrun.sweeps.studies.study import Claim, Place, Study, titled
from cnnrun.sweeps.studies.table import conclusions_of, notes, rows_of, title
from cnnrun.tables import STUDY

INDENT = "    "

Rows = Sequence[dict[str, Any]]
Conclusions = Sequence[tuple[Claim, Conclusion]]


def finish(study: Study, cases: Sequence[Case], folder: Path, *, show: bool) -> None:
    """Compare what has run so far with what was published.

    Args:
        cases: all of the study's table, also those that were not asked for this time.
    """
    runs = told_by(cases, folder)
    if not any(runs.values()):
        return
    rows, conclusions = rows_of(study, runs), conclusions_of(study, runs)
    write_bytes(folder / f"{STUDY.name}.csv", _csv(rows).encode())
    write_bytes(folder / f"{STUDY.name}.md", "\n".join(_markdown(study, rows, conclusions)).encode())
    if show:
        foot = [*_claim_lines(conclusions), *notes(study, rows), f"table: {folder / STUDY.name}.csv and .md"]
        console.table([_shown(row) for row in rows], ["", *foot], ["chosen", "dead"], head=["", title(study), ""])


def _csv(rows: Rows) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, STUDY.names, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def _shown(row: Mapping[str, Any]) -> dict[str, Any]:
    """As a person reads it; without the remarks."""
    place = {"row": row["row"]} | ({"col": row["col"]} if row["col"] else {})
    return place | {
        "cell": row["cell"],
        "ours": _ours(row),
        "seeds": row["n"],
        "published": _number(row["published"]),
        "difference": _with_half(row["difference"], row["half"], "+"),
        "verdict": row["verdict"],
        "chosen": row["chosen"],
        "dead": row["dead"],
    }


def _ours(row: Mapping[str, Any]) -> str:
    return _with_half(row["mean"], None if row["high"] is None else row["high"] - row["mean"])


def _with_half(value: float | None, half: float | None, sign: str = "") -> str:
    """`0.9860 ± 0.0021`, without the second where there is none."""
    if value is None:
        return ""
    plus = sign if value >= 0 else ""
    if half is None or math.isnan(half):
        return f"{plus}{number(value)}"
    if max(abs(value), half) < 0.001:
        return f"{plus}{number(value)} ± {number(half)}"
    return f"{plus}{value:.4f} ± {half:.4f}"


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:g}"


def _claim_lines(conclusions: Conclusions, head: str = "", inside: str = INDENT) -> Iterator[str]:
    """A line for each claim, and one below it for each of its differences."""
    for claim, found in conclusions:
        expected = "above 0" if claim.within is None else f"within {claim.within:g} of 0"
        places = f" in {claim.of} of" if len(claim.differences) > 1 else ""
        yield f'{head}"{claim.says}": {found.word}; expects {claim.cell} {expected}{places}'
        yield from (f"{inside}{test}" for test in _tests(claim, found))
    if conclusions:
        yield ""


def _tests(claim: Claim, found: Conclusion) -> Iterator[str]:
    for difference, estimate, seeds in zip(claim.differences, found.differences, found.seeds, strict=True):
        sides = [" + ".join(map(titled, side)) for side in (difference.more, difference.less)]
        value = f"{_with_half(estimate.value, estimate.high - estimate.value, '+')} (n = {seeds})"
        yield f"[{sides[0]}] - [{sides[1]}]: {value if seeds else NOT_RUN}"


def _markdown(study: Study, rows: Rows, conclusions: Conclusions) -> Iterator[str]:
    yield from (f"# {title(study)}", "")
    yield from (f"{sentence}.  " for sentence in notes(study, rows))
    yield ""
    for cell in study.cells if len(study.cols) > 1 else []:
        yield from (f"## {cell}", "", _pivot(study, [row for row in rows if row["cell"] == cell]))
    yield from ("## All cells", "") if len(study.cols) > 1 else ()
    named = [_shown(row) | {"remark": row["remark"]} for row in rows]
    yield _table(list(named[0]), [[str(value) for value in row.values()] for row in named])
    if conclusions:
        yield from ("## What the document says", "")
        yield from _claim_lines(conclusions, "- ", "  - ")


def _pivot(study: Study, rows: Rows) -> str:
    """Ours, the published number and the verdict, as the document had laid them out."""
    by_place: dict[Place, Mapping[str, Any]] = {(row["row"], row["col"]): row for row in rows}
    lines = []
    for label in study.rows:
        found = [by_place.get((label, col)) for col in study.cols]
        lines.append([label, *(_in_pivot(row) if row else "" for row in found)])
    return _table(["ours; published: verdict", *study.cols], lines)


def _in_pivot(row: Mapping[str, Any]) -> str:
    dead = f" (dead: seed {row['dead']})" if row["dead"] else ""
    ours = f"{_ours(row)}{row['chosen']}{dead}" or NOT_RUN
    if row["verdict"] in (NOT_PUBLISHED, NOT_RUN):
        return ours if row["published"] is None else f"{ours}; {_number(row['published'])}"
    return f"{ours}; {_number(row['published'])}: {row['verdict']}"


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    return markdown(Sheet(STUDY.name, list(columns), [list(row) for row in rows], [False] * len(columns)), [])

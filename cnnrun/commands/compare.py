"""`cnnrun compare`: runs in one table, on the screen and in files. Trains nothing, and imports no torch."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cnnrun import comparison, console
from cnnrun import config as configs
from cnnrun.comparison import Comparison, formats, remarks, report, sheets
from cnnrun.comparison.compared import require_metrics
from cnnrun.comparison.figures import Figure, figures
from cnnrun.comparison.pivot import Pivot, pivot
from cnnrun.comparison.reference import as_published, reference_table
from cnnrun.comparison.sheets import Sheet
from cnnrun.config import Invocation
from cnnrun.errors import DataError, NotWritten
from cnnrun.files import write_bytes
from cnnrun.run import Run
from cnnrun.settings import CompareSettings
from cnnrun.signals import Signals

if TYPE_CHECKING:
    import pandas as pd

HTML = "html"
REPORT, PAGES = "report.html", "pages"
"""The page of the comparison, and the folder of those of its runs."""


@dataclass(frozen=True)
class Shown:
    """The table that was asked for."""

    sheet: Sheet
    remarks: list[str]
    tables: "dict[str, pd.DataFrame]"
    """CSVs for programs, by name."""
    pivot: Pivot | None = None


def compare(config: dict[str, Any], invocation: Invocation) -> None:
    """Write the tables of a comparison; on stdout goes the one that was asked for, and nothing else.

    Raises:
        ConfigError: if no runs are found, or what is asked for is not in them.
        DataError: if none of them can be read.
    """
    settings = configs.bind(CompareSettings, config)
    words = comparison.several(settings.runs)
    paths = comparison.find(words)
    runs, problems = comparison.read(paths, comparison.names(paths))
    if not runs:
        raise DataError(f"none of the {len(paths)} runs can be read; {problems[0]}")
    compared = comparison.compare(runs, settings.sort)
    shown = _shown(compared, settings)
    wanted = [*_several(settings.format), *([HTML] if settings.pages else [])]
    run = Run.create(invocation.output_dir, config, command="compare", of=", ".join(words), runs=list(map(str, paths)))
    with run.recorded(), Signals() as signals:
        signals.interrupt_at_once()
        drawn = _draw(run, compared, shown, problems) if settings.figures else []
        _write(run, shown, wanted)
        if HTML in wanted:
            problems += _write_pages(run, compared, shown, drawn, problems, each=settings.pages)
        run.update(status="finished", problems=problems, notes=shown.remarks)
    console.tell_all(problems, shown.remarks)
    try:
        _print(shown, wanted)
    finally:
        console.tell(f"comparison folder: {run.path}")


def _shown(compared: Comparison, settings: CompareSettings) -> Shown:
    tables = {"compare": compared.runs}
    if compared.has_seeds:
        tables["groups"] = compared.groups
    cells = _several(settings.cells)
    require_metrics("cells", cells, compared.facts)
    if settings.columns == "reference":
        frame, left_out = reference_table(compared.facts)
        tables["reference"] = as_published(frame)
        return Shown(sheets.of_reference(frame), [*left_out, *remarks.of_reference(compared.facts)], tables)
    shown = cells or sheets.headline_metrics(compared)
    if settings.rows is None:
        return Shown(sheets.overview(compared, shown), remarks.of_comparison(compared, shown), tables)
    pivoted = pivot(compared, _several(settings.rows), _several(settings.cols), shown)
    tables["pivot"] = pivoted.long()
    return Shown(sheets.of_pivot(pivoted), remarks.of_pivot(compared, pivoted), tables, pivoted)


def _write(run: Run, shown: Shown, wanted: Sequence[str]) -> None:
    for name, frame in shown.tables.items():
        write_bytes(run.path / f"{name}.csv", frame.to_csv(index=False, lineterminator="\n").encode())
    for kind in wanted:
        if kind in ("md", "tex"):
            text = formats.PRINTED[kind](shown.sheet, shown.remarks)
            write_bytes(run.path / f"{shown.sheet.name}.{kind}", text.encode())


def _print(shown: Shown, wanted: Sequence[str]) -> None:
    """Write the table on stdout, as far as somebody reads it.

    Raises:
        NotWritten: if the disk behind it is full.
    """
    try:
        formats.show(shown.sheet, shown.remarks, wanted)
    except BrokenPipeError:
        pass
    except OSError as error:
        raise NotWritten(f"could not write to the standard output: {error.strerror}") from error


def _draw(run: Run, compared: Comparison, shown: Shown, problems: list[str]) -> list[Figure]:
    made = []
    for name, caption, png in figures(compared, shown.pivot, problems):
        run.write_figure(name, png)
        made.append((name, caption, png))
    return made


def _write_pages(
    run: Run, compared: Comparison, shown: Shown, drawn: list[Figure], problems: list[str], *, each: bool
) -> list[str]:
    """Write report.html, and a page for each run if asked for; returns why a run has none, a sentence each."""
    pages, lacking = {}, []
    for number, one in enumerate(compared.facts if each else (), start=1):
        try:
            content = report.of_run(one, run.path / PAGES)
        except DataError as error:
            lacking.append(f"no page of {one.name}: {error}")
            continue
        pages[one.name] = f"{PAGES}/{number:04}.html"
        write_bytes(run.path / pages[one.name], content)
    content = report.of_comparison(
        compared,
        shown.sheet,
        f"Comparison of {run.record['of']}",
        folder=run.path,
        remarks=shown.remarks,
        problems=[*problems, *lacking],
        figures=drawn,
        files=sorted(file.name for file in run.path.iterdir() if file.suffix in (".csv", ".md", ".tex")),
        pages=pages,
    )
    write_bytes(run.path / REPORT, content)
    return lacking


def _several(value: str | Sequence[str] | None) -> list[str]:
    """A setting that is one name, several, or none."""
    return [] if value is None else [value] if isinstance(value, str) else list(dict.fromkeys(value))

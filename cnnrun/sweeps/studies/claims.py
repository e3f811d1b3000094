"""What a document has published of a study: its numbers, where it contradicts itself, and its conclusions."""

from collections.abc import Iterator, Mapping

from cnnrun.sweeps.studies.study import ONLY, Claim, Difference, Place, Published, Study, check_cell, titled
from cnnrun.sweeps.studies.yaml_node import Node, Number

NOTHING = "null"
"""In the place of a number: the document has none."""


def published_of(node: Node, study: Study) -> Published:
    """Read the numbers, one a cell of each row and column.

    Raises:
        ConfigError: if they do not fit the rows, columns and cells of the study.
    """
    parts = node.mapping(("source", "n", "remark", "values", "inconsistent"))
    values = dict(_values(parts["values"], study)) if "values" in parts else {}
    return Published(
        parts["source"].text() if "source" in parts else "",
        parts["n"].count() if "n" in parts else None,
        parts["remark"].text() if "remark" in parts else "",
        values,
        dict(_slips(parts["inconsistent"], study, values)) if "inconsistent" in parts else {},
    )


def claims_of(node: Node, study: Study) -> list[Claim]:
    """Read the conclusions.

    Raises:
        ConfigError: if one is not told whole, or names what the study has not.
    """
    return [_claim(entry, study) for entry in node.entries()]


def _values(node: Node, study: Study) -> Iterator[tuple[tuple[Place, str], Number]]:
    for row, of_row in _by_label(node, study.rows).items():
        by_col = {ONLY: of_row} if ONLY in study.cols else _by_label(of_row, study.cols)
        for col, numbers in by_col.items():
            entries = numbers.entries()
            if len(entries) != len(study.cells):
                wanted = f"{len(study.cells)}, one a cell ({', '.join(study.cells)})"
                raise numbers.wrong(f"must be {wanted}, not {len(entries)}; {NOTHING} where nothing was published")
            for cell, entry in zip(study.cells, entries, strict=True):
                if entry.value != NOTHING:
                    yield ((row, col), cell), entry.number()


def _by_label(node: Node, labels: Mapping[str, object]) -> dict[str, Node]:
    found = node.mapping()
    for label in found:
        Node(node.file, node.where, label).one_of(labels)
    return found


def _slips(
    node: Node, study: Study, values: Mapping[tuple[Place, str], Number]
) -> Iterator[tuple[tuple[Place, str], str]]:
    for entry in node.entries():
        parts = entry.mapping(("row", "col", "cell", "why"))
        if missing := [key for key in ("row", "why") if key not in parts]:
            raise entry.wrong(f"needs {' and '.join(missing)}")
        place = parts["row"].one_of(study.rows), parts["col"].one_of(study.cols) if "col" in parts else ONLY
        cells = [parts["cell"].one_of(study.cells)] if "cell" in parts else study.cells
        found = [(place, cell) for cell in cells if (place, cell) in values]
        if not found:
            raise entry.wrong(f"nothing is published for '{titled(place)}'")
        yield from ((each, parts["why"].text()) for each in found)


def _claim(node: Node, study: Study) -> Claim:
    parts = node.mapping(("says", "cell", "of", "within", "differences"))
    if missing := [key for key in ("says", "cell", "differences") if key not in parts]:
        raise node.wrong(f"needs {' and '.join(missing)}")
    if "of" in parts:
        parts["of"].one_of(("all", "any"))
    return Claim(
        parts["says"].text(),
        check_cell(parts["cell"]),
        "any" if "of" in parts and parts["of"].value == "any" else "all",
        parts["within"].number().value if "within" in parts else None,
        [_difference(entry, study) for entry in parts["differences"].entries()],
    )


def _difference(node: Node, study: Study) -> Difference:
    parts = node.mapping(("more", "less"))
    if set(parts) != {"more", "less"}:
        raise node.wrong("needs more and less, each a list of places")
    known = {titled(place): place for place in study.places}
    more, less = ([known[label] for label in parts[side].some_of(known)] for side in ("more", "less"))
    return Difference(more, less)

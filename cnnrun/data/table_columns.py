"""How the columns of tables are called that people write beside their pictures, for all who read such tables."""

from collections.abc import Sequence

from cnnrun.errors import near_miss

FILE = (
    *("path", "file", "filename", "file_name", "filepath", "file_path"),
    *("image", "image_path", "image_name", "photo", "picture"),
)
LABEL = ("label", "class", "class_name", "category", "target", "truth")
INDEX = ("class_index", "class_id", "index", "label_index")
SPLIT = ("split",)
KNOWN = frozenset((*FILE, *LABEL, *INDEX, *SPLIT))
"""In lower case; of several in one table the first counts."""
SHOWN = 4
"""Names for a column that a message lists."""


def plain(cell: str) -> str:
    """A cell of a header as the names above are written."""
    return cell.strip().strip('"').strip().lower()


def column_of(names: Sequence[str], header: Sequence[str]) -> str | None:
    """The first of the names that a plain header has."""
    return next((name for name in names if name in header), None)


def lacking(names: Sequence[str], header: Sequence[str]) -> str:
    """Of a header without any of the names: `no column path (or file, filename, ...) - did you mean 'paths'?`."""
    others = [cell for cell in header if cell not in KNOWN]
    close = next((near for name in names if (near := near_miss(name, others))), "")
    more = f" (or {', '.join(names[1:SHOWN])}{', ...' if len(names) > SHOWN else ''})" if len(names) > 1 else ""
    return f"no column {names[0]}{more}{close}"

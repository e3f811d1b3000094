"""The table of predictions: written a batch at a time, and read again to go on, to score and to draw."""

import csv
import errno
import io
import json
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from cnnrun.data.image_walk import shown
from cnnrun.errors import DataError, NotWritten
from cnnrun.files import write_bytes
from cnnrun.tables import PHOTOS

OK, BROKEN = "ok", "broken"


@dataclass(frozen=True, slots=True)
class Guess:
    """One of the most probable classes of a photo."""

    index: int
    label: str
    probability: float


@dataclass(frozen=True, slots=True)
class TrueClass:
    """What a photo shows, and what the network thought of that."""

    label: str
    index: int
    rank: int | None = None
    """1 where it was predicted, 2 where one other class was more probable; None for a broken file."""
    probability: float | None = None


@dataclass(frozen=True, slots=True)
class Row:
    """A file and what was predicted of it; a broken one has no guesses."""

    path: str
    error: str = ""
    truth: TrueClass | None = None
    entropy: float | None = None
    """Of the probabilities of all classes, in nats."""
    guesses: tuple[Guess, ...] = ()

    @property
    def is_broken(self) -> bool:
        return not self.guesses


class Writer:
    """Appends rows to the CSV, in a `with`; what was added is in the hands of the system when `add` returns."""

    def __init__(self, file: Path, top_k: int) -> None:
        self._file = file
        self._top_k = top_k
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        with self._told(), ExitStack() as opened:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            # Without a buffer, which would try again to write what a full disk has refused.
            self._stream = opened.enter_context(open(self._file, "ab", buffering=0))
            if self._stream.tell() == 0:
                self._append([columns(self._top_k)])
            self._stack = opened.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def add(self, rows: Sequence[Row]) -> None:
        """Raises: NotWritten: if the disk is full; the rows before stand."""
        with self._told():
            self._append([_cells(row, self._top_k) for row in rows])

    def _append(self, lines: Sequence[Sequence[str]]) -> None:
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows(lines)
        left = text.getvalue().encode(errors="backslashreplace")
        while left:
            left = left[self._stream.write(left) :]

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            full = "; free some space" if error.errno in (errno.ENOSPC, errno.EDQUOT) else ""
            raise NotWritten(f"could not write {self._file}: {error.strerror}; the rows before stand{full}") from error


def columns(top_k: int) -> list[str]:
    """Of the CSV with so many classes a row."""
    wide = [f"{name}_{rank}" for rank in range(1, top_k + 1) for name in ("index", "label", "probability")]
    return [*PHOTOS.names, *wide]


def _cells(row: Row, top_k: int) -> list[str]:
    truth = row.truth
    known = ["", "", "", ""]
    if truth is not None:
        known = [_line(truth.label), str(truth.index), _text(truth.rank), _text(truth.probability)]
    triples = [(str(guess.index), _line(guess.label), _text(guess.probability)) for guess in row.guesses]
    guesses = [cell for triple in triples for cell in triple]
    status = BROKEN if row.is_broken else OK
    start = [_line(shown(row.path)), status, _line(row.error), *known, _text(row.entropy)]
    return start + guesses + [""] * (3 * top_k - len(guesses))


def _text(number: float | None) -> str:
    return "" if number is None else f"{number:.6g}"


def _line(text: str) -> str:
    """Without ends of lines: in the file each row is one line, so that half of one can be told."""
    return text.replace("\r", "\\r").replace("\n", "\\n")


# --- reading


def keep_whole(file: Path, batch_size: int, top_k: int, total: int) -> int:
    """Cut the file behind its last whole batch, or behind the last of `total` rows; how many rows it has then.

    A process that was killed, or whose disk was full, may have left half a row, or half a batch.

    Raises:
        DataError: if it is not a table of this prediction.
    """
    lines = file.read_bytes().split(b"\n") if file.is_file() else [b""]
    whole = lines[:-1]
    if not whole:
        write_bytes(file, b"")
        return 0
    if whole[0].decode("utf-8", "replace") != ",".join(columns(top_k)) or len(whole) - 1 > total:
        raise DataError(f"{file} is not as this prediction left it; predict again, into a new folder")
    done = len(whole) - 1
    kept = done if done == total else done - done % batch_size
    write_bytes(file, b"".join(line + b"\n" for line in whole[: kept + 1]))
    return kept


def read_rows(file: Path) -> Iterator[Row]:
    """The rows of a CSV that is whole.

    Raises:
        DataError: if it is not as `Writer` made it.
    """
    try:
        with open(file, newline="", encoding="utf-8") as stream:
            for cells in csv.DictReader(stream):
                yield _row(cells)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"{file} is damaged ({error}); predict again, into a new folder") from error


def _row(cells: dict[str, str]) -> Row:
    truth = None
    if cells["truth_index"]:
        rank, probability = cells["truth_rank"], cells["truth_probability"]
        truth = TrueClass(
            cells["truth"],
            int(cells["truth_index"]),
            int(rank) if rank else None,
            float(probability) if probability else None,
        )
    guesses: list[Guess] = []
    while cells.get(f"index_{len(guesses) + 1}"):
        place = len(guesses) + 1
        index, label, share = (cells[f"{name}_{place}"] for name in ("index", "label", "probability"))
        guesses.append(Guess(int(index), label, float(share)))
    entropy = cells["entropy_nats"]
    return Row(cells["path"], cells["error"], truth, float(entropy) if entropy else None, tuple(guesses))


# --- JSON


def as_json(rows: Sequence[Row]) -> bytes:
    """The same in JSON, a photo a line."""
    lines = ",\n".join(json.dumps(_values(row), ensure_ascii=False) for row in rows)
    return f'{{"entropy_unit": "nats", "photos": [\n{lines}\n]}}\n'.encode()


def _values(row: Row) -> dict[str, Any]:
    values: dict[str, Any] = {"path": row.path, "status": BROKEN if row.is_broken else OK, "error": row.error or None}
    if row.truth is not None:
        truth = row.truth
        values["truth"] = {
            "label": truth.label,
            "index": truth.index,
            "rank": truth.rank,
            "probability": truth.probability,
        }
    values["entropy"] = row.entropy
    values["predictions"] = [
        {"label": guess.label, "index": guess.index, "probability": guess.probability} for guess in row.guesses
    ]
    return values

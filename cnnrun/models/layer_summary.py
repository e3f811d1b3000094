"""The layer table in a few lines for the screen: blocks in a row that are treated alike are one line."""

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any

from cnnrun.models.layer_schemes import Layer

HEAD = "head"
MIXED = "partly"


def layer_summary(rows: Sequence[Mapping[str, Any]], blocks: Sequence[Layer]) -> list[dict[str, Any]]:
    """Lines with the names, the parameters, those that train, and the mode of BatchNorm, from first to last.

    Args:
        rows: of tables.LAYERS. blocks: as `LayerRange` has them; what is in none and no head is left out.
    """
    by_name = {row["name"]: row for row in rows}
    heads = [row for row in rows if row["name"].partition(".")[0] == HEAD]
    lines = [_line(block.name, [by_name[name] for name in block.modules if name in by_name]) for block in blocks]
    lines.append(_line(HEAD, heads))
    return [_merged(list(run)) for _, run in groupby(lines, key=_treatment)]


def _line(name: str, rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    modes = {row["batch_norm"] for row in rows} - {""}
    return {
        "layers": name,
        "parameters": sum(row["parameters"] for row in rows),
        "train": sum(row["trainable"] for row in rows),
        "BatchNorm": MIXED if len(modes) > 1 else next(iter(modes), ""),
    }


def _treatment(line: Mapping[str, Any]) -> tuple[Any, ...]:
    """What lines must share to be one; the head stands alone, and so does a block of which only a part trains."""
    whole, part = line["parameters"], line["train"]
    alone = line["layers"] if line["layers"] == HEAD or 0 < part < whole else ""
    return alone, part > 0, line["BatchNorm"]


def _merged(lines: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    names = dict.fromkeys((lines[0]["layers"], lines[-1]["layers"]))
    totals = {key: sum(line[key] for line in lines) for key in ("parameters", "train")}
    return {"layers": " to ".join(names)} | totals | {"BatchNorm": lines[0]["BatchNorm"]}

"""The table that ends a run."""

from collections.abc import Mapping, Sequence
from typing import Any

from cnnrun.console.grid import write_table
from cnnrun.console.numbers import interval, number
from cnnrun.console.streams import output

GAP = "_gap"
"""How the name of a metric ends that is a difference between two splits."""
RIVAL = "/"
"""Between a metric and the baseline that it is of: mae/naive."""
OF_ONE = "["
"""Between a metric and the one of several series that it is of: mae[load]."""


def results(rows: Sequence[Mapping[str, Any]], folder: object, unit: str = "") -> None:
    """Write the table that ends a run: a line a metric, a column a split, and where the run lies.

    Args:
        rows: of tables.RESULTS. The interval is that of the last split: test, if it was read. Of a difference between
            two splits, such as accuracy_gap, the value and the interval stand below the table; metrics of baselines,
            such as mae/naive, in a table of their own, for the last split.
        unit: of the metrics that have one. Metrics of one of several series, such as mae[load], are left to the file.
    """
    gaps = [row for row in rows if row["metric"].endswith(GAP)]
    rivals = [row for row in rows if RIVAL in row["metric"]]
    own = [row for row in rows if row not in gaps and row not in rivals and OF_ONE not in row["metric"]]
    splits = list(dict.fromkeys(row["split"] for row in own))
    with output():
        write_table(_by_split(own, splits), splits[:-1])
        for row in gaps:
            print(f"\n{_gap(row)}")
        if unit and any(row["metric"] == "mae" for row in own):
            print(f"\nmae, rmse, bias and interval_width in {unit}, mape and smape in percent")
        if rivals:
            print()
            write_table(_beside_rivals(own, rivals, splits[-1]))
        print(f"\nrun folder: {folder}", flush=True)


def _by_split(own: Sequence[Mapping[str, Any]], splits: Sequence[str]) -> list[dict[str, Any]]:
    """A line a metric, with its value on each split and the interval of the last one; below them the samples."""
    last = splits[-1]
    lines: dict[str, dict[str, Any]] = {}
    for row in own:
        line = lines.setdefault(row["metric"], {"metric": row["metric"], **dict.fromkeys(splits)})
        line[row["split"]] = row["value"]
        if row["split"] == last:
            line[f"95 % of {last}"] = interval(row)
    counts = {split: max(row["n"] for row in own if row["split"] == split) for split in splits}
    return [*lines.values(), {"metric": "samples", **counts}]


def _beside_rivals(
    own: Sequence[Mapping[str, Any]], rivals: Sequence[Mapping[str, Any]], split: str
) -> list[dict[str, Any]]:
    """A line for the network and one for each baseline, with the metrics that both have."""
    heading = f"on {split}"
    lines: dict[str, dict[str, Any]] = {}
    for row in rivals:
        metric, _, name = row["metric"].partition(RIVAL)
        if row["split"] == split:
            lines.setdefault(name, {heading: name})[metric] = row["value"]
    shared = {metric for line in lines.values() for metric in line} - {heading}
    network = {row["metric"]: row["value"] for row in own if row["split"] == split and row["metric"] in shared}
    return [{heading: "network"} | network, *lines.values()]


def _gap(row: Mapping[str, Any]) -> str:
    name, split = row["metric"].removesuffix(GAP), row["split"]
    return f"{name} on train - {name} on {split}: {number(row['value'])} (95 %: {interval(row)})"

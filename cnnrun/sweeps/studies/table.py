"""The table that ends a study: ours beside what was published, cell by cell, and what became of the conclusions."""

import math
from collections.abc import Sequence
from typing import Any

from cnnrun.comparison.groups import direction
from cnnrun.comparison.verdicts import INCONSISTENT, NOT_RUN, Conclusion, Verdict, conclude, verdict
from cnnrun.config.overrides import FULL
from cnnrun.metrics.classification import PROPORTIONS, SHARES
from cnnrun.sweeps.studies.runs import Told
from cnnrun.sweeps.studies.study import Claim, Difference, Place, Study
from cnnrun.tables import STUDY

CHOSEN = "*"
HALVES = (
    "± is half of a 95 % interval: that of ours is a t interval over the seeds; that of the difference adds the errors "
    "of both test sets, where the metric is a share of samples, and the last digit that was printed"
)

Runs = dict[Place, list[Told]]


def rows_of(study: Study, runs: Runs) -> list[dict[str, Any]]:
    """Rows of tables.STUDY: every cell of every row and column, also where nothing has run."""
    chosen = _chosen(study, runs)
    return [
        _row(study, place, cell, runs.get(place, []), CHOSEN if place in chosen else "")
        for place in study.places
        for cell in study.cells
        if runs.get(place) or place[0] not in study.optional or (place, cell) in study.published.values
    ]


def conclusions_of(study: Study, runs: Runs) -> list[tuple[Claim, Conclusion]]:
    """What the runs say of each claim; differences are paired over the seeds that all their places have."""
    return [
        (claim, conclude([_paired(each, claim.cell, runs) for each in claim.differences], claim.of, claim.within))
        for claim in study.claims
    ]


def title(study: Study) -> str:
    """What the table is of; of a small budget that it is one."""
    small = f", budget={study.budget}: a trial of the program, its numbers say nothing of the document"
    return f"study {study.name}{'' if study.budget == FULL else small}"


def notes(study: Study, rows: Sequence[dict[str, Any]]) -> list[str]:
    """What is to be known of the numbers."""
    about = study.published
    found = [f"published: {about.source}"] if about.source else []
    found += [about.remark] if about.remark else []
    found.append(HALVES)
    if any(row["dead"] for row in rows):
        found.append("dead: the seeds of runs that learned nothing; they count in the means")
    if any(row["verdict"] == INCONSISTENT for row in rows):
        found.append(f"{INCONSISTENT}: the document gives another number elsewhere, see the remark in {STUDY.name}.md")
    if any(row["chosen"] for row in rows):
        found.append(f"{CHOSEN} is the best on val, mean over seeds{', of its row' if '' not in study.cols else ''}")
    return found


def is_share(cell: str) -> bool:
    """Whether a cell is a share of samples, or its error is taken as if it were one."""
    return "/" in cell and _metric(cell) in SHARES


def _metric(cell: str) -> str:
    """Without split and epoch."""
    return cell.partition("@")[0].rpartition("/")[2]


def _row(study: Study, place: Place, cell: str, told: list[Told], chosen: str) -> dict[str, Any]:
    finished = [(run, value) for run in told if run.facts.finished and (value := run.value(cell)) is not None]
    number = study.published.values.get((place, cell))
    slip = study.published.inconsistent.get((place, cell), "")
    found = verdict(
        [value for _, value in finished],
        None if number is None else number.value,
        next((run.samples.get(cell) for run, _ in finished), None),
        study.published.n,
        is_share(cell),
        higher_is_better=direction(cell.partition("@")[0], [run.facts for run, _ in finished]) is not False,
        unit=0.0 if number is None else number.unit,
        inconsistent=bool(slip),
    )
    remarks = [slip, *_remarks(found, cell, study.published.n), _unfinished(told)]
    if number is not None:
        remarks.append(study.published.remark)
    row, col = place
    return {
        "row": row,
        "col": col,
        "cell": cell,
        **_numbers(found),
        "verdict": found.word,
        "chosen": chosen,
        "dead": " ".join(run.seed for run, _ in finished if run.facts.dead),
        "remark": "; ".join(filter(None, remarks)),
    }


def _numbers(found: Verdict) -> dict[str, float | int | None]:
    numbers = {"mean": found.mean, "low": found.low, "high": found.high, "n": found.n, "published": found.published}
    numbers |= {"difference": found.difference, "half": found.half}
    return {name: None if value is None or math.isnan(value) else value for name, value in numbers.items()}


def _remarks(found: Verdict, cell: str, n: int | None) -> list[str]:
    if found.word == NOT_RUN or found.published is None:
        return []
    remarks = list(found.remarks)
    if not is_share(cell):
        remarks.append("the interval is that of our seeds alone")
    elif _metric(cell) not in PROPORTIONS:
        remarks.append("the test sets' errors are those of a share of so many samples")
    if is_share(cell) and n is None:
        remarks.append("the error of the published number is not known")
    return remarks


def _unfinished(told: Sequence[Told]) -> str:
    """Which seeds have no number, and why."""
    left = [(run.seed, run.facts) for run in told if not run.facts.finished]
    return "; ".join(f"seed {seed} {run.status}{f' ({run.reason})' if run.reason else ''}" for seed, run in left)


def _chosen(study: Study, runs: Runs) -> set[Place]:
    """Where val is best: of each row the column, without columns the row."""
    groups = [[(row, col) for col in study.cols] for row in study.rows] if len(study.cols) > 1 else [study.places]
    found = set()
    for places in groups:
        means = {place: mean for place in places if (mean := _val_mean(runs.get(place, []))) is not None}
        rising = {run.facts.higher_is_better for place in means for run in runs[place]}
        if len(means) > 1 and len(rising) == 1:
            found.add(max(means, key=lambda place: means[place] if True in rising else -means[place]))
    return found


def _val_mean(told: Sequence[Told]) -> float | None:
    """Of the runs that did not train on val, too."""
    apart = [run.facts for run in told if run.facts.finished and not run.facts.values.get("dataset.train_on_val")]
    values = [facts.best_value for facts in apart if facts.best_value is not None]
    return math.fsum(values) / len(values) if values else None


def _paired(difference: Difference, cell: str, runs: Runs) -> list[float]:
    """The difference of each seed that has all of its places."""
    sides = [[_by_seed(runs.get(place, []), cell) for place in side] for side in (difference.more, difference.less)]
    shared = [seed for seed in sides[0][0] if all(seed in values for side in sides for values in side)]
    return [
        math.fsum(values[seed] for values in sides[0]) - math.fsum(values[seed] for values in sides[1])
        for seed in shared
    ]


def _by_seed(told: Sequence[Told], cell: str) -> dict[str, float]:
    values = {run.seed: run.value(cell) for run in told if run.facts.finished}
    return {seed: value for seed, value in values.items() if value is not None}

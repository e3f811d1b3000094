"""Whether runs of several seeds reach a published number, and whether their differences support a conclusion."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from cnnrun.metrics.differences import paired_p
from cnnrun.metrics.intervals import Estimate, wilson_interval
from cnnrun.metrics.student import mean_interval

BETTER, EQUAL, WORSE = "better", "equal", "worse"
INCONSISTENT = "published value inconsistent"
NOT_PUBLISHED, NOT_RUN = "nothing published", "not run"
SUPPORTED, CONTRADICTED, OPEN = "supported", "contradicted", "cannot be told"
WIDE = 0.5
"""Of a published number: an interval of a difference whose half is wider tells nothing."""
LEVEL = 0.05
"""Of a test of a difference, two-sided."""


@dataclass(frozen=True)
class Verdict:
    """Ours beside a published number; NaN stands for what there is not."""

    word: str
    mean: float = math.nan
    low: float = math.nan
    """Lower end of the 95 % t interval of the seeds' mean; NaN for one seed."""
    high: float = math.nan
    n: int = 0
    """Seeds."""
    published: float | None = None
    difference: float = math.nan
    """Ours - published."""
    half: float = math.nan
    """Of the difference's interval."""
    remarks: tuple[str, ...] = ()


def verdict(
    ours: Sequence[float],
    published: float | None,
    n_ours: int | None = None,
    n_published: int | None = None,
    is_share: bool = False,
    *,
    higher_is_better: bool = True,
    unit: float = 0.0,
    inconsistent: bool = False,
) -> Verdict:
    """Compare the mean over seeds (n,) with a published number.

    The difference is told from 0 where it exceeds the root of the sum of squares of the half-widths of the seeds' t
    interval and, of shares, of Wilson's interval of either test set; and then the last printed digit. Both test sets
    are taken for independent: where they are the same images, this calls too few differences real, not too many.
    What is not told from 0 is equal, unless it might as well be more than half of the published number.

    Args:
        n_ours, n_published: samples of the test sets; None where they are not known, which leaves that error out.
        unit: of the last digit that was printed: documents cut digits off, too.
        inconsistent: the document contradicts itself here.
    """
    if not ours:
        return Verdict(NOT_RUN, published=published)
    mean = mean_interval(ours)
    alone = Verdict(NOT_PUBLISHED, mean.value, mean.low, mean.high, len(ours))
    if published is None:
        return alone
    difference = mean.value - published
    parts = [mean.high - mean.value] if len(ours) > 1 else []
    if is_share:
        shares = ((mean.value, n_ours), (published, n_published))
        parts += [half_of_share(share, n) for share, n in shares if n is not None]
    half = math.hypot(*parts) + unit if parts else math.nan
    gain = difference if higher_is_better else -difference
    word = INCONSISTENT if inconsistent else _word(gain, half, WIDE * abs(published))
    remarks = _remarks(len(ours), is_share)
    return replace(alone, word=word, published=published, difference=difference, half=half, remarks=remarks)


def half_of_share(share: float, n: int) -> float:
    """Half the width of Wilson's 95 % interval of a share of n samples."""
    low, high = wilson_interval(min(max(share, 0.0), 1.0), n)
    return (high - low) / 2


def _word(gain: float, half: float, too_wide: float) -> str:
    if math.isnan(half) or math.isnan(gain):
        return OPEN
    if abs(gain) <= half:
        return OPEN if half > too_wide else EQUAL
    return BETTER if gain > 0 else WORSE


def _remarks(seeds: int, is_share: bool) -> tuple[str, ...]:
    if seeds > 1:
        return ()
    return ("one seed: the error of the test sets alone",) if is_share else ("one seed: nothing tells its error",)


@dataclass(frozen=True)
class Conclusion:
    """What came of a test of a document's sentence."""

    word: str
    differences: tuple[Estimate, ...]
    """The mean of each with its 95 % t interval, paired over seeds; NaN ends for one seed."""
    seeds: tuple[int, ...]
    """How many each is of."""


def conclude(
    differences: Sequence[Sequence[float]], of: Literal["all", "any"] = "all", within: float | None = None
) -> Conclusion:
    """Judge a sentence by differences that it expects to be above 0, or nearly 0, in all places or in any.

    Above 0 means a paired t test at 5 %, Bonferroni-corrected where there are several places.

    Args:
        differences: of each place one value a seed, (n,).
        within: the sentence says that nothing differs: that much is taken for nothing. An interval inside supports it,
            one outside contradicts it.
    """
    estimates = tuple(mean_interval(each) if each else Estimate(math.nan, math.nan, math.nan) for each in differences)
    seeds = tuple(map(len, differences))
    if within is None:
        signs = [sign(each, tests=len(differences)) for each in differences]
    else:
        signs = [_nearness(estimate, within) for estimate in estimates]
    supports, contradicts = [sign > 0 for sign in signs], [sign < 0 for sign in signs]
    if of == "any":
        word = SUPPORTED if any(supports) else CONTRADICTED if all(contradicts) else OPEN
    else:
        word = SUPPORTED if all(supports) else CONTRADICTED if any(contradicts) else OPEN
    return Conclusion(word, estimates, seeds)


def sign(differences: Sequence[float], tests: int = 1) -> int:
    """1 or -1 where the mean of paired differences (n,) is told from 0 by one of so many t tests; else 0."""
    if not paired_p(differences, [0.0] * len(differences)) * tests < LEVEL:  # nor where it is no number
        return 0
    return 1 if math.fsum(differences) > 0 else -1


def _nearness(estimate: Estimate, within: float) -> int:
    """1 where an interval lies between -within and within, -1 where it lies outside, 0 where it does neither."""
    if math.isnan(estimate.low):
        return 0
    if -within <= estimate.low and estimate.high <= within:
        return 1
    return -1 if estimate.low > within or estimate.high < -within else 0

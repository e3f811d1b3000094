"""Verdicts on published numbers and conclusions, against scipy and hand arithmetic. `pytest tests/comparison`"""

import math

import pytest
from scipy import stats

from cnnrun.comparison.verdicts import Verdict, conclude, half_of_share, sign, verdict

SEEDS = [0.986, 0.984, 0.988]


def t_half(values):
    return stats.t.ppf(0.975, len(values) - 1) * stats.sem(values)


@pytest.mark.parametrize(("share", "n"), [(0.9, 10_000), (0.1135, 10_000), (0.5, 20), (1.0, 50), (0.0, 50)])
def test_the_error_of_a_share_is_wilsons(share, n):
    interval = stats.binomtest(round(share * n), n).proportion_ci(method="wilson")
    assert half_of_share(share, n) == pytest.approx((interval.high - interval.low) / 2, abs=1e-7)


def test_the_errors_of_seeds_and_of_both_test_sets_add_in_quadrature():
    found = verdict(SEEDS, 0.964, n_ours=10_000, n_published=10_000, is_share=True)
    by_hand = math.sqrt(
        t_half(SEEDS) ** 2 + 1.96**2 * (0.986 * 0.014 + 0.964 * 0.036) / 10_000
    )  # the normal interval, which Wilson's is for so many images
    assert found.half == pytest.approx(by_hand, rel=1e-3)
    assert found.mean == pytest.approx(0.986)
    assert (found.low, found.high) == pytest.approx((0.986 - t_half(SEEDS), 0.986 + t_half(SEEDS)))
    assert found.difference == pytest.approx(0.022)
    assert (found.n, found.published, found.word) == (3, 0.964, "better")


@pytest.mark.parametrize(
    ("published", "word"), [(0.97, "better"), (0.983, "equal"), (0.989, "equal"), (0.999, "worse")]
)
def test_a_share_is_better_equal_or_worse(published, word):
    assert verdict(SEEDS, published, 10_000, 10_000, True).word == word


def test_an_error_is_better_where_it_is_smaller_and_only_seeds_count():
    losses = [0.010, 0.012, 0.011]
    found = verdict(losses, 0.018, 10_000, 10_000, False, higher_is_better=False)
    assert found.word == "better"
    assert found.half == pytest.approx(t_half(losses))
    assert verdict(losses, 0.0018, 10_000, 10_000, False, higher_is_better=False).word == "worse"


def test_a_number_printed_with_few_digits_stands_for_all_that_begin_so():
    values = [0.955, 0.956, 0.9555]
    assert verdict(values, 0.95, 10**9, 10**9, True).word == "better"
    rough = verdict(values, 0.95, 10**9, 10**9, True, unit=0.01)
    assert rough.word == "equal"
    assert rough.half == pytest.approx(t_half(values) + 0.01, rel=1e-3)


def test_a_value_that_its_document_contradicts_is_named_so_and_still_compared():
    found = verdict(SEEDS, 0.995, 10_000, 10_000, True, inconsistent=True)
    assert found.word == "published value inconsistent"
    assert found.difference == pytest.approx(-0.009)


def test_one_seed_has_the_error_of_the_test_sets_alone():
    found = verdict([0.986], 0.964, 10_000, 10_000, True)
    assert math.isnan(found.low)
    assert found.half == pytest.approx(math.hypot(half_of_share(0.986, 10_000), half_of_share(0.964, 10_000)))
    assert found.word == "better"
    assert found.remarks == ("one seed: the error of the test sets alone",)
    assert verdict([0.01], 0.02).word == "cannot be told"


def test_seeds_that_are_all_over_the_place_tell_nothing():
    wild = [-9.5, -30.0, 10.0]
    assert t_half(wild) > 0.5 * 0.97
    assert verdict(wild, 0.97).word == "cannot be told"
    assert verdict([0.011, 0.012, 0.013], 0.0115).word == "equal"
    assert verdict([-9.5, -9.6, -9.4], 0.97).word == "worse", "far, for all that the interval is wide enough for"


def test_an_unknown_number_of_samples_adds_no_error():
    both, one = (verdict(SEEDS, 0.97, 1000, n, True).half for n in (1404, None))
    assert both > one > t_half(SEEDS)


def test_nothing_published_and_nothing_run_are_said():
    assert verdict([], 0.9) == Verdict("not run", published=0.9)
    assert verdict(SEEDS, None).word == "nothing published"
    assert verdict(SEEDS, None).mean == pytest.approx(0.986)


@pytest.mark.parametrize("shift", [0.0, 0.004, 0.01, -0.01])
def test_the_sign_of_a_difference_is_a_paired_t_test(shift):
    first, second = [0.90, 0.91, 0.905, 0.9], [0.899, 0.912, 0.904, 0.898]
    paired = [a - b + shift for a, b in zip(first, second, strict=True)]
    test = stats.ttest_1samp(paired, 0.0)
    expected = 0 if test.pvalue >= 0.05 else math.copysign(1, test.statistic)
    assert sign(paired) == expected
    corrected = 0 if test.pvalue * 40 >= 0.05 else math.copysign(1, test.statistic)
    assert sign(paired, tests=40) == corrected


def test_the_sign_of_one_seed_is_unknown_and_of_equal_ones_plain():
    assert sign([0.3]) == 0
    assert sign([]) == 0
    assert [sign([value] * 3) for value in (0.25, -0.25, 0.0)] == [1, -1, 0]
    assert sign([0.1, math.nan, 0.2]) == 0


UP, DOWN, FLAT = [0.02, 0.021, 0.019], [-0.02, -0.021, -0.019], [0.02, -0.02, 0.001]


@pytest.mark.parametrize(
    ("differences", "of", "word"),
    [
        ([UP], "all", "supported"),
        ([DOWN], "all", "contradicted"),
        ([FLAT], "all", "cannot be told"),
        ([UP, FLAT], "all", "cannot be told"),
        ([UP, DOWN], "all", "contradicted"),
        ([UP, DOWN], "any", "supported"),
        ([DOWN, DOWN], "any", "contradicted"),
        ([DOWN, FLAT], "any", "cannot be told"),
        ([[], UP], "all", "cannot be told"),
        ([[0.5]], "all", "cannot be told"),
    ],
)
def test_a_conclusion_is_supported_contradicted_or_open(differences, of, word):
    assert conclude(differences, of).word == word


def test_a_conclusion_tells_the_mean_of_each_difference_with_its_interval():
    (estimate,) = conclude([UP]).differences
    assert (estimate.value, estimate.high) == pytest.approx((0.02, 0.02 + t_half(UP)))
    assert conclude([UP, []]).seeds == (3, 0)


@pytest.mark.parametrize(("within", "word"), [(0.03, "supported"), (0.02, "cannot be told"), (0.01, "contradicted")])
def test_likeness_is_an_interval_inside_what_is_taken_for_nothing(within, word):
    assert conclude([UP], within=within).word == word

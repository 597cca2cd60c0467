from __future__ import annotations

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emonk_ops.operations.judging.samples import MOST_KEPT, Sample
from emonk_ops.operations.judging.statistics import (
    Estimate,
    equivalence,
    one_sided_sign_test,
    pairs_needed,
    shift_of,
)
from emonk_ops.rollout.model import Verdict


def test_the_interval_is_that_of_the_tables() -> None:
    # Ten differences, 90 %: the critical value is 10, so the eleventh average from each end.
    values = [float(2**k) for k in range(10)]
    averages = sorted((a + b) / 2 for i, a in enumerate(values) for b in values[i:])
    found = shift_of(values)
    assert (found.low, found.high) == (averages[10], averages[-11])
    assert found.low <= found.shift <= found.high


def test_a_handful_of_pairs_bounds_nothing() -> None:
    assert shift_of([1.0, 1.0, 1.0]).low == -math.inf
    with pytest.raises(ValueError, match="no values"):
        shift_of([])


def test_the_interval_holds_the_truth_as_often_as_it_says() -> None:
    rng = random.Random(7)
    runs = [shift_of([rng.gauss(0.3, 1) for _ in range(20)]) for _ in range(600)]
    held = sum(one.low <= 0.3 <= one.high for one in runs) / len(runs)
    assert 0.86 < held < 0.95


@given(st.lists(st.floats(-1e3, 1e3), min_size=1, max_size=30), st.integers(2, 9))
def test_more_questions_widen_the_interval_that_fails(values: list[float], tests: int) -> None:
    found = shift_of(values, tests=tests)
    assert found.wide_low <= found.low <= found.high <= found.wide_high


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [
        (-0.1, 0.1, Verdict.PASS),
        (-0.1, 0.3, Verdict.INCONCLUSIVE),
        (0.3, 0.4, Verdict.FAIL),
        (-0.4, -0.3, Verdict.FAIL),
        (-math.inf, math.inf, Verdict.INCONCLUSIVE),
    ],
)
def test_three_answers(low: float, high: float, verdict: Verdict) -> None:
    found = Estimate(10, (low + high) / 2, low, high, low, high)
    assert equivalence(found, -0.2, 0.2) is verdict


def test_only_the_wider_interval_fails() -> None:
    assert equivalence(Estimate(10, 0.4, 0.3, 0.5, 0.1, 0.7), -0.2, 0.2) is Verdict.INCONCLUSIVE


def test_how_many_pairs_it_takes() -> None:
    assert pairs_needed(Estimate(10, 0.0, -0.4, 0.4, -1, 1), -0.2, 0.2) == 40
    assert pairs_needed(Estimate(10, 0.2, -0.4, 0.8, -1, 1), -0.2, 0.2) is None


def test_the_sign_test_is_exact() -> None:
    assert one_sided_sign_test(5, 0) == 1 / 32
    assert one_sided_sign_test(4, 1) == 6 / 32


@given(st.integers(0, 5 * MOST_KEPT))
def test_a_sample_stays_small_and_spread_over_all(count: int) -> None:
    sample = Sample()
    for number in range(count):
        sample.add(float(number))
    assert sample.n == count
    assert len(sample.values) <= MOST_KEPT
    gaps = {b - a for a, b in zip(sample.values, sample.values[1:], strict=False)}
    assert len(gaps) <= 1

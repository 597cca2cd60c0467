from __future__ import annotations

import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emonk_ops.errors import EXIT_CODE_PRECEDENCE, ExitCode, most_urgent
from emonk_ops.rollout.model import Attestation, Check, CheckResult, Finding, Verdict
from emonk_ops.rollout.statuses import STATUSES
from emonk_ops.rollout.verdicts import (
    bound_sentence,
    clean_samples_for,
    error_rate_bound,
    exit_code_of,
    more_clean_samples,
)

from .conftest import START

CODES = {
    Verdict.PASS: ExitCode.DONE,
    Verdict.FAIL: ExitCode.CHECK_FAILED,
    Verdict.INCONCLUSIVE: ExitCode.INCONCLUSIVE,
    Verdict.ERROR: ExitCode.CLOUD,
    Verdict.ASK: ExitCode.REFUSED,
    Verdict.WAITING: ExitCode.WAITING,
}


def result(verdict: Verdict, *, advisory: bool = False, attested: bool = False) -> CheckResult:
    word = Attestation("c", "yes", "ann", START) if attested else None
    return CheckResult(Check("c", "it holds", advisory=advisory), Finding(verdict, ""), word)


@pytest.mark.parametrize(
    ("first", "second"), list(itertools.product(CODES, repeat=2)), ids=lambda one: str(one)
)
def test_of_two_verdicts_the_more_urgent_one_decides(first: Verdict, second: Verdict) -> None:
    code = exit_code_of([result(first), result(second)])
    assert code is most_urgent([CODES[first], CODES[second]])


@pytest.mark.parametrize("verdict", list(Verdict))
def test_an_advisory_check_never_blocks(verdict: Verdict) -> None:
    assert exit_code_of([result(verdict, advisory=True)]) is ExitCode.DONE


@pytest.mark.parametrize("verdict", list(Verdict))
def test_only_ask_and_error_can_be_attested_over(verdict: Verdict) -> None:
    holds = exit_code_of([result(verdict, attested=True)]) is ExitCode.DONE
    assert holds is (verdict in (Verdict.PASS, Verdict.ASK, Verdict.ERROR))


def test_every_exit_code_has_its_word_and_the_order_is_pinned() -> None:
    assert set(STATUSES) == set(ExitCode)
    assert [int(code) for code in EXIT_CODE_PRECEDENCE] == [7, 6, 4, 1, 3, 5, 75, 0]


@pytest.mark.parametrize(
    ("n", "failures", "bound"),
    [
        (0, 0, 1.0),
        (5, 0, 0.4507),
        (12, 0, 0.2209),
        (60, 0, 0.0487),
        (299, 0, 0.00997),
        (1440, 0, 0.00208),
        (10, 1, 0.3942),
        (20, 1, 0.2161),
        (100, 2, 0.0616),
        (3, 3, 1.0),
    ],
)
def test_the_bound_is_the_exact_binomial_one(n: int, failures: int, bound: float) -> None:
    assert error_rate_bound(n, failures) == pytest.approx(bound, abs=6e-5)


@given(st.integers(1, 3000), st.data())
def test_the_bound_is_where_the_samples_become_unlikely(n: int, data: st.DataObject) -> None:
    failures = data.draw(st.integers(0, min(n - 1, 30)))
    bound = error_rate_bound(n, failures)
    chance = math.fsum(
        math.exp(
            math.lgamma(n + 1)
            - math.lgamma(k + 1)
            - math.lgamma(n - k + 1)
            + k * math.log(bound)
            + (n - k) * math.log1p(-bound)
        )
        for k in range(failures + 1)
    )
    assert chance == pytest.approx(0.05, rel=1e-6)


@given(st.integers(1, 500), st.data())
def test_more_clean_samples_lower_the_bound_and_failures_raise_it(
    n: int, data: st.DataObject
) -> None:
    failures = data.draw(st.integers(0, n - 1))
    assert error_rate_bound(n + 1, failures) < error_rate_bound(n, failures)
    assert error_rate_bound(n, failures + 1) > error_rate_bound(n, failures)


def test_a_bound_of_one_percent_takes_299_clean_samples() -> None:
    assert clean_samples_for(0.01) == 299
    assert more_clean_samples(288, 0, 0.01) == 11
    assert more_clean_samples(299, 0, 0.01) == 0
    further = more_clean_samples(299, 1, 0.01)
    assert error_rate_bound(299 + further, 1) < 0.01 <= error_rate_bound(298 + further, 1)


def test_a_bound_in_words_names_n_and_confidence() -> None:
    assert bound_sentence(12) == "n=12, 0 failed: error rate < 22.1% (95%)"


@pytest.mark.parametrize(("n", "failures"), [(-1, 0), (1, 2), (5, -1)])
def test_numbers_that_are_no_counts_are_refused(n: int, failures: int) -> None:
    with pytest.raises(ValueError, match="not counts"):
        error_rate_bound(n, failures)

"""Conditions of bindings: what they say at a time, and what is refused."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from emonk_ops.sandbox.iam.conditions import parse
from emonk_ops.sandbox.iam.errors import Refusal

NOON = datetime(2026, 1, 5, 12, tzinfo=UTC)
AT = 'timestamp("2026-01-05T12:00:00Z")'


@pytest.mark.parametrize(
    ("expression", "before", "at", "after"),
    [
        (f"request.time < {AT}", True, False, False),
        (f"request.time <= {AT}", True, True, False),
        (f"request.time > {AT}", False, False, True),
        (f"request.time >= {AT}", False, True, True),
        (f"request.time == {AT}", False, True, False),
        (f"request.time != {AT}", True, False, True),
        (f"{AT} < request.time", False, False, True),
        (f"{AT} >= request.time", True, True, False),
        (f"!(request.time < {AT})", False, True, True),
        (f"request.time < {AT} || request.time > {AT}", True, False, True),
        (f"request.time <= {AT} && request.time >= {AT}", False, True, False),
        (f"false || request.time >= {AT} && true", False, True, True),
        ("request.time >= timestamp('2026-01-05T13:00:00+01:00')", False, True, True),
        ("true", True, True, True),
    ],
)
def test_a_condition_says_when_it_holds(
    expression: str, before: bool, at: bool, after: bool
) -> None:
    condition = parse(expression)
    second = timedelta(seconds=1)
    said = (condition(NOON - second), condition(NOON), condition(NOON + second))
    assert said == (before, at, after)


@pytest.mark.parametrize(
    "expression",
    [
        "",
        "request.time",
        "request.time <",
        f"request.time < {AT} &&",
        f"(request.time < {AT}",
        f"request.time < {AT})",
        f"{AT} < {AT}",
        "request.time < request.time",
        'request.time < timestamp("yesterday")',
        'request.time < timestamp("2026-01-05T12:00:00")',
        'resource.name == "x"',
        "request.time.getHours() > 3",
    ],
)
def test_what_cannot_be_evaluated_is_refused_when_it_is_set(expression: str) -> None:
    with pytest.raises(Refusal) as refused:
        parse(expression)
    assert refused.value.code.name == "INVALID_ARGUMENT"
    assert f"'{expression}'" in refused.value.message

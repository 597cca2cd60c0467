"""Several stages back in one run, each from its own capture."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from emonk_ops.errors import GateClosed, Locked, Unreachable, UsageError
from emonk_ops.rollout.model import Stage
from emonk_ops.rollout.report import RollbackReport
from emonk_ops.rollout.rollback import plan_all, roll_back

if TYPE_CHECKING:
    from .conftest import Rollout


def stages(rollout: Rollout) -> Any:
    """Stage 1 makes b serve, stage 2 c, stage 3 d."""
    made = {1: rollout.world.stage(1)}
    for number, serves in ((2, "c"), (3, "d")):
        made[number] = replace(rollout.world.stage(number, serves=serves), needs=(number - 1,))
    return made.__getitem__


def back(rollout: Rollout, to: int, listener: Any = None) -> RollbackReport | None:
    return roll_back(
        rollout.tools,
        rollout.book(listener),
        stages(rollout),
        rollout.recorder,
        reason="too many errors",
        to=to,
    )


@pytest.fixture
def at_stage_3(rollout: Rollout) -> Rollout:
    for number in (1, 2, 3):
        rollout.run(stages(rollout)(number))
    assert rollout.world.switches["serves"] == "d"
    return rollout


def test_it_goes_back_newest_first_in_one_run_with_one_hold(at_stage_3: Rollout) -> None:
    ran = len(at_stage_3.world.ran)
    plans = plan_all(at_stage_3.book().standing(), at_stage_3.tools, stages(at_stage_3), to=1)
    assert [plan.capture.stage for plan in plans if plan.capture] == [3, 2]
    report = back(at_stage_3, 1)
    assert report is not None
    assert report.complete
    assert at_stage_3.world.ran[ran:] == ["undo-job", "undo-serves"] * 2
    assert at_stage_3.world.switches == {"job": "there", "serves": "b"}
    standing = at_stage_3.book().standing()
    assert set(standing.passed) == {1}
    assert standing.hold is not None
    assert standing.hold.complete
    kinds = at_stage_3.kinds()
    assert kinds.count("run.started") == 4, "three stages, and one run back"
    assert not standing.unfinished


def test_again_it_is_already_so(at_stage_3: Rollout) -> None:
    back(at_stage_3, 1)
    assert back(at_stage_3, 1) is None
    assert at_stage_3.world.switches["serves"] == "b"


def test_after_a_rollback_it_goes_further(at_stage_3: Rollout) -> None:
    roll_back(
        at_stage_3.tools,
        at_stage_3.book(),
        stages(at_stage_3),
        at_stage_3.recorder,
        reason="first",
    )
    assert at_stage_3.world.switches["serves"] == "c"
    back(at_stage_3, 1)
    assert at_stage_3.world.switches["serves"] == "b"


@pytest.mark.parametrize(
    ("to", "error", "words"),
    [
        (6, UsageError, "there is no such stage"),
        (-1, UsageError, "there is no such stage"),
        (4, GateClosed, "stage 4 has not passed in qa; passed: 1, 2, 3"),
    ],
)
def test_a_stage_that_cannot_be_gone_to_is_named_and_nothing_done(
    at_stage_3: Rollout, to: int, error: type[Exception], words: str
) -> None:
    before = at_stage_3.kinds()
    with pytest.raises(error, match=words):
        back(at_stage_3, to)
    assert at_stage_3.kinds() == before


def test_where_one_breaks_the_others_are_left_and_the_next_call_goes_on(
    at_stage_3: Rollout,
) -> None:
    at_stage_3.world.broken["undo-serves"] = Unreachable("no answer")
    report = back(at_stage_3, 1)
    assert report is not None
    assert not report.complete
    assert report.stage == 3
    at_stage_3.world.broken.clear()
    assert back(at_stage_3, 1) is not None
    assert at_stage_3.world.switches["serves"] == "b"


def test_while_somebody_holds_the_lock_it_is_refused(at_stage_3: Rollout) -> None:
    book = at_stage_3.book()
    with (
        book.lock.held(book.who, reason="stage 3", run="other"),
        pytest.raises(Locked, match="stage 3"),
    ):
        back(at_stage_3, 1)
    assert at_stage_3.world.switches["serves"] == "d"


class Killed(BaseException):
    """Stands for kill -9."""


@pytest.mark.parametrize("phase", ["before", "after"])
@pytest.mark.parametrize("offset", range(1, 15))
def test_killed_at_any_record_the_same_command_ends_it(
    at_stage_3: Rollout, phase: str, offset: int
) -> None:
    there = len(at_stage_3.kinds())

    def kill(when: str, seq: int) -> None:
        if (when, seq) == (phase, there + offset):
            raise Killed

    with contextlib.suppress(Killed):
        back(at_stage_3, 1, kill)
    back(at_stage_3, 1)
    assert at_stage_3.world.switches == {"job": "there", "serves": "b"}
    standing = at_stage_3.book().standing()
    assert standing.hold is not None
    assert standing.hold.complete
    assert not standing.unfinished


def test_what_is_remembered_is_what_was_undone_last(at_stage_3: Rollout) -> None:
    kept: list[int] = []

    def load(number: int) -> Stage:
        stage: Stage = stages(at_stage_3)(number)
        return replace(stage, remember=lambda _tools, facts: kept.append(facts["stage"]))

    roll_back(at_stage_3.tools, at_stage_3.book(), load, at_stage_3.recorder, reason="back", to=1)
    assert kept == [3, 2]

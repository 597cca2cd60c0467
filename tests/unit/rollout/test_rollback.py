from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from emonk_ops.errors import OnHold, StepFailed, Unreachable, UsageError
from emonk_ops.rollout.history import chapters
from emonk_ops.rollout.hold import lift
from emonk_ops.rollout.model import Stage, Verdict
from emonk_ops.rollout.report import RollbackReport
from emonk_ops.rollout.rollback import plan_rollback, roll_back
from emonk_ops.rollout.runner import Options, run_stage
from emonk_ops.rollout.runs import Capture
from emonk_ops.rollout.standing import Standing

from .conftest import START

if TYPE_CHECKING:
    from .conftest import Rollout

Listener = Callable[[str, int], None]


def stages(rollout: Rollout) -> Callable[[int], Stage]:
    """Stage 1 makes b serve, stage 2 makes c serve."""
    second = replace(rollout.world.stage(2, serves="c"), needs=(1,))
    return {1: rollout.world.stage(1), 2: second}.__getitem__


def back(
    rollout: Rollout, *, further: bool = False, listener: Listener | None = None
) -> RollbackReport | None:
    return roll_back(
        rollout.tools,
        rollout.book(listener),
        stages(rollout),
        rollout.recorder,
        reason="too many errors",
        further=further,
    )


@pytest.fixture
def at_stage_2(rollout: Rollout) -> Rollout:
    rollout.run(stages(rollout)(1))
    rollout.run(stages(rollout)(2))
    assert rollout.world.switches["serves"] == "c"
    return rollout


def test_only_the_newest_stage_is_undone_and_then_nothing_more(at_stage_2: Rollout) -> None:
    assert back(at_stage_2) is not None
    assert at_stage_2.world.switches == {"job": "there", "serves": "b"}
    assert back(at_stage_2) is None
    assert at_stage_2.world.switches["serves"] == "b"
    assert set(at_stage_2.book().standing().passed) == {1}


def test_further_undoes_the_stage_before(at_stage_2: Rollout) -> None:
    back(at_stage_2)
    report = back(at_stage_2, further=True)
    assert report is not None
    assert report.stage == 1
    assert at_stage_2.world.switches == {"job": "absent", "serves": "a"}
    assert not at_stage_2.book().standing().passed
    assert back(at_stage_2, further=True) is None


def test_nothing_was_ever_changed_nothing_is_undone(rollout: Rollout) -> None:
    assert back(rollout) is None
    assert rollout.kinds() == []


def test_a_stage_passed_again_without_a_change_goes_back_to_before_its_first_run(
    rollout: Rollout,
) -> None:
    rollout.run()
    rollout.run()
    back(rollout)
    assert rollout.world.switches == {"job": "absent", "serves": "a"}


def test_a_stage_passed_again_with_a_change_is_undone_as_a_whole_too(rollout: Rollout) -> None:
    rollout.run()
    rollout.run(rollout.world.stage(serves="c"))
    back(rollout)
    assert rollout.world.switches == {"job": "absent", "serves": "a"}
    assert not rollout.book().standing().passed


def test_a_rerun_that_was_not_accepted_goes_back_to_what_had_passed(rollout: Rollout) -> None:
    rollout.run()
    rollout.world.verdicts["ticking"] = Verdict.FAIL
    rollout.run(rollout.world.stage(serves="c"))
    assert not rollout.book().standing().passed
    back(rollout)
    assert rollout.world.switches == {"job": "there", "serves": "b"}


class Killed(BaseException):
    """Stands for kill -9."""


@pytest.mark.parametrize("phase", ["before", "after"])
@pytest.mark.parametrize("offset", range(1, 9))
def test_a_rollback_killed_at_any_record_is_ended_by_the_same_command(
    at_stage_2: Rollout, phase: str, offset: int
) -> None:
    there = len(at_stage_2.kinds())

    def kill(when: str, seq: int) -> None:
        if (when, seq) == (phase, there + offset):
            raise Killed

    with contextlib.suppress(Killed):
        back(at_stage_2, listener=kill)
    back(at_stage_2)
    assert at_stage_2.world.switches == {"job": "there", "serves": "b"}
    standing = at_stage_2.book().standing()
    assert standing.hold is not None
    assert standing.hold.complete
    assert not standing.unfinished


def test_a_way_back_is_kept_from_the_first_step_on() -> None:
    read = Capture(seq=7, stage=4, run="r1", at=START, facts={"serves": "a"})
    standing = Standing(captures=[read])
    assert standing.open_capture(4) is None, "the stage below may change before a step begins"
    read.begun.add("r1/serve")
    assert standing.open_capture(4) is read


def test_a_stage_killed_before_its_first_step_is_undone_to_what_it_finds_later(
    at_stage_2: Rollout,
) -> None:
    at_stage_2.book().note("hold.lifted", {"reason": "at stage 2"})
    back(at_stage_2)
    at_stage_2.book().note("hold.lifted", {"reason": "at stage 1"})
    second = stages(at_stage_2)(2)

    def kill(when: str, seq: int) -> None:
        if when == "before" and at_stage_2.kinds()[-1] == "captured":
            raise Killed

    with contextlib.suppress(Killed):
        run_stage(second, at_stage_2.tools, at_stage_2.book(kill), Options(), at_stage_2.recorder)
    back(at_stage_2)
    at_stage_2.book().note("hold.lifted", {"reason": "at stage 0"})
    at_stage_2.run(stages(at_stage_2)(1))
    at_stage_2.run(second)
    done = back(at_stage_2)
    assert done is not None
    assert done.stage == 2, "not the one below it"


def test_a_way_back_that_was_read_and_never_used_decides_nothing_later(rollout: Rollout) -> None:
    """Killed between its capture and its first step, done, undone, and done once more."""
    rollout.run(stages(rollout)(1))
    second = stages(rollout)(2)

    def kill(when: str, seq: int) -> None:
        if when == "before" and rollout.kinds()[-1] == "captured":
            raise Killed

    with contextlib.suppress(Killed):
        run_stage(second, rollout.tools, rollout.book(kill), Options(), rollout.recorder)
    for _ in range(2):
        rollout.run(second)
        assert 2 in rollout.book().standing().passed
        done = back(rollout)
        assert done is not None
        assert done.stage == 2, "each time the stage that was done last"
        assert set(rollout.book().standing().passed) == {1}
        rollout.book().note("hold.lifted", {"reason": "once more"})


def test_an_incomplete_rollback_holds_until_it_is_complete(at_stage_2: Rollout) -> None:
    at_stage_2.world.broken["undo-job"] = Unreachable("no answer")
    report = back(at_stage_2)
    assert report is not None
    assert [outcome.step.id for outcome in report.outcomes] == ["undo-job"]
    assert len(report.left) == 2
    with pytest.raises(OnHold, match="has not ended"):
        lift(at_stage_2.book(), reason="I think so", env="qa")
    at_stage_2.world.broken.clear()
    back(at_stage_2)
    lifted = lift(at_stage_2.book(), reason="mended", env="qa")
    assert lifted is not None
    assert lift(at_stage_2.book(), reason="mended", env="qa") is None


def test_lifting_a_hold_wants_a_reason(rollout: Rollout) -> None:
    with pytest.raises(UsageError, match="why"):
        lift(rollout.book(), reason="  ", env="qa")


def test_the_plan_is_what_the_rollback_does(at_stage_2: Rollout) -> None:
    book = at_stage_2.book()
    plan = plan_rollback(book.standing(), at_stage_2.tools, stages(at_stage_2))
    report = back(at_stage_2)
    assert report is not None
    assert [step.id for step in plan.steps] == [one.step.id for one in report.outcomes]


def test_the_history_tells_what_was_done_and_undone(at_stage_2: Rollout) -> None:
    at_stage_2.world.broken["undo-serves"] = StepFailed("reads back otherwise")
    back(at_stage_2)
    last = chapters(at_stage_2.book().journal.records())[-1]
    assert (last.title, last.status, last.exit_code) == (
        "rollback of stage 2",
        "restore_incomplete",
        7,
    )
    assert "failed undo-serves: reads back otherwise" in last.events
    assert last.who == "ann"

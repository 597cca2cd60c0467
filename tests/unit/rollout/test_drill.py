"""A rollback drill, and the checks of a later cutover that ask for it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest

from emonk_ops.errors import ExitCode, GateClosed, OnHold, StepFailed
from emonk_ops.ports import Answer
from emonk_ops.rollout import precedents
from emonk_ops.rollout.drill import DrillReport, rehearse_rollback
from emonk_ops.rollout.drill_record import Drill
from emonk_ops.rollout.events import PhaseBegan
from emonk_ops.rollout.history import chapters
from emonk_ops.rollout.model import Finding, Stage, Verdict
from emonk_ops.rollout.rollback import roll_back
from emonk_ops.rollout.soak import SoakState
from emonk_ops.rollout.standing import Standing
from emonk_ops.toolbox import Ports, Toolbox

from .conftest import START, Rollout

if TYPE_CHECKING:
    Listener = Callable[[str, int], None]

VERSION = "0.3.0"


class Killed(BaseException):
    """kill -9 at a journal write."""


class Service:
    def probe(self, *_args: Any, **_named: Any) -> Answer:
        return Answer(200, {"version": VERSION}, "", 0.01, "app")


def stage_4(rollout: Rollout) -> Stage:
    return replace(rollout.world.stage(4), needs=())


@pytest.fixture
def cut_over(rollout: Rollout) -> Rollout:
    ports = cast("Ports", SimpleNamespace(clock=rollout.clock, service=Service()))
    rollout.tools = replace(rollout.tools, ports=ports)
    rollout.run(stage_4(rollout))
    assert rollout.world.switches == {"job": "there", "serves": "b"}
    rollout.world.ran.clear()
    return rollout


def drilled(rollout: Rollout, listener: Listener | None = None) -> DrillReport:
    return rehearse_rollback(
        rollout.tools,
        rollout.book(listener),
        lambda _number: stage_4(rollout),
        rollout.recorder,
        "as every week",
    )


def test_back_and_forth_and_the_journal_keeps_its_time(cut_over: Rollout) -> None:
    report = drilled(cut_over)
    assert report.exit_code is ExitCode.DONE
    assert cut_over.world.ran == ["undo-job", "undo-serves", "serve", "job"]
    assert cut_over.world.switches == {"job": "there", "serves": "b"}
    phases = [one.name for one in cut_over.recorder.events if isinstance(one, PhaseBegan)]
    assert phases[-3:] == ["drill: back", "drill: forth again", "verify"]
    standing = cut_over.book().standing()
    assert standing.drill is not None
    assert standing.drill.version == VERSION
    assert standing.drill.seconds == report.back_seconds > 0
    assert standing.hold is None
    assert set(standing.passed) == {4}
    told = chapters(cut_over.book().journal.records())[-1]
    assert "drill went well" in told.events[-1]


def test_after_a_drill_the_way_back_is_still_the_captured_one(cut_over: Rollout) -> None:
    drilled(cut_over)
    drilled(cut_over)
    roll_back(
        cut_over.tools,
        cut_over.book(),
        lambda _number: stage_4(cut_over),
        cut_over.recorder,
        reason="in earnest",
    )
    assert cut_over.world.switches == {"job": "absent", "serves": "a"}


def test_without_a_cutover_and_on_hold_it_is_refused(rollout: Rollout) -> None:
    with pytest.raises(GateClosed, match="stage 4"):
        drilled(rollout)
    rollout.run(stage_4(rollout))
    roll_back(
        rollout.tools,
        rollout.book(),
        lambda _number: stage_4(rollout),
        rollout.recorder,
        reason="in earnest",
    )
    with pytest.raises(OnHold, match="in earnest"):
        drilled(rollout)


@pytest.mark.parametrize(
    ("step", "code"),
    [
        ("undo-job", ExitCode.RESTORE_INCOMPLETE),
        ("undo-serves", ExitCode.RESTORE_INCOMPLETE),
        ("serve", ExitCode.CHECK_FAILED),
        ("job", ExitCode.CHECK_FAILED),
    ],
)
def test_a_step_that_breaks_is_news_and_no_drill(
    cut_over: Rollout, step: str, code: ExitCode
) -> None:
    assert drilled(cut_over).exit_code is ExitCode.DONE
    cut_over.world.broken[step] = StepFailed("it broke")
    report = drilled(cut_over)
    assert (report.exit_code, report.why) == (code, f"{step}: it broke")
    assert cut_over.book().standing().drill is None
    cut_over.world.broken.clear()
    assert drilled(cut_over).exit_code is ExitCode.DONE
    assert cut_over.world.switches == {"job": "there", "serves": "b"}


def test_what_does_not_verify_afterwards_is_no_drill(cut_over: Rollout) -> None:
    cut_over.world.verdicts["serving"] = Verdict.FAIL
    report = drilled(cut_over)
    assert (report.exit_code, report.why) == (ExitCode.CHECK_FAILED, "after it: serving")
    assert cut_over.book().standing().drill is None


def test_killed_at_any_journal_write_the_next_drill_converges(cut_over: Rollout) -> None:
    writes: list[str] = []
    drilled(cut_over, lambda kind, _size: writes.append(kind))
    assert len(writes) > 10
    for number in range(1, len(writes) + 1):
        left = [number]

        def kill(_kind: str, _size: int, left: list[int] = left) -> None:
            left[0] -= 1
            if left[0] == 0:
                raise Killed

        with pytest.raises(Killed):
            drilled(cut_over, kill)
        kinds = cut_over.kinds()
        written = kinds[len(kinds) - 1 - kinds[::-1].index("run.started") :]
        half_way = "drill.step.started" in written and "drill.ended" not in written
        assert (cut_over.book().standing().drill is None) == half_way
        assert drilled(cut_over).exit_code is ExitCode.DONE, f"write {number}"
        assert cut_over.world.switches == {"job": "there", "serves": "b"}
        assert set(cut_over.book().standing().passed) == {4}


def production(rollout: Rollout, qa: Standing, **settings: Any) -> Toolbox:
    env = replace(rollout.tools.env, name="production", **{"gated_by": "qa", **settings})
    ports = cast("Ports", SimpleNamespace(clock=rollout.clock, service=Service()))
    return replace(rollout.tools, env=env, ports=ports, standing_of={"qa": qa}.__getitem__)


def drill(days: float = 1.0, version: str = VERSION) -> Drill:
    return Drill(START - timedelta(days=days), 4.2, version)


@pytest.mark.parametrize(
    ("found", "verdict", "told"),
    [
        (drill(), Verdict.PASS, "back in 4.2 s"),
        (None, Verdict.FAIL, "no rollback drill in qa, or the last did not end well"),
        (drill(days=8), Verdict.FAIL, "more than 7 days ago"),
        (drill(version="0.1.0"), Verdict.FAIL, "with version 0.1.0, not 0.3.0"),
    ],
)
def test_production_asks_for_a_drill_of_this_version_lately(
    rollout: Rollout, found: Drill | None, verdict: Verdict, told: str
) -> None:
    finding = precedents.rollback_rehearsed(production(rollout, Standing(drill=found)))
    assert finding.verdict is verdict
    assert told in finding.summary
    assert (finding.hint == "emonk-ops rollback drill --env qa") == (verdict is Verdict.FAIL)


def test_production_asks_for_the_same_stage_in_qa(rollout: Rollout) -> None:
    ask = precedents.gate_environment_passed
    assert ask(production(rollout, Standing())).verdict is Verdict.FAIL
    assert ask(production(rollout, Standing(passed={4: START}))).verdict is Verdict.PASS
    assert ask(production(rollout, Standing(), gated_by="")).verdict is Verdict.PASS
    blind = replace(production(rollout, Standing()), standing_of=None)
    assert ask(blind).verdict is Verdict.ERROR, "no journal is no pass"


def shadowed(version: str = VERSION, **passed: Any) -> Standing:
    state = SoakState(3, "shadow", {"version": version}, 3600.0, START, START, 3600.0)
    return Standing(soaks={3: state}, passed=passed.get("passed", {3: START}))


@pytest.mark.parametrize(
    ("found", "verdict", "told"),
    [
        (shadowed(), Verdict.PASS, "1 h 0 m of healthy shadow"),
        (Standing(), Verdict.FAIL, "stage 3 has not passed in qa"),
        (shadowed(passed={}), Verdict.FAIL, "stage 3 has not passed in qa"),
        (shadowed("0.1.0"), Verdict.FAIL, "the shadow was of version 0.1.0, and 0.3.0 runs"),
    ],
)
def test_a_shadow_is_evidence_for_the_version_that_was_in_it(
    rollout: Rollout, found: Standing, verdict: Verdict, told: str
) -> None:
    finding = precedents.shadow_validated(
        replace(production(rollout, found), env=replace(rollout.tools.env, name="qa"))
    )
    assert (finding.verdict, told in finding.summary) == (verdict, True), finding


def test_a_shortened_shadow_says_that_it_is_no_evidence(rollout: Rollout) -> None:
    tools = production(rollout, shadowed())
    short: Finding = precedents.shadow_validated(
        replace(tools, env=replace(rollout.tools.env, name="qa", shadow_hours=0.1))
    )
    assert "NO EVIDENCE" in short.summary

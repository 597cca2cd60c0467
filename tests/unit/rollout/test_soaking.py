"""A soak as the runner meets it: covered time, breaches and policies, re-entry, drift."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest

from emonk_ops.errors import ExitCode, Unreachable
from emonk_ops.ports import Answer
from emonk_ops.rollout.model import (
    Breach,
    Check,
    Finding,
    Look,
    Soak,
    Stage,
    Step,
    StepResult,
    Verdict,
)
from emonk_ops.rollout.soak import SoakState
from emonk_ops.toolbox import Ports, Toolbox

from .conftest import START, Rollout

if TYPE_CHECKING:
    from emonk_ops.rollout.report import StageReport

HOUR = 3600.0
EVERY = timedelta(minutes=5)


@dataclass
class Server:
    """The service's side: its time, which the operator's clock moves."""

    clock: OperatorClock
    dated: bool = True

    def probe(self, *_args: Any, **_named: Any) -> Answer:
        at = self.clock.server if self.dated else None
        return Answer(200, {}, "", 0.01, "app", at)


@dataclass
class OperatorClock:
    """The operator's clock may be wrong by `off`; sleeping moves both."""

    server: datetime = START
    off: timedelta = timedelta()

    def now(self) -> datetime:
        return self.server + self.off

    def sleep_until(self, when: datetime) -> None:
        self.server = max(self.server, when - self.off)


@dataclass
class Shadow:
    """What is observed: about, and breaches or uncovered time by look."""

    about: dict[str, Any] = field(default_factory=lambda: {"epoch": 1})
    breaches: Callable[[datetime], tuple[Breach, ...]] = lambda _at: ()
    share: float = 1.0
    anew_at: datetime | None = None

    def look(self, _tools: Toolbox, since: datetime, now: datetime) -> Iterator[Look]:
        while since + EVERY <= now:
            until = since + EVERY
            lost = self.anew_at is not None and since < self.anew_at <= until
            found = self.breaches(until)
            seconds = 0.0 if found else EVERY.total_seconds() * self.share
            yield Look(since, until, seconds, found, anew="lines are missing" if lost else "")
            since = until
            if lost:
                return


class Soaked(Rollout):
    """A rollout whose stage soaks for an hour."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.clock = OperatorClock()  # type: ignore[assignment]
        self.server = Server(cast("OperatorClock", self.clock))
        self.shadow = Shadow()
        self.more_seconds: float | None = None
        self.settings(on_breach="rollback")

    @property
    def time(self) -> OperatorClock:
        return cast("OperatorClock", self.clock)

    def settings(self, **changes: Any) -> None:
        env = replace(self.tools.env, **changes)
        ports = cast("Ports", SimpleNamespace(clock=self.clock, service=self.server))
        self.tools = replace(self.tools, env=env, ports=ports, memo={})

    def stage_with_soak(self) -> Stage:
        plain = self.world.stage()

        def preview(_tools: Toolbox) -> StepResult:
            there = self.world.switches["job"]
            return StepResult(there != "there", f"the job is {there}")

        def plan(env: Any) -> tuple[Step, ...]:
            return tuple(
                replace(step, preview=preview) if step.id == "job" else step
                for step in plain.plan(env)
            )

        def accept(tools: Toolbox) -> Finding:
            state: SoakState = tools.memo["soak"]
            if self.more_seconds and state.needed_seconds <= HOUR:
                return Finding(Verdict.INCONCLUSIVE, "too few", more_seconds=self.more_seconds)
            return Finding(Verdict.PASS, f"{state.covered_seconds:.0f} s")

        return replace(
            plain,
            plan=plan,
            soak=lambda _env: Soak(
                "shadow",
                "an hour of it",
                HOUR,
                HOUR,
                EVERY.total_seconds(),
                lambda _tools: self.shadow.about,
                self.shadow.look,
            ),
            acceptance=lambda _env: (Check("judged", "it is judged", accept),),
        )

    def go(self, *, waits: bool = True) -> StageReport:
        self.tools = replace(self.tools, waits=waits, memo={})
        return self.run(self.stage_with_soak())

    @property
    def state(self) -> SoakState:
        return self.book().standing().soaks[1]

    def pass_time(self, minutes: float) -> None:
        self.time.server += timedelta(minutes=minutes)


@pytest.fixture
def soaked(tmp_path: Path) -> Soaked:
    return Soaked(tmp_path)


def always(criterion: str, *, certain: bool = False) -> Callable[[datetime], tuple[Breach, ...]]:
    return lambda _at: (Breach(criterion, "seen", certain),)


def once(criterion: str, at_minute: int) -> Callable[[datetime], tuple[Breach, ...]]:
    moment = START + timedelta(minutes=at_minute)
    return lambda at: (Breach(criterion, "seen"),) if at == moment else ()


def test_who_waits_sees_an_hour_of_healthy_time_and_goes_on(soaked: Soaked) -> None:
    report = soaked.go()
    assert report.exit_code is ExitCode.DONE
    assert soaked.state.ended == "done"
    assert soaked.state.covered_seconds == HOUR
    assert soaked.time.server - START >= timedelta(hours=1)
    assert 1 in soaked.book().standing().passed


def test_who_does_not_wait_comes_back_with_the_same_end(soaked: Soaked) -> None:
    codes = [soaked.go(waits=False).exit_code]
    for _ in range(4):
        soaked.pass_time(17)
        codes.append(soaked.go(waits=False).exit_code)
    assert codes == [ExitCode.WAITING] * 4 + [ExitCode.DONE]
    assert soaked.world.ran == ["serve", "job"], "the steps ran once"
    assert soaked.state.covered_seconds >= HOUR


def test_waiting_says_how_long(soaked: Soaked) -> None:
    soaked.go(waits=False)
    soaked.pass_time(20)
    report = soaked.go(waits=False)
    finding = report.phases["soak"][0].finding
    assert "20 m 0 s of 1 h 0 m covered, 40 m 0 s left" in finding.summary
    assert finding.wait_until == START + timedelta(hours=1)


def test_time_that_was_not_seen_does_not_count(soaked: Soaked) -> None:
    soaked.shadow.share = 0.5
    report = soaked.go()
    assert report.exit_code is ExitCode.DONE
    assert soaked.time.server - START >= timedelta(hours=2)
    assert soaked.state.coverage == 0.5


@pytest.mark.parametrize("hours", [-5, 5])
def test_a_wrong_clock_of_the_operator_neither_lengthens_nor_shortens_it(
    soaked: Soaked, hours: float
) -> None:
    soaked.go(waits=False)
    soaked.time.off = timedelta(hours=hours)
    assert soaked.go(waits=False).exit_code is ExitCode.WAITING
    soaked.pass_time(59)
    assert soaked.go(waits=False).exit_code is ExitCode.WAITING
    soaked.pass_time(1)
    assert soaked.go(waits=False).exit_code is ExitCode.DONE


def test_without_the_servers_time_nothing_is_counted(soaked: Soaked) -> None:
    soaked.go(waits=False)
    soaked.server.dated = False
    soaked.pass_time(120)
    report = soaked.go(waits=False)
    assert report.exit_code is ExitCode.CLOUD
    assert isinstance(report.errors[0], Unreachable)
    assert soaked.state.covered_seconds == 0


def test_what_it_is_about_changes_and_it_begins_anew_and_says_why(soaked: Soaked) -> None:
    soaked.go(waits=False)
    soaked.pass_time(50)
    soaked.go(waits=False)
    soaked.shadow.about = {"epoch": 2}
    report = soaked.go(waits=False)
    assert report.exit_code is ExitCode.WAITING
    assert soaked.state.covered_seconds == 0
    how = [
        record.body["how"]
        for record in soaked.book().journal.records()
        if record.kind == "soak.ended"
    ]
    assert how == ["began anew: epoch was 1 and is 2"]


def test_missing_lines_begin_it_anew_behind_them(soaked: Soaked) -> None:
    soaked.shadow.anew_at = START + timedelta(minutes=40)
    assert soaked.go().exit_code is ExitCode.DONE
    assert soaked.time.server - START >= timedelta(minutes=100)


def test_one_certain_breach_rolls_back(soaked: Soaked) -> None:
    soaked.shadow.breaches = always("duplicates", certain=True)
    report = soaked.go()
    assert report.exit_code is ExitCode.ROLLED_BACK
    assert "duplicates: seen (one is enough)" in report.phases["soak"][0].finding.summary
    assert soaked.world.switches == {"job": "absent", "serves": "a"}
    assert soaked.state.ended == "rolled back"
    assert soaked.book().standing().hold is not None


def test_a_pause_holds_and_changes_nothing(soaked: Soaked) -> None:
    soaked.settings(on_breach="pause")
    soaked.shadow.breaches = always("duplicates", certain=True)
    report = soaked.go()
    assert report.exit_code is ExitCode.CHECK_FAILED
    assert soaked.world.switches == {"job": "there", "serves": "b"}
    hold = soaked.book().standing().hold
    assert hold is not None
    assert hold.complete
    assert "duplicates" in hold.reason


def test_a_warning_goes_on_and_does_not_count_the_time(soaked: Soaked) -> None:
    soaked.settings(on_breach="warn")
    soaked.shadow.breaches = once("errors", 30)
    report = soaked.go()
    assert report.exit_code is ExitCode.DONE
    assert soaked.state.totals == {"errors": 1}
    assert soaked.time.server - START >= timedelta(minutes=65)


@pytest.mark.parametrize(
    ("minutes", "code"),
    [
        ((30,), ExitCode.DONE),
        ((30, 35), ExitCode.ROLLED_BACK),
        ((20, 30, 40), ExitCode.ROLLED_BACK),
    ],
)
def test_limits_in_a_row_and_in_all(
    soaked: Soaked, minutes: tuple[int, ...], code: ExitCode
) -> None:
    moments = {START + timedelta(minutes=minute) for minute in minutes}
    soaked.shadow.breaches = lambda at: (Breach("errors", "seen"),) if at in moments else ()
    assert soaked.go().exit_code is code


def test_what_is_only_observed_never_acts(soaked: Soaked) -> None:
    soaked.settings(observe_only=("duplicates",), on_breach="rollback")
    soaked.shadow.breaches = lambda at: (
        (Breach("duplicates", "seen", certain=True),) if at.minute == 30 else ()
    )
    assert soaked.go().exit_code is ExitCode.DONE


def test_what_somebody_else_changed_is_shown_and_not_overwritten(soaked: Soaked) -> None:
    soaked.settings(on_breach="pause")
    soaked.go(waits=False)
    soaked.world.switches["job"] = "paused by someone"
    report = soaked.go(waits=False)
    assert report.exit_code is ExitCode.CHECK_FAILED
    assert "changed by somebody else: job: the job is paused by someone" in (
        report.phases["soak"][0].finding.summary
    )
    assert soaked.world.switches["job"] == "paused by someone"


def test_a_tendency_without_enough_samples_extends_it(soaked: Soaked) -> None:
    soaked.more_seconds = 1800.0
    assert soaked.go().exit_code is ExitCode.DONE
    assert soaked.state.needed_seconds == HOUR + 1800
    assert soaked.time.server - START >= timedelta(minutes=90)


def test_the_extension_of_who_does_not_wait_is_waited_for(soaked: Soaked) -> None:
    soaked.more_seconds = 1800.0
    soaked.go(waits=False)
    soaked.pass_time(60)
    assert soaked.go(waits=False).exit_code is ExitCode.WAITING
    soaked.pass_time(30)
    assert soaked.go(waits=False).exit_code is ExitCode.DONE


def test_a_passed_stage_again_is_judged_by_the_same_time(soaked: Soaked) -> None:
    soaked.go()
    before = soaked.time.server
    assert soaked.go(waits=False).exit_code is ExitCode.DONE
    assert soaked.time.server == before

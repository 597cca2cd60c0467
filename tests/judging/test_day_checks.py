"""The first hour and the appendix's tests, over simulated days."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from emonk_ops.operations.acceptance.appendix import appendix_checks
from emonk_ops.operations.acceptance.checks import acceptance_checks
from emonk_ops.operations.acceptance.first_hour import first_hour_checks
from emonk_ops.ports import LogEntry
from emonk_ops.rollout.model import Check, Finding, Verdict
from emonk_ops.rollout.soak import SoakState
from emonk_ops.tick.jobs import Job, JobState, Run
from emonk_ops.tick.schedules import Schedule
from tests.judging.day_model import BEGIN, OWN, Day
from tests.judging.test_day import Told

FIRST_HOUR = {
    "duplicate": "first-hour-duplicates",
    "overlap": "first-hour-leases",
    "scheduler paused": "first-hour-schedule",
    "late job": "first-hour-schedule",
    "firestore errors": "first-hour-firestore",
}


def soaked(told: Told, covered_hours: float | None = None) -> None:
    day = told.day
    state = SoakState(4, "production", {}, day.hours * 3600, BEGIN, day.end)
    state.covered_seconds = (day.hours if covered_hours is None else covered_hours) * 3600
    told.tools.memo["soak"] = state


def measured(told: Told, checks: tuple[Check, ...]) -> dict[str, Finding]:
    return {one.id: one.measure(told.tools) for one in checks if one.measure is not None}


def first_hour(told: Told) -> dict[str, Finding]:
    soaked(told)
    return measured(told, first_hour_checks(told.tools.env))


def appendix(told: Told) -> dict[str, Finding]:
    return measured(told, appendix_checks(told.tools.env))


def told_of(day: Day, folder: Path, *, without: int = -1) -> Told:
    """With the job as the service has it behind the day; its slot number `without` has no end."""
    told = Told(day, folder)
    schedule = Schedule(line=f"*/{day.minutes} * * * *")
    created = BEGIN - timedelta(days=1)
    count = int(day.hours * 60 / day.minutes) + 1
    numbers = [number for number in range(count) if number != without]
    slots = [BEGIN + timedelta(minutes=day.minutes * number) for number in numbers]
    recent = tuple(
        Run(slot=slot, at=slot, outcome="succeeded", fence=number + 1, attempt=1)
        for number, slot in enumerate(slots)
    )
    following = schedule.first(day.end)
    job = Job(
        "digest", "log", schedule, {}, JobState.SCHEDULED, following, following, created,
        recent=recent,
    )  # fmt: skip
    world = told.tools.ports.world  # type: ignore[attr-defined]
    world.store.jobs["digest"] = job.to_dict()
    world.clock.set(day.end + timedelta(minutes=2))
    soaked(told)
    return told


def line(severity: str, message: str, minutes: float) -> LogEntry:
    at = BEGIN + timedelta(minutes=minutes)
    log = "run.googleapis.com/stdout"
    return LogEntry(
        at, f"{message}{minutes}", log, severity, message, {"message": message}, {}, {}, OWN
    )


def test_a_healthy_first_hour(tmp_path: Path) -> None:
    found = first_hour(Told(Day(1, 2.0), tmp_path))
    assert len(found) == 4
    assert {one.verdict for one in found.values()} == {Verdict.PASS}


@pytest.mark.parametrize("defect", FIRST_HOUR)
def test_what_goes_wrong_in_the_first_hour(tmp_path: Path, defect: str) -> None:
    early = first_hour(Told(Day(1, 2.0, defect, range(20, 23)), tmp_path))
    failed = {name for name, one in early.items() if one.verdict is Verdict.FAIL}
    assert FIRST_HOUR[defect] in failed
    later = first_hour(Told(Day(1, 2.0, defect, range(90, 93)), tmp_path))
    assert {one.verdict for one in later.values()} == {Verdict.PASS}


def test_a_silent_first_hour_proves_nothing(tmp_path: Path) -> None:
    told = Told(Day(1, 2.0), tmp_path)
    told.tools.ports.world.log.clear()  # type: ignore[attr-defined]
    verdicts = {one.verdict for one in first_hour(told).values()}
    assert Verdict.PASS not in verdicts


def test_the_appendix_is_for_the_environment_that_is_gated(tmp_path: Path) -> None:
    env = Told(Day(1, 1.0), tmp_path).tools.env
    sentences = {one.sentence for one in appendix_checks(env)}
    assert len(sentences) == 5
    gated = {one.sentence for one in acceptance_checks(replace(env, gated_by="qa"))}
    assert sentences <= gated
    assert not sentences & {one.sentence for one in acceptance_checks(env)}


def test_a_shortened_soak_says_that_it_is_no_evidence(tmp_path: Path) -> None:
    told = Told(Day(1, 1.0), tmp_path)
    soaked(told)
    assert "NO EVIDENCE" in appendix_of(told, "monitored").summary
    soaked(told, covered_hours=0.5)
    short = appendix_of(told, "monitored")
    assert (short.verdict, short.more_seconds) == (Verdict.INCONCLUSIVE, 1800.0)


def appendix_of(told: Told, name: str) -> Finding:
    (check,) = (one for one in appendix_checks(told.tools.env) if one.id == name)
    assert check.measure is not None
    return check.measure(told.tools)


def test_errors_and_warnings_are_grouped_and_a_person_decides(tmp_path: Path) -> None:
    told = Told(Day(1, 2.0), tmp_path)
    soaked(told)
    assert appendix_of(told, "complaints").verdict is Verdict.PASS
    world = told.tools.ports.world  # type: ignore[attr-defined]
    world.log += [line("WARNING", "disk is slow", minutes) for minutes in (10, 50, 30)]
    world.log += [line("ERROR", "no such topic", 20), line("ERROR", "before the soak", -5)]
    found = appendix_of(told, "complaints")
    assert found.verdict is Verdict.ASK
    assert found.facts["n"] == 4
    assert [one.split(" (")[0] for one in found.facts["groups"]] == [
        "WARNING disk is slow",
        "ERROR no such topic",
    ]


def test_the_pattern_of_a_healthy_day(tmp_path: Path) -> None:
    found = appendix_of(told_of(Day(1, 0.3), tmp_path), "pattern")
    assert found.verdict is Verdict.PASS, found.summary
    assert 5 <= found.facts["seconds_behind_slot"]["most"] < 6


def test_a_slot_without_an_end_breaks_the_pattern(tmp_path: Path) -> None:
    found = appendix_of(told_of(Day(1, 0.3), tmp_path, without=7), "pattern")
    assert found.verdict is Verdict.FAIL
    assert found.facts["lost"] == ["digest 2026-01-05T00:07:00Z"]


def test_ticks_that_did_not_come_break_the_pattern(tmp_path: Path) -> None:
    told = told_of(Day(1, 0.3, "scheduler paused", range(5, 7)), tmp_path)
    found = appendix_of(told, "pattern")
    assert found.verdict is Verdict.FAIL
    assert "2 seen by nobody" in found.summary


def test_a_months_cost_is_held_against_the_budget(tmp_path: Path) -> None:
    told = Told(Day(1, 2.0), tmp_path)
    soaked(told)
    cheap = appendix_of(told, "cost")
    assert cheap.verdict is Verdict.PASS
    assert cheap.facts["reads_a_day"] == 2 * 1440
    told.tools = replace(told.tools, env=replace(told.tools.env, budget_dollars=0.001))
    assert appendix_of(told, "cost").verdict is Verdict.FAIL
    told.tools.ports.world.log.clear()  # type: ignore[attr-defined]
    assert appendix_of(told, "cost").verdict is Verdict.INCONCLUSIVE

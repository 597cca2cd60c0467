from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from emonk_ops.operations.job_waiting import Known, look, waits_for
from emonk_ops.operations.job_why import explain
from emonk_ops.ports import LogEntry
from emonk_ops.testing import InMemoryPorts, InMemoryWorld
from emonk_ops.tick import settlement
from emonk_ops.tick.jobs import Job, Lease, Run
from emonk_ops.tick.schedules import Schedule
from emonk_ops.toolbox import Toolbox

from .stored_jobs import LEASED, NOW, job, leased_until, stored


def minutes(number: float) -> datetime:
    return NOW + timedelta(minutes=number)


def claimed(one: Job, at: datetime, seconds: float = 300) -> Job:
    return settlement.claim(one, Lease("l", "r1/i/t", at + timedelta(seconds=seconds)))


def ran(one: Job, late: float = 2.0) -> Job:
    at = one.slot + timedelta(seconds=late)
    return settlement.after_success(claimed(one, at), at, None)


def failed(one: Job, late: float = 2.0) -> Job:
    at = one.slot + timedelta(seconds=late)
    return settlement.after_failure(claimed(one, at), at, "Boom: no disk", 0.0)


def entry(message: str, at: datetime, **payload: Any) -> LogEntry:
    return LogEntry(at, "i", "stdout", "INFO", message, payload, {}, {}, {})


def known(one: Job | None, now: datetime, **more: Any) -> Known:
    driving = {"driver": "cloud", "epoch": 2, "driver_revision": "r1", "this_revision": "r1"}
    return Known("a", one, now, **{**driving, **more})


RAN = ran(job())
RETRIED = ran(failed(job()), late=35)
LOST = ran(replace(claimed(job(), minutes(5)), lease=None), late=302)
DEAD = failed(failed(failed(job()), 40), 110)
LATE = ran(job(), late=190)
FOLDED = settlement.judge(job(), minutes(21), ("log",))
SKIPPED = settlement.judge(job(misfire="skip"), minutes(18.5), ("log",))
assert isinstance(FOLDED, settlement.Runnable)
assert isinstance(SKIPPED, settlement.Settled)
CAUGHT_UP = ran(FOLDED.job, late=62)
HOLED = replace(ran(ran(RAN)), recent=(RAN.recent[0], ran(ran(RAN)).recent[2]))
LONG = RAN
for _ in range(40):
    LONG = ran(LONG)
RESCHEDULED = HOLED.with_run(Run(minutes(20), "rescheduled", minutes(20), count=0))


@pytest.mark.parametrize(
    ("one", "at", "now", "conclusion", "certain"),
    [
        (RAN, 6, 7, "12:05:00Z ran once and succeeded (ended 2 s after it)", True),
        (RETRIED, 6, 7, "was run 2 times and succeeded (ended 35 s after it): attempt 1 failed: "
         "Boom: no disk", True),
        (LOST, 6, 12, "was run 2 times and succeeded, late (ended 302 s after it): 1 attempts left "
         "no result, so their leases had to expire", True),
        (DEAD, 6, 9, "was run 3 times and ended dead, late (ended 110 s after it): attempt 1 "
         "failed: Boom: no disk; attempt 2 failed: Boom: no disk; Boom: no disk", True),
        (LATE, 6, 9, "ran once and succeeded, late (ended 190 s after it): no tick of the driver "
         "claimed it before", True),
        (replace(LATE, created_at=minutes(7)), 5, 9, "late (ended 190 s after it): the job was "
         "created after it, at 2026-01-05 12:07:00Z", True),
        (CAUGHT_UP, 21, 22, "12:20:00Z ran once and succeeded, late (ended 62 s after it): 3 "
         "earlier slots had been missed and were folded into it", True),
        (CAUGHT_UP, 12, 22, "12:10:00Z did not run by itself: it was folded into a later one at "
         "2026-01-05 12:21:00Z, with 3 slots from 2026-01-05 12:05:00Z on", True),
        (SKIPPED.job, 12, 19, "12:10:00Z was skipped at 2026-01-05 12:18:30Z, with 3 slots from "
         "2026-01-05 12:05:00Z on: misfire", True),
        (RAN, 3, 7, "there was no slot: the first one is 2026-01-05 12:05:00Z", True),
        (RAN, 600, 7, "22:00:00Z lies in the future", True),
        (settlement.paused(RAN), 600, 7, "lies in the future; waits: the job is paused", True),
        (RAN, 16, 17, "12:15:00Z waits behind 2026-01-05 12:10:00Z, the slot in hand, which is due "
         "since 420 s: the next tick of cloud takes it", True),
        (settlement.cancelled(RAN), 11, 17, "12:10:00Z never runs: the job is cancelled", True),
        (failed(RAN), 11, 10.1, "waits until 2026-01-05 12:10:32Z for attempt 2 of 3, after: Boom",
         True),
        (HOLED, 10, 22, "12:10:00Z is MISSING: later slots ran, and nothing accounts for it", True),
        (RESCHEDULED, 10, 22, "left no run: the job had another schedule then", False),
        (LONG, 6, 250, "can no longer be explained: the job's record reaches back to 2026-01-05 "
         "13:50:00Z, and the log tells nothing of it", False),
        (None, 6, 7, "no job 'a' is stored here", False),
    ],
)  # fmt: skip
def test_the_conclusion_follows_from_the_record(
    one: Job | None, at: float, now: float, conclusion: str, certain: bool
) -> None:
    told = explain(known(one, minutes(now)), minutes(at))
    assert conclusion in told.conclusion
    assert told.known is certain
    assert [fact.at for fact in told.facts if fact.at] == sorted(
        fact.at for fact in told.facts if fact.at
    )


@pytest.mark.parametrize(
    ("one", "more", "told"),
    [
        (job(), {}, "is due since 120 s: the next tick of cloud takes it"),
        (job(), {"driver": "nobody"}, "waits: nobody drives"),
        (job(), {"driver": ""}, "waits: nobody drives"),
        (job(), {"driver_revision": "r0"}, "waits: r0 drives, not r1, which serves"),
        (job(), {"known_type": False}, "waits: the serving revision knows no job type 'log'"),
        (job(), {"rivals": ("b", "c")}, "waits: its concurrency key is busy with b, c"),
        (settlement.paused(job()), {}, "waits: the job is paused"),
        (settlement.cancelled(job()), {}, "is final: the job is cancelled"),
        (claimed(job(), minutes(6)), {}, "is being run by r1/i/t, whose lease ends 2026-01-05 "
         "12:11:00Z"),
        (claimed(job(), minutes(5), 60), {}, "was claimed by r1/i/t, whose lease ended 2026-01-05 "
         "12:06:00Z: a tick has to take it over"),
        (claimed(job(), minutes(5), 60), {"driver": "nobody"}, "take it over; nobody drives"),
    ],
)  # fmt: skip
def test_the_slot_in_hand_waits_for_something_that_has_a_name(
    one: Job, more: dict[str, Any], told: str
) -> None:
    assert told in waits_for(known(one, minutes(7), **more), one)


def test_without_an_instant_the_slot_in_hand_is_meant_and_of_an_ended_job_the_last() -> None:
    assert explain(known(RAN, minutes(7)), None).slot == minutes(10)
    once = ran(job(schedule=Schedule.once(minutes(3))))
    told = explain(known(once, minutes(7)), None)
    assert told.slot == minutes(3)
    assert "ran once" in told.conclusion


def test_the_log_says_when_a_run_began_and_what_the_record_forgot() -> None:
    began = entry("Executing job a", minutes(7), slot="2026-01-05T12:05:00Z", fence=1.0)
    other = entry("Executing job a", minutes(1), slot="2026-01-05T12:00:00Z")
    told = explain(known(LATE, minutes(9), entries=(other, began)), minutes(5))
    assert "late (began 120 s after it)" in told.conclusion
    assert [fact.text for fact in told.facts if "log:" in fact.text] == [
        "log: Executing job a fence=1"
    ]
    ended = entry("Job succeeded", minutes(5), slot="2026-01-05T12:05:00Z")
    told = explain(known(LONG, minutes(250), entries=(ended,)), minutes(6))
    assert told.conclusion.endswith("ended: the log says 'Job succeeded'")
    assert told.known


@pytest.fixture
def tools(tmp_path: Any) -> Toolbox:
    from emonk_ops.settings import Environment, Target

    ports = InMemoryPorts(InMemoryWorld())
    ports.world.clock.set(NOW)
    ports.world.store.jobs = {"a": stored("a")}
    return Toolbox(Environment("qa", Target.SANDBOX, "emonk-qa"), ports, tmp_path)


def world_of(tools: Toolbox) -> InMemoryWorld:
    assert isinstance(tools.ports, InMemoryPorts)
    return tools.ports.world


def test_looking_gathers_facts_log_and_the_driver_s_changes(tools: Toolbox) -> None:
    world = world_of(tools)
    world.write("Executing job a", job_id="a", slot="2026-01-05T12:05:00Z")
    world.write("Executing job b", job_id="b")
    world.write("Scheduler driver changed", driver="nobody", epoch=2)
    found = look(tools, "a", NOW)
    assert found.job == job("a")
    assert (found.driver, found.epoch, found.stopped) == ("legacy", 1, False)
    assert [one.message for one in found.entries] == ["Executing job a", "Scheduler driver changed"]


def test_a_busy_key_names_who_has_it(tools: Toolbox) -> None:
    until = leased_until(NOW, 60)
    jobs = world_of(tools).store.jobs
    jobs["a"]["concurrency_key"] = "k"
    jobs["b"] = stored("b", concurrency_key="k", **{**LEASED, "lease_until": until})
    jobs["c"] = stored("c", concurrency_key="other", **{**LEASED, "lease_until": until})
    jobs["d"] = stored("d", concurrency_key="k")
    assert look(tools, "a", NOW).rivals == ("b",)


def test_an_unknown_job_may_still_be_in_the_log(tools: Toolbox) -> None:
    world_of(tools).write("Job succeeded", job_id="gone")
    found = look(tools, "gone", None)
    assert found.job is None
    told = explain(found, None)
    assert [fact.text for fact in told.facts] == ["log: Job succeeded"]

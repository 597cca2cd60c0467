"""The checker on histories made by hand: what it accuses, and what it has to let pass."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from emonk_ops.tick.jobs import Job, JobState, Lease, Run
from emonk_ops.tick.schedules import Schedule
from tests.chaos.checker import violations
from tests.chaos.facts import (
    Claim,
    Execution,
    Freed,
    History,
    Recorded,
    Said,
    Span,
    history_of,
)
from tests.chaos.journal import Journal

SLOT = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)
SECOND = timedelta(seconds=1)


def claim(tag: str, fence: int, at: float, **other: Any) -> Claim:
    """A claim that was answered a hundredth of a second later, with a lease of three seconds."""
    fields = {"until": at + 3, "sent": at, "answered": at + 0.01, **other}
    return Claim(tag, "job", fence, f"{tag}-{fence}", **fields)


def run(tag: str, fence: int, at: float, **other: Any) -> Execution:
    fields = {
        "until": at + 2.99,
        "end": at + 0.5,
        "ending": "succeeded",
        "effects": (at + 0.2,),
        **other,
    }
    return Execution(tag, "job", SLOT, "job:slot", fence, f"{tag}-{fence}", begin=at, **fields)


def freed(tag: str, fence: int, at: float, outcome: str = "succeeded", **other: Any) -> Freed:
    fields = {"answered": at + 0.01, **other}
    return Freed(tag, "job", fence, outcome, SLOT, at, **fields)


def job(**other: Any) -> Job:
    base = Job(
        id="job",
        type="work",
        schedule=Schedule.once(SLOT),
        payload={},
        state=JobState.SUCCEEDED,
        slot=SLOT,
        due_at=None,
        created_at=SLOT,
        fence=1,
    )
    return replace(base, **other)


def ended(outcome: str = "succeeded", fence: int = 1, **other: Any) -> Run:
    return Run(SLOT, outcome, SLOT, fence, 1, **other)


def good() -> History:
    """One job for one instant, claimed, run and recorded."""
    final = job(counts={"succeeded": 1}, recent=(ended(),))
    return History(
        claims=(claim("a", 1, 10.0),),
        executions=(run("a", 1, 10.02),),
        freed=(freed("a", 1, 10.6),),
        recorded=(Recorded("job", ended()),),
        created={"job": job(due_at=SLOT, fence=0, state=JobState.SCHEDULED)},
        looks={"job": (final,)},
        settled=SLOT,
    )


def crashed(**other: Any) -> History:
    """`a` dies between effect and record; `b` runs the slot again once the lease is over."""
    recorded = (Recorded("job", ended(fence=2)),)
    final = job(fence=2, counts={"succeeded": 1}, recent=(ended(fence=2),))
    fields: dict[str, Any] = {
        "claims": (claim("a", 1, 10.0), claim("b", 2, 13.1)),
        "executions": (run("a", 1, 10.02, end=float("inf"), ending=""), run("b", 2, 13.12)),
        "freed": (freed("b", 2, 13.7),),
        "spans": (Span("a", "dead", 10.3),),
        "recorded": recorded,
        "looks": {"job": (final,)},
        **other,
    }
    return replace(good(), **fields)


def rules(history: History) -> set[str]:
    return {one.rule for one in violations(history)}


def test_a_good_run_and_a_crash_that_was_survived_are_not_accused() -> None:
    assert not violations(good())
    assert not violations(crashed())
    assert not violations(History())


def test_a_second_lease_before_the_end_of_the_first_is_seen() -> None:
    early = (claim("a", 1, 10.0), claim("b", 2, 11.0))
    runs = (run("a", 1, 10.02, end=float("inf")), run("b", 2, 11.02))
    found = rules(crashed(claims=early, executions=runs, freed=(freed("b", 2, 11.6),)))
    assert found == {"two live leases", "effect repeated under a lease"}


def test_a_lease_that_was_given_back_leaves_room_for_the_next() -> None:
    history = crashed(
        claims=(claim("a", 1, 10.0), claim("b", 2, 10.8)),
        executions=(run("a", 1, 10.02, ending="cancelled"), run("b", 2, 10.82)),
        freed=(freed("a", 1, 10.6, "released"), freed("b", 2, 11.4)),
    )
    assert not violations(history)


def test_a_result_whose_process_died_before_the_answer_may_have_freed_the_lease() -> None:
    history = crashed(
        claims=(claim("a", 1, 10.0), claim("b", 2, 10.8)),
        executions=(run("a", 1, 10.02), run("b", 2, 10.82)),
        freed=(freed("a", 1, 10.6, verdict="unclear"), freed("b", 2, 11.4)),
    )
    assert not violations(history)


def test_a_write_that_lost_frees_nothing() -> None:
    history = crashed(
        claims=(claim("a", 1, 10.0), claim("b", 2, 10.8)),
        executions=(run("a", 1, 10.02), run("b", 2, 10.82)),
        freed=(freed("a", 1, 10.6, verdict="conflict"), freed("b", 2, 11.4)),
    )
    assert "two live leases" in rules(history)


def test_a_claim_that_may_have_waited_for_its_answer_accuses_nobody() -> None:
    """`a` was stopped before it read its answer; meanwhile `b` took the expired lease over."""
    late = claim("a", 1, 10.0, answered=15.0)
    history = crashed(claims=(late, claim("b", 2, 13.1)), executions=(run("b", 2, 13.12),))
    assert not rules(history) - {"lease abandoned"}


def test_fences_that_repeat_or_go_back_are_seen() -> None:
    same = (claim("a", 1, 10.0), claim("b", 1, 13.1))
    runs = (run("a", 1, 10.02, end=float("inf")), run("b", 1, 13.12))
    again = crashed(claims=same, executions=runs, freed=(freed("b", 1, 13.7),))
    assert "fence given twice" in rules(again)
    back = (claim("a", 3, 10.0), claim("b", 2, 13.1))
    runs = (run("a", 3, 10.02, end=float("inf")), run("b", 2, 13.12))
    assert "fence went back" in rules(crashed(claims=back, executions=runs))


def test_a_handler_that_begins_after_its_lease_is_seen_unless_chance_stopped_it() -> None:
    late = crashed(executions=(run("a", 1, 13.5, until=13.0, effects=()), run("b", 2, 13.12)))
    assert "begun after its lease" in rules(late)
    by_chance = Span("a", "stopped", 10.005, 13.4)
    assert "begun after its lease" not in rules(replace(late, spans=(by_chance,)))
    at_a_point = replace(by_chance, named=True)
    assert "begun after its lease" in rules(replace(late, spans=(at_a_point,)))


def test_a_handler_that_chance_kept_from_beginning_is_not_accused_of_repeating() -> None:
    """`a` is stopped between its last look at the clock and its handler, `b` does the slot."""
    history = crashed(
        executions=(run("b", 2, 13.12), run("a", 1, 14.0, until=13.0)),
        freed=(freed("b", 2, 13.7), freed("a", 1, 14.6, verdict="conflict")),
        spans=(Span("a", "stopped", 10.011, 13.99),),
    )
    assert not violations(history)


def test_a_handler_without_any_claim_is_seen() -> None:
    assert "no lease" in rules(replace(good(), claims=()))


def test_a_run_after_the_recorded_end_of_its_slot_is_seen() -> None:
    history = replace(
        good(),
        claims=(claim("a", 1, 10.0), claim("b", 2, 11.0)),
        executions=(run("a", 1, 10.02), run("b", 2, 11.02)),
    )
    assert "ran after its end" in rules(history)


def test_an_effect_under_once_that_happens_twice_is_seen() -> None:
    dead = run("a", 1, 10.02, end=float("inf"), ending="", guarded=1)
    assert not violations(crashed(executions=(dead, run("b", 2, 13.12, effects=()))))
    assert rules(crashed(executions=(dead, run("b", 2, 13.12, guarded=1)))) == {"once was twice"}


def test_a_slot_that_succeeded_without_its_effect_is_seen() -> None:
    silent = replace(good(), executions=(run("a", 1, 10.02, effects=()),))
    assert rules(silent) == {"effect never came"}


def test_a_result_that_is_written_over_a_newer_lease_is_seen() -> None:
    stale = crashed(freed=(freed("a", 1, 13.5), freed("b", 2, 13.7)))
    assert "stale result on record" in rules(stale)
    turned_away = crashed(freed=(freed("a", 1, 13.5, verdict="conflict"), freed("b", 2, 13.7)))
    assert not violations(turned_away)


def test_a_lease_given_back_under_a_running_handler_is_seen() -> None:
    history = replace(good(), freed=(freed("a", 1, 10.2, "released"), freed("a", 1, 10.6)))
    assert rules(history) == {"given back while running"}


@pytest.mark.parametrize(
    ("verdict", "spans", "accused"),
    [
        ("ok", (), True),
        ("unclear", (), True),
        ("ok", (Span("a", "dead", 10.2),), False),
        ("ok", (Span("a", "stopped", 10.2, 14.0),), False),
        ("unclear", (Span("a", "unread", 10.2, 10.2),), False),
        ("unclear", (Span("a", "late", 10.0, 10.0),), False),
        ("ok", (Span("b", "dead", 10.2),), True),
    ],
)
def test_a_living_instance_that_forgets_its_lease_is_seen(
    verdict: str, spans: tuple[Span, ...], accused: bool
) -> None:
    history = crashed(
        claims=(claim("a", 1, 10.0, verdict=verdict), claim("b", 2, 13.1)),
        executions=(run("b", 2, 13.12),),
        spans=spans,
    )
    assert rules(history) == ({"lease abandoned"} if accused else set())


def test_an_unclear_claim_of_which_nothing_came_is_no_lease() -> None:
    """Both tried the same fence, and only `b` got it."""
    history = replace(
        good(), claims=(claim("a", 1, 10.0), replace(claim("b", 1, 10.0), verdict="unclear"))
    )
    assert not violations(history)


def test_a_lost_job_and_a_slot_without_an_end_are_seen() -> None:
    assert "job lost" in rules(replace(good(), looks={}))
    waiting = job(due_at=SLOT, state=JobState.SCHEDULED)
    assert "slot not ended" in rules(replace(good(), looks={"job": (waiting,)}, recorded=()))


def test_a_slot_that_ended_twice_is_seen() -> None:
    twice = (Recorded("job", ended()), Recorded("job", ended("dead")))
    assert "slot ended twice" in rules(replace(good(), recorded=twice))


def test_every_slot_of_a_recurring_job_has_to_be_on_record() -> None:
    every = Schedule(every=1.0)
    first = job(schedule=every, state=JobState.SCHEDULED, due_at=SLOT, fence=0)
    last = replace(
        first,
        slot=SLOT + 4 * SECOND,
        due_at=SLOT + 4 * SECOND,
        counts={"coalesced": 2, "skipped": 1, "dead": 1},
    )
    runs = (
        Run(SLOT, "coalesced", SLOT, count=2),
        Run(SLOT + 2 * SECOND, "skipped", SLOT),
        Run(SLOT + 3 * SECOND, "dead", SLOT),
    )
    whole = History(
        recorded=tuple(Recorded("job", one) for one in runs),
        created={"job": first},
        looks={"job": (last,)},
        settled=SLOT + 3.5 * SECOND,
    )
    assert not violations(whole)
    assert rules(replace(whole, recorded=whole.recorded[1:])) == {"slot lost"}
    assert rules(replace(whole, settled=SLOT + 9 * SECOND)) == {"slot not ended"}
    fewer = replace(last, counts={"coalesced": 2, "skipped": 1})
    assert rules(replace(whole, looks={"job": (fewer,)})) == {"slots miscounted"}


def test_a_record_that_goes_back_is_seen() -> None:
    history = good()
    earlier = replace(history.final["job"], fence=2)
    looks = {"job": (earlier, history.final["job"])}
    assert rules(replace(history, looks=looks)) == {"record went back"}


def test_a_result_that_no_handler_came_to_is_seen() -> None:
    failed = replace(good(), executions=(run("a", 1, 10.02, ending="failed"),))
    assert rules(failed) == {"result without its run"}


def test_a_broken_service_is_seen() -> None:
    assert rules(replace(good(), ticks=(("a", 500),))) == {"tick broke"}
    entry = {"message": "Scheduler tick failed", "stack_trace": "x", "error_type": "KeyError"}
    assert rules(replace(good(), said=(Said("a", entry),))) == {"service broke"}


def test_a_recorded_result_that_is_called_stale_is_seen() -> None:
    entry = {
        "message": "Stale completion dropped",
        "job_id": "job",
        "fence": 1,
        "outcome": "succeeded",
    }
    found = rules(replace(good(), said=(Said("a", entry),)))
    assert found == {"recorded result called stale"}


def test_a_history_is_read_from_the_journal_and_the_logs(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "history.jsonl", tag="a")
    until = datetime.fromtimestamp(1013, UTC).isoformat().replace("+00:00", "Z")
    write: dict[str, Any] = {"job_id": "job", "fence": 1, "sent": 10.0, "answered": 10.1}
    step: dict[str, Any] = {"job_id": "job", "fence": 1, "key": "k", "lease_id": "l"}
    journal.write("clock", offset=1000.0)
    journal.write("claim", **write, lease_id="l", lease_until=until, verdict="ok", runs=[])
    journal.write("begin", **step, mono=10.2, slot=until, lease_until=until)
    journal.write("effect", **step, mono=10.3, guarded=True)
    journal.write("end", **step, mono=10.4, ending="succeeded")
    journal.write("stop", mono=11.0)
    journal.write("cont", mono=12.0)
    journal.write("sending", what="freed", job_id="job", fence=1, sent=10.5, runs=[])
    held = replace(job(), lease=Lease("l", "a", SLOT), state=JobState.LEASED)
    journal.write("look", jobs=[held.to_dict()])
    journal.close()
    (tmp_path / "a.log").write_text('{"message": "said"}\nno json\n')
    history = history_of(tmp_path)
    assert history.claims == (Claim("a", "job", 1, "l", 13.0, 10.0, 10.1),)
    (execution,) = history.executions
    assert (execution.until, execution.end, execution.guarded) == (13.0, 10.4, 1)
    (unanswered,) = history.freed
    assert (unanswered.sent, unanswered.verdict) == (10.5, "unclear")
    assert history.spans == (Span("a", "stopped", 11.0, 12.0),)
    assert history.final == {"job": held}
    assert [said.entry["message"] for said in history.said] == ["said", "no JSON"]

"""Jobs of every kind, by seed: schedules, states, runs on record, effects, payloads."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from emonk_ops.tick.jobs import Job, JobState, Lease, Run
from emonk_ops.tick.schedules import Schedule
from emonk_ops.tick.settlement import (
    after_failure,
    after_release,
    after_success,
    cancelled,
    claim,
    paused,
)

NOW = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)
SCHEDULES = (
    Schedule(line="*/5 * * * *"),
    Schedule(line="30 2 * * *", zone="Europe/Berlin"),
    Schedule(every=90.0),
    Schedule(every=1.5),
    Schedule.once(NOW + timedelta(days=1, microseconds=7)),
)
WORDS = ("plain", "ä ö ü", "日本語", '"quoted" \\ and\nlines', "🙂", "")


def mixed_jobs(count: int, seed: int) -> list[Job]:
    """`count` jobs, the same for the same seed."""
    rng = random.Random(seed)
    return [_job(rng, number) for number in range(count)]


def _job(rng: random.Random, number: int) -> Job:
    schedule = rng.choice(SCHEDULES)
    job = Job(
        id=f"{rng.choice('aZ0_.')}{rng.getrandbits(40):x}.{number}".lstrip("_."),
        type=rng.choice(("log", "canary", "report")),
        schedule=schedule,
        payload={"word": rng.choice(WORDS), "n": rng.getrandbits(62), "deep": [{"x": 0.1}, None]},
        state=JobState.SCHEDULED,
        slot=schedule.first(NOW),
        due_at=schedule.first(NOW),
        created_at=NOW - timedelta(microseconds=rng.getrandbits(30)),
        timeout_seconds=rng.choice((None, 7.5)),
        misfire=rng.choice(("run_once", "run_all", "skip")),
        declared=rng.random() < 0.1,
        concurrency_key=rng.choice((None, "mail", "ä")),
        max_attempts=rng.choice((1, 3)),
    )
    for _ in range(rng.choice((0, 0, 1, 5, 25))):
        job = _run(rng, job)
    return rng.choice((lambda j: j, lambda j: j, paused, cancelled, _left_behind))(job)


def _run(rng: random.Random, job: Job) -> Job:
    if job.due_at is None:
        return job
    held = claim(job, Lease(f"{rng.getrandbits(64):x}", "r1/i/t", job.due_at + timedelta(300)))
    held = replace(held, effects={**held.effects, "mail": held.fence})
    at = held.slot + timedelta(seconds=rng.random())
    match rng.randrange(4):
        case 0:
            return after_failure(held, at, f"Boom: {rng.choice(WORDS)}", rng.random())
        case 1:
            return after_release(held, at, "shutdown", started=True, refund=True)
        case 2:
            skipped = Run(held.slot, "coalesced", at, held.fence, count=rng.randrange(1, 9))
            return after_success(held.with_run(skipped), at, None)
    return after_success(held, at, {"rows": rng.getrandbits(20)})


def _left_behind(job: Job) -> Job:
    """A lease whose holder died long ago."""
    if job.due_at is None:
        return job
    return claim(job, Lease("dead", "r0/i/t", NOW - timedelta(hours=1)))

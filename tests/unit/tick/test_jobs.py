from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emonk_ops.tick.errors import InvalidJob
from emonk_ops.tick.jobs import Job, JobState, Lease, Run, canonical, checksum
from emonk_ops.tick.schedules import Schedule
from emonk_ops.tick.testing import EPOCH

INSTANTS = st.integers(-(10**9), 10**9).map(lambda n: EPOCH + timedelta(microseconds=n * 977))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**9), 10**9) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=5,
)
RUNS = st.builds(
    Run,
    slot=INSTANTS,
    outcome=st.sampled_from(["succeeded", "failed", "coalesced"]),
    at=INSTANTS,
    fence=st.integers(0, 9),
    attempt=st.integers(0, 9),
    reason=st.text(max_size=5),
    result=st.none() | st.dictionaries(st.text(max_size=3), JSON, max_size=2),
    count=st.integers(1, 9),
    through=st.none() | INSTANTS,
)
JOBS = st.builds(
    Job,
    id=st.text(min_size=1, max_size=5),
    type=st.text(min_size=1, max_size=5),
    schedule=st.builds(Schedule.once, INSTANTS) | st.just(Schedule(line="0 3 * * *", zone="UTC")),
    payload=st.dictionaries(st.text(max_size=3), JSON, max_size=3),
    state=st.sampled_from(JobState),
    slot=INSTANTS,
    due_at=st.none() | INSTANTS,
    created_at=INSTANTS,
    fence=st.integers(0, 9),
    attempt=st.integers(0, 9),
    lease=st.none() | st.builds(Lease, st.text(max_size=3), st.text(max_size=3), INSTANTS),
    paused=st.booleans(),
    declared=st.booleans(),
    timeout_seconds=st.none() | st.floats(1, 50),
    max_catchup=st.integers(1, 9),
    concurrency_key=st.none() | st.text(min_size=1, max_size=3),
    effects=st.dictionaries(st.text(max_size=3), st.integers(0, 9), max_size=2),
    counts=st.dictionaries(st.text(max_size=3), st.integers(0, 9), max_size=2),
    recent=st.lists(RUNS, max_size=3).map(tuple),
)


@given(JOBS)
def test_a_job_comes_back_from_json_as_it_was(job: Job) -> None:
    assert Job.from_dict(json.loads(json.dumps(job.to_dict()))) == job


@given(JOBS)
def test_a_job_written_before_there_were_keys_and_bounds_is_read(job: Job) -> None:
    written = job.to_dict()
    del written["max_catchup"], written["concurrency_key"]
    read = Job.from_dict(written)
    assert read == replace(job, max_catchup=100, concurrency_key=None)


@given(st.lists(JOBS, unique_by=lambda job: job.id, max_size=4))
def test_the_checksum_depends_on_the_jobs_and_not_on_their_order(jobs: list[Job]) -> None:
    written = [job.to_dict() for job in jobs]
    assert checksum(written) == checksum(reversed(json.loads(json.dumps(written))))


def test_the_guides_names_are_in_the_json_form() -> None:
    job = Job(
        "one",
        "log",
        Schedule.once(EPOCH),
        {},
        JobState.LEASED,
        EPOCH,
        EPOCH,
        EPOCH,
        lease=Lease("x", "somebody", EPOCH + timedelta(minutes=5)),
    )
    written = job.to_dict()
    assert written["schedule_at"] == "2026-01-05T12:00:00Z"
    assert written["lease_until"] == "2026-01-05T12:05:00Z"
    assert job.idempotency_key == "one:2026-01-05T12:00:00Z"


def test_canonical_json_has_one_form() -> None:
    assert canonical({"b": 1, "a": ["ü"]}) == '{"a":["ü"],"b":1}'


@pytest.mark.parametrize("change", [{"slot": None}, {"state": "odd"}, {"fence": "x"}])
def test_a_job_that_cannot_be_read_is_named(change: dict[str, Any]) -> None:
    job = Job("one", "log", Schedule.once(EPOCH), {}, JobState.DEAD, EPOCH, None, EPOCH)
    with pytest.raises(InvalidJob, match="job one"):
        Job.from_dict({**job.to_dict(), **change})


@pytest.mark.parametrize("value", [None, [], "x", {}, {"id": "one"}])
def test_what_is_no_job_is_refused(value: Any) -> None:
    with pytest.raises(InvalidJob):
        Job.from_dict(value)


def test_only_the_last_twenty_runs_are_kept_and_all_are_counted() -> None:
    job = Job("one", "log", Schedule.once(EPOCH), {}, JobState.DEAD, EPOCH, None, EPOCH)
    for number in range(50):
        job = job.with_run(Run(EPOCH, "succeeded", EPOCH, fence=number))
    assert [run.fence for run in job.recent] == list(range(30, 50))
    assert job.counts == {"succeeded": 50}

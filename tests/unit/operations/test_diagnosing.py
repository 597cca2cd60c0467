"""The judgments of `diagnose`, each over a small picture of the world, and their order."""

from __future__ import annotations

import string
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from emonk_ops.access_ports import Binding, Policy
from emonk_ops.errors import ExitCode, NotOffered, PermissionMissing, Unreachable
from emonk_ops.operations.diagnosing.bundle import MOST_BYTES, MOST_OF_A_LIST, Parts
from emonk_ops.operations.diagnosing.causes import BY_ID, CAUSES
from emonk_ops.operations.diagnosing.diagnosis import Diagnosis, diagnose, ranked
from emonk_ops.operations.diagnosing.latency import needed
from emonk_ops.operations.diagnosing.logged import (
    Complaint,
    Logged,
    SeenRequest,
    SeenTick,
    SlotRuns,
    read,
)
from emonk_ops.operations.diagnosing.model import Issue, Named, Suspect, named
from emonk_ops.operations.diagnosing.repairs import MAKERS
from emonk_ops.operations.diagnosing.seen import Seen
from emonk_ops.ports import (
    Answer,
    DriverState,
    LogEntry,
    Revision,
    Service,
    TickJob,
    TickJobSpec,
    TrafficShare,
)
from emonk_ops.settings import Environment, Target
from emonk_ops.tick.jobs import Job, JobState, Lease, Run, Schedule
from emonk_ops.tick.jobs import replace as replace_job
from emonk_ops.tick.ticks import TickReport

NOW = datetime(2026, 1, 5, 12, 0, 45, tzinfo=UTC)
SINCE = NOW - timedelta(hours=1)
ENV = Environment("qa", Target.SANDBOX, "emonk-qa", storage="firestore")
URL = "https://agent.example"
AGENT = "emonk-agent@emonk-qa.iam.gserviceaccount.com"
SPEC = TickJobSpec(
    "*/5 * * * *",
    "Etc/UTC",
    f"{URL}/cron/tick",
    oidc_account=ENV.tick_invoker,
    oidc_audience=URL,
)
VARS = {
    "SCHEDULER_STORAGE": "firestore",
    "TICK_AUDIENCE": URL,
    "TICK_INVOKER": ENV.tick_invoker,
    "SCHEDULER_LEGACY_LOOP": "false",
}
SLOTS = [NOW.replace(second=0) - timedelta(minutes=5 * n) for n in range(12)][::-1]


def revision(**changes: Any) -> Revision:
    plain = Revision("a-1", "img", VARS, AGENT, 1, 1, True, 300.0, True, "", SINCE)
    return replace(plain, **changes)


def service(**changes: Any) -> Service:
    latest = (TrafficShare("", 100),)
    serving = (TrafficShare("a-1", 100),)
    plain = Service("agent", URL, "e", 1, True, "", "a-1", "a-1", latest, serving, revision(), {})
    return replace(plain, **changes)


def job(job_id: str = "report", **changes: Any) -> Job:
    schedule = changes.pop("schedule", Schedule(line="*/5 * * * *"))
    slot = changes.pop("slot", NOW + timedelta(minutes=4))
    plain = Job(job_id, "log", schedule, {}, JobState.SCHEDULED, slot, slot, SINCE)
    return replace_job(plain, **changes)


def late(job_id: str = "report", **changes: Any) -> Job:
    return job(job_id, slot=NOW - timedelta(minutes=30), **changes)


def ticks(**changes: Any) -> list[SeenTick]:
    report = replace(TickReport(path="cron", driver="cloud", duration_ms=20.0), **changes)
    return [SeenTick(slot + timedelta(seconds=1), "i1", "a-1", report) for slot in SLOTS]


def requests(status: int = 200, seconds: float = 0.1, said: str = "") -> list[SeenRequest]:
    return [SeenRequest(slot, status, seconds, "a-1", said) for slot in SLOTS]


def log(**changes: Any) -> Logged:
    plain: dict[str, Any] = {"ticks": ticks(), "requests": requests(), "heard": {"i1": NOW}}
    return Logged(**{**plain, **changes})


def policy(*bindings: Binding) -> Policy:
    return Policy(bindings)


HEALTHY = Seen(
    ENV,
    NOW,
    SINCE,
    service=service(),
    revision=revision(),
    health=Answer(200, {"storage": {"ok": True}}, "", 0.01, "app"),
    state=DriverState("cloud", 3, "a-1", "a-1", "driving", 0, 0),
    job=TickJob("agent-tick", SPEC, "ENABLED", SLOTS[-1], 0, None),
    want=SPEC,
    jobs=(job(),),
    project=policy(Binding("roles/datastore.user", (f"serviceAccount:{AGENT}",))),
    door=policy(Binding("roles/run.invoker", ("allUsers",))),
    database={"name": "(default)"},
    log=log(),
)
ALL = tuple(Issue)


def seen(**changes: Any) -> Seen:
    return replace(HEALTHY, **changes)


def kept_job(**changes: Any) -> TickJob:
    assert HEALTHY.job is not None
    return replace(HEALTHY.job, **changes)


def respecified(**changes: Any) -> TickJob:
    return kept_job(spec=replace(SPEC, **changes))


def complaint(code: str = "", text: str = "", job_id: str = "", kind: str = "") -> Complaint:
    return Complaint(SLOTS[-1] + timedelta(seconds=1), job_id, kind, code, text)


def met(code: str) -> Logged:
    errors = {code: {"count": 2, "transient": False}}
    return log(ticks=ticks(storage_errors=errors), storage=[complaint(code, "needs an index")])


def runs(second: float, *, ended: float | None, how: str = "succeeded") -> Logged:
    """Two runs of a slot, the second so many seconds behind; when and how the first one ended."""
    slot = SLOTS[0]
    found = SlotRuns([(slot, 1), (slot + timedelta(seconds=second), 2)])
    if ended is not None:
        found.ended[1] = (slot + timedelta(seconds=ended), how)
    return log(slots={("report", slot): found})


def held(seconds: float, by: str = "a-1/gone/t1") -> Job:
    until = NOW + timedelta(seconds=seconds)
    return late(lease=Lease("x", by, until), due_at=until, fence=4)


GONE = log(heard={"i1": NOW, "gone": NOW - timedelta(minutes=20)})
RETRIED = log(
    failures=[complaint(text="boom", job_id="report")],
    slots={("report", SLOTS[-1]): SlotRuns([], {2: (NOW, "succeeded")})},
)
COLD = log(ticks=ticks(cold_start=True), requests=requests(seconds=9.0))
DELETED = f"deleted:serviceAccount:{ENV.tick_invoker}?uid=42"
FAULTS: dict[str, Seen] = {
    "scheduler-job-missing": seen(job=None),
    "scheduler-job-paused": seen(job=kept_job(state="PAUSED")),
    "scheduler-job-drifted": seen(job=respecified(uri="https://old.example/cron/tick")),
    "wrong-audience": seen(job=respecified(oidc_audience="https://old.example")),
    "wrong-invoker": seen(job=respecified(oidc_account="x@y.iam.gserviceaccount.com")),
    "wrong-tick-audience": seen(
        revision=revision(env={**VARS, "TICK_AUDIENCE": "https://old.example"})
    ),
    "wrong-tick-invoker": seen(revision=revision(env={**VARS, "TICK_INVOKER": "x@y.example"})),
    "invoker-lacks-role": seen(door=policy(), log=log(requests=requests(403))),
    "invoker-deleted": seen(
        door=policy(Binding("roles/run.invoker", (DELETED,))), log=log(requests=requests(403))
    ),
    "scheduler-cannot-sign": seen(
        job=kept_job(last_status_code=16), log=log(requests=[], ticks=[])
    ),
    "revision-fails": seen(service=service(latest_created="a-2", reason="it crashed")),
    "service-down": seen(health=Answer(503, {}, "no", 0.1, "platform")),
    "traffic-pinned": seen(
        service=service(
            traffic=(TrafficShare("a-1", 100),), latest_ready="a-2", latest_created="a-2"
        )
    ),
    "nobody-drives": seen(state=DriverState("nobody", 4, "", "a-1", "quiesced", 0, 0)),
    "no-path-runs": seen(state=DriverState("legacy", 4, "a-1", "a-1", "driving", 0, 0)),
    "stuck-lease": seen(jobs=(held(200),), log=GONE),
    "job-paused": seen(jobs=(late(paused=True, due_at=None),)),
    "job-dead": seen(
        jobs=(
            job(
                state=JobState.DEAD,
                due_at=None,
                recent=(Run(SLOTS[0], "dead", SLOTS[1], 3, 3, "boom"),),
            ),
        )
    ),
    "key-blocked": seen(
        jobs=(
            replace_job(held(20, "a-1/i1/t"), id="first", concurrency_key="books"),
            late("second", concurrency_key="books"),
        )
    ),
    "handler-unknown": seen(jobs=(late(),), unknown_types=frozenset(("log",))),
    "handler-fails": seen(log=log(failures=[complaint(text="boom", job_id="report")])),
    "schedule-in-another-zone": seen(
        jobs=(
            job(
                "reminder",
                schedule=Schedule(at=NOW + timedelta(hours=1)),
                slot=NOW + timedelta(hours=1),
                payload={
                    "schedule_at": (NOW + timedelta(hours=1)).replace(tzinfo=None).isoformat()
                },
            ),
        )
    ),
    "storage-denied": seen(project=policy(), log=met("PERMISSION_DENIED")),
    "database-missing": seen(database=None),
    "index-missing": seen(log=met("FAILED_PRECONDITION")),
    "storage-contention": seen(log=met("ABORTED")),
    "storage-away": seen(log=met("UNAVAILABLE")),
    "json-storage": seen(
        revision=revision(env={**VARS, "SCHEDULER_STORAGE": "json"}), cut_over=True
    ),
    "two-drivers": seen(
        log=log(
            ticks=[
                replace(one, report=replace(one.report, path=("loop", "cron")[place % 2]))
                for place, one in enumerate(ticks())
            ]
        )
    ),
    "lease-shorter-than-handler": seen(log=runs(301, ended=320)),
    "lease-not-held": seen(log=runs(5, ended=20)),
    "not-idempotent": seen(log=log(effects={("report:2026-01-05T11:00:00Z", "mail"): SLOTS[:2]})),
    "cold-starts": seen(
        revision=revision(min_instances=0),
        log=COLD,
    ),
    "more-due-than-a-tick-carries": seen(
        log=log(ticks=ticks(more_due=True, jobs_executed=6, duration_ms=56_000.0))
    ),
    "slow-handlers": seen(
        log=log(
            ticks=ticks(duration_ms=12_000.0, overhead_ms=20.0),
            slots={
                ("report", SLOTS[0]): SlotRuns(
                    [(SLOTS[0], 1)], {1: (SLOTS[0] + timedelta(seconds=12), "succeeded")}
                )
            },
        )
    ),
    "slow-storage": seen(
        log=log(
            ticks=ticks(
                duration_ms=9_000.0,
                overhead_ms=8_900.0,
                storage_latency_ms={"count": 4, "p50": 2000.0, "max": 2500.0},
            )
        )
    ),
}


def ids(found: Diagnosis) -> list[str]:
    return [one.cause.id for one in found.causes]


def test_nothing_is_wrong_with_the_healthy_picture() -> None:
    found = diagnose(HEALTHY, ALL)
    assert ids(found) == []
    assert found.code is ExitCode.DONE
    assert found.sentence.startswith("nothing wrong found, in 12 ticks and 12 requests since ")


def test_every_cause_has_a_picture_here() -> None:
    assert set(FAULTS) == set(BY_ID)


@pytest.mark.parametrize("cause", FAULTS)
def test_a_fault_is_named_first_with_evidence_and_complete_commands(cause: str) -> None:
    found = diagnose(FAULTS[cause], ALL)
    assert ids(found)[0] == cause
    assert found.code is ExitCode.CHECK_FAILED
    first = found.causes[0]
    assert first.suspect.evidence
    for text in (first.see, first.command, first.over):
        assert "{" not in text
    for issue in first.cause.issues:
        assert cause in ids(diagnose(FAULTS[cause], (issue,)))
    others = [issue for issue in ALL if issue not in first.cause.issues]
    assert all(cause not in ids(diagnose(FAULTS[cause], (one,))) for one in others)


@pytest.mark.parametrize("cause", CAUSES, ids=lambda one: one.id)
def test_nothing_is_named_without_evidence(cause: Any) -> None:
    """Not where nothing could be asked, and not where all is well."""
    away = {name: PermissionMissing("no") for name in ("scheduler job", "database", "log")}
    assert cause.look(Seen(ENV, NOW, SINCE, blind=away)) is None
    assert cause.look(HEALTHY) is None


def test_the_table_of_causes_is_whole() -> None:
    assert len(BY_ID) == len(CAUSES)
    for one in CAUSES:
        assert set(one.explains) <= set(BY_ID), one.id
        assert one.id not in one.explains
        assert all((one.sentence, one.symptom, one.resolution, one.see, one.command, one.over))
        assert not one.fix or one.fix in MAKERS
    assert {one.issue for one in CAUSES} == set(Issue)


@pytest.mark.parametrize(
    ("picture", "cause"),
    [
        # A holder that is at work: it has just spoken, or nobody else has since.
        (seen(jobs=(held(250, "a-1/i1/t"),)), "stuck-lease"),
        (seen(jobs=(held(250),), log=log(heard={"gone": SLOTS[-1]})), "stuck-lease"),
        # An expired lease is the next tick's to take.
        (seen(jobs=(held(-5),)), "stuck-lease"),
        # The first run failed or died before the second: that is a retry.
        (seen(log=runs(60, ended=40, how="failed")), "lease-not-held"),
        (seen(log=runs(301, ended=None)), "lease-shorter-than-handler"),
        # They ran under an older revision, whose lease may have been another.
        (
            seen(log=runs(301, ended=320), revision=revision(created_at=NOW)),
            "lease-shorter-than-handler",
        ),
        (seen(log=runs(5, ended=20), revision=revision(created_at=NOW)), "lease-not-held"),
        # Its handler may still run: the lease was taken a moment ago.
        (seen(jobs=(held(290),), log=GONE), "stuck-lease"),
        # No binding names them, and yet they are let in: a group, or a role of somebody's own.
        (seen(door=policy()), "invoker-lacks-role"),
        (seen(project=policy()), "storage-denied"),
        # One attempt failed, and the next went well.
        (seen(log=RETRIED), "handler-fails"),
        # One path after the other is a hand-over.
        (seen(log=log(ticks=[*ticks(path="loop")[:6], *ticks()[6:]])), "two-drivers"),
        (seen(log=log(ticks=ticks(driver="shadow", path="loop"))), "two-drivers"),
        # A store that failed and works again.
        (seen(log=log(storage=[complaint("ABORTED")], ticks=ticks()[:-1])), "storage-away"),
        # Cold, but with an instance kept warm; slow, but not waiting.
        (
            seen(log=log(ticks=ticks(cold_start=True), requests=requests(seconds=9.0))),
            "cold-starts",
        ),
        # Every job paused on purpose before its time has come.
        (seen(jobs=(job(paused=True),)), "job-paused"),
        # The loop drives, so that a paused job is as it should be.
        (
            seen(
                state=DriverState("legacy", 1, "a-1", "a-1", "driving", 0, 0),
                job=kept_job(state="PAUSED"),
            ),
            "scheduler-job-paused",
        ),
        # Deployed anew: it takes the drive with its first tick.
        (seen(state=DriverState("cloud", 3, "a-0", "a-1", "standby", 0, 0)), "nobody-drives"),
        # Two hours ahead, and no zone here is two hours ahead.
        (
            seen(
                jobs=(
                    job(
                        schedule=Schedule(at=NOW + timedelta(hours=2)),
                        slot=NOW + timedelta(hours=2),
                        created_at=NOW,
                    ),
                )
            ),
            "schedule-in-another-zone",
        ),
        # JSON before stage 4, on one instance.
        (seen(revision=revision(env={**VARS, "SCHEDULER_STORAGE": "json"})), "json-storage"),
    ],
)
def test_what_only_looks_like_it_is_not_named(picture: Seen, cause: str) -> None:
    assert cause not in ids(diagnose(picture, ALL))


def test_a_zone_that_a_job_here_uses_gives_a_wrong_instant_away() -> None:
    ahead = job(
        "reminder",
        schedule=Schedule(at=NOW + timedelta(hours=1)),
        slot=NOW + timedelta(hours=1),
        created_at=NOW - timedelta(minutes=3),
    )
    berlin = job("digest", schedule=Schedule(line="0 7 * * *", zone="Europe/Berlin"))
    (found,) = diagnose(seen(jobs=(ahead, berlin)), ALL).causes
    assert "read as Europe/Berlin that is 2026-01-05 12:00:45Z" in found.suspect.evidence
    assert diagnose(seen(jobs=(ahead,)), ALL).causes == ()


def test_two_at_once_are_both_named_and_what_explains_comes_first() -> None:
    both = seen(job=kept_job(state="PAUSED"), jobs=(late(),), unknown_types=frozenset(("log",)))
    assert ids(diagnose(both, ALL)) == ["scheduler-job-paused", "handler-unknown"]
    deep = [_named("not-idempotent"), _named("lease-not-held"), _named("json-storage")]
    assert [one.cause.id for one in ranked(deep, set())] == [
        "json-storage",
        "not-idempotent",
        "lease-not-held",
    ]
    slow_first = [_named("job-paused"), _named("slow-storage")]
    assert ranked(slow_first, {Issue.LATENCY})[0].cause.id == "slow-storage"


def _named(cause: str) -> Named:
    return named(BY_ID[cause], Suspect("seen", fills=_Anything()), HEALTHY)


class _Anything(dict[str, str]):
    """Fills whatever a command leaves open."""

    def __init__(self) -> None:
        texts = [text for one in CAUSES for text in (one.see, one.command, one.over)]
        names = {name for text in texts for _, name, _, _ in string.Formatter().parse(text) if name}
        super().__init__(dict.fromkeys(names, "x"))


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (PermissionMissing("no"), ExitCode.INCONCLUSIVE),
        (NotOffered("has none"), ExitCode.DONE),
    ],
)
def test_what_could_not_be_seen_leaves_it_open(error: Any, code: ExitCode) -> None:
    picture = seen(state=None, blind={"driver": error})
    assert diagnose(picture, ALL).code is code


def test_a_log_out_of_reach_and_all_out_of_reach() -> None:
    blind = seen(log=None, blind={"log": Unreachable("away")})
    found = diagnose(blind, ALL)
    assert found.code is ExitCode.INCONCLUSIVE
    assert "log (unreachable)" in found.sentence
    nothing = Seen(ENV, NOW, SINCE, blind={"service": Unreachable("away")})
    assert diagnose(nothing, ALL).code is ExitCode.CLOUD


def test_what_lies_before_a_repair_is_no_finding() -> None:
    silent = seen(log=log(requests=requests()[:-2], ticks=ticks()[:-2]))
    found = diagnose(silent, ALL, repaired_at=NOW - timedelta(minutes=1))
    assert found.code is ExitCode.INCONCLUSIVE
    assert found.sentence.startswith("repaired at 2026-01-05 11:59:45Z, and nothing is wrong now")
    long_ago = diagnose(silent, ALL, repaired_at=SINCE - timedelta(minutes=1))
    assert long_ago.code is ExitCode.CHECK_FAILED


def test_a_symptom_without_a_cause_says_that_nothing_tells_why() -> None:
    found = diagnose(seen(log=log(requests=requests()[:-2], ticks=ticks()[:-2])), ALL)
    assert found.code is ExitCode.CHECK_FAILED
    assert found.sentence == "not-triggering: measured, but nothing seen says why"


@pytest.mark.parametrize(
    ("due", "mean", "budget", "handlers"),
    [(10, 20.0, 55.0, 5), (1, 0.0, 55.0, 1), (600, 1, 55, 14)],
)
def test_how_many_handlers_carry_what_is_due(
    due: float, mean: float, budget: float, handlers: int
) -> None:
    assert needed(due, mean, budget) == handlers


def entry(message: str, **payload: Any) -> LogEntry:
    resource = {"type": "cloud_run_revision", "revision_name": "a-1"}
    said = {"message": message, **payload}
    return LogEntry(
        NOW, payload.pop("id", message), "stdout", "INFO", message, said, {}, {}, resource
    )


def test_only_a_line_that_names_its_effect_is_an_effect() -> None:
    key = {"idempotency_key": "report:2026-01-05T11:00:00Z", "instance": "i1"}
    found = read(
        [
            entry("Starting", **key),
            entry("Mail sent", effect="mail", **key),
            entry("Canary effect", **key),
        ],
        "/cron/tick",
    )
    assert [effect for _key, effect in found.effects] == ["mail", "Canary effect"]
    assert found.heard == {"i1": NOW}


def test_a_line_that_is_none_of_ours_is_passed_over() -> None:
    found = read([entry("Scheduler tick completed", jobs_due="many", instance="i1")], "/cron/tick")
    assert (found.entries, found.ticks) == (1, [])


def test_a_bundle_cuts_the_oldest_and_says_so() -> None:
    parts = Parts()
    parts.add_lines("ticks.jsonl", "ticks", ({"n": n, "text": "x" * 990} for n in range(2_000)))
    assert len(parts.files["ticks.jsonl"]) <= MOST_OF_A_LIST
    assert parts.files["ticks.jsonl"].decode().splitlines()[-1].startswith('{"n": 0,')
    assert "older entries left away" in parts.cut[0]
    parts.add("huge.txt", "too much", "x" * MOST_BYTES)
    assert "huge.txt" not in parts.files
    assert parts.cut[1].startswith("huge.txt: left away")

"""The planted faults: each with how it is planted, how long it works, and its right first cause."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta

from emonk_ops.errors import DeployFailed
from emonk_ops.operations.diagnosing.model import Issue
from tests.diagnosing.ward import FIRESTORE, OPERATOR, SOUND, Ward

INVOKER = "emonk-scheduler@emonk-qa.iam.gserviceaccount.com"
STRANGER = "somebody@emonk-qa.iam.gserviceaccount.com"
HALF_AN_HOUR = timedelta(minutes=31)


@dataclass(frozen=True)
class Fault:
    """`causes` in their order, the first on top; `fix` says whether `--fix` heals it.

    `works` is how long it lasts before somebody looks.
    """

    name: str
    issue: Issue
    plant: Callable[[Ward], object]
    causes: tuple[str, ...]
    works: timedelta = timedelta(minutes=16)
    fix: bool = False
    alone: bool = False  # nothing else may be named
    always: bool = False  # played in every run of the tests, the others in long ones


def _drift_url(ward: Ward) -> None:
    ward.respecify(uri=f"{ward.tools.run.describe_service().uri}/cron/tock")


def _two_paths(ward: Ward) -> None:
    tick = ward.newest("Scheduler tick completed")
    for minutes in (1, 6, 11):
        at = ward.tools.clock.now() - timedelta(minutes=minutes)
        ward.write_like(tick, at=at, path="loop", sequence=0, instance="")


def _revision_fails(ward: Ward) -> None:
    ward.image("dies", "-c", "raise SystemExit('no module named agent')")
    with suppress(DeployFailed):
        ward.deploy(image="dies")


def _service_down(ward: Ward) -> None:
    ward.image("ill", "-m", "tests.diagnosing.ill_service")
    ward.deploy(image="ill")


def _pinned(ward: Ward) -> None:
    ward.route(ward.well)
    ward.deploy(env={"NEW": "1"})


def _no_path(ward: Ward) -> None:
    ward.deploy(env={"SCHEDULER_LEGACY_LOOP": "true"})
    state = ward.tools.service.driver()
    ward.tools.service.activate("legacy", expected_epoch=state.epoch)
    ward.deploy(env={"SCHEDULER_LEGACY_LOOP": "false"})


def _stuck(ward: Ward) -> None:
    """Its instance is killed while it runs, and its lease lasts an hour."""
    ward.serve(env={**SOUND, "SCHEDULER_LEASE_SECONDS": "3600"})
    ward.job("backup", "slow_report", {"seconds": 40})
    ward.to_slot(20)
    ward.kill()


def _blocked(ward: Ward) -> None:
    """Another job waits for the key of one that is stuck."""
    ward.serve(env={**SOUND, "SCHEDULER_LEASE_SECONDS": "3600"})
    ward.job("first", "slow_report", {"seconds": 40}, concurrency_key="books")
    ward.to_slot(20)
    ward.kill()
    ward.job("second", "log", {"message": "second"}, concurrency_key="books")


def _dead(ward: Ward) -> None:
    at = ward.tools.clock.now() + timedelta(minutes=1)
    payload = {"url": "http://127.0.0.1:9/"}
    ward.job("bill", "http", payload, schedule={"at": at.isoformat()}, max_attempts=1)


def _fails(ward: Ward) -> None:
    ward.job("letter-bill", "http", {"url": "http://127.0.0.1:9/"}, max_attempts=50)


def _other_zone(ward: Ward) -> None:
    """An hour ahead, as Berlin is in winter, where the digest lives."""
    now = ward.tools.clock.now()
    local = (now + timedelta(hours=1, minutes=3)).replace(microsecond=0, tzinfo=None)
    payload = {"message": "remind me", "schedule_at": local.isoformat()}
    ward.job("reminder", "log", payload, schedule={"at": f"{local.isoformat()}Z"})


def _json(ward: Ward) -> None:
    ward.serve(env={**SOUND, "SCHEDULER_STORAGE": "json"}, max_instances=3)


def _lease_short(ward: Ward) -> None:
    """A second run when the lease has ended, and the first one's end behind it."""
    ward.job("report", "slow_report", {"seconds": 20})
    ward.to_slot(60)
    began = ward.newest("Executing job report")
    ended = ward.newest("Job succeeded", "report")
    ward.passes(timedelta(minutes=6))
    first = {"slot": EARLIER, "fence": 70}
    later = began.timestamp + timedelta(seconds=301)
    ward.write_like(began, at=began.timestamp + timedelta(seconds=1), **first)
    ward.write_like(began, at=later, slot=EARLIER, fence=71)
    ward.write_like(ended, at=later + timedelta(seconds=20), **first)


def _not_held(ward: Ward) -> None:
    ward.job("audit", "slow_report", {"seconds": 20})
    ward.to_slot(60)
    began = ward.newest("Executing job audit")
    at = began.timestamp + timedelta(seconds=5)
    ward.write_like(began, at=at, fence=began.payload["fence"] + 1)


def _effect_twice(ward: Ward) -> None:
    ward.job("mail", "mail_twice")


def _effect_guarded(ward: Ward) -> None:
    """Fails just as that one, and its effect is behind `once()`."""
    ward.job("note", "mail_once")


def _cold(ward: Ward) -> None:
    ward.serve(env=dict(SOUND), min_instances=0)
    ward.operator.control("cold-start", seconds=9)
    ward.to_slot(120)
    ward.kill()
    ward.to_slot(120)
    ward.operator.control("cold-start", seconds=0)


def _slow_handlers(ward: Ward) -> None:
    ward.job("export", "slow_report", {"seconds": 12})


def _too_much(ward: Ward) -> None:
    ward.serve(env={**SOUND, "SCHEDULER_CONCURRENCY": "2"})
    for number in range(10):
        ward.job(f"batch-{number}", "slow_report", {"seconds": 20})


def _slow_store(ward: Ward) -> None:
    ward.fault(f"{FIRESTORE}*", latency=2.5)


def _no_database(ward: Ward) -> None:
    words = "The database (default) does not exist for project emonk-qa"
    ward.fault(f"{FIRESTORE}*", "NOT_FOUND", message=words)
    ward.fault("google.firestore.admin.v1.FirestoreAdmin/GetDatabase", "NOT_FOUND", message=words)


def _no_index(ward: Ward) -> None:
    words = "The query requires an index. You can create it here: https://console.example"
    ward.fault(f"{FIRESTORE}RunQuery", "FAILED_PRECONDITION", message=words)


def _paused_and_unknown(ward: Ward) -> None:
    """The job's type first says so in a tick, then the ticks stop."""
    ward.job("telegram", "telegram")
    ward.to_slot(60)
    ward.tools.jobs.pause()


EARLIER = "2026-01-01T00:00:00Z"  # a slot that no real run has
TRIGGER, RUN = Issue.NOT_TRIGGERING, Issue.NOT_EXECUTING
TWICE, SLOW = Issue.DUPLICATE, Issue.LATENCY
FAULTS: tuple[Fault, ...] = (
    Fault("job deleted", TRIGGER, lambda w: w.tools.jobs.delete(), ("scheduler-job-missing",)),
    Fault(
        "job paused",
        TRIGGER,
        lambda w: w.tools.jobs.pause(),
        ("scheduler-job-paused",),
        fix=True,
        always=True,
    ),
    Fault("address drifted", TRIGGER, _drift_url, ("scheduler-job-drifted",), fix=True),
    Fault(
        "schedule drifted",
        TRIGGER,
        lambda w: w.respecify(schedule="0 4 * * *"),
        ("scheduler-job-drifted",),
        fix=True,
    ),
    Fault(
        "deadline drifted",
        TRIGGER,
        lambda w: w.respecify(attempt_deadline_seconds=15),
        ("scheduler-job-drifted",),
        fix=True,
    ),
    Fault(
        "wrong audience",
        TRIGGER,
        lambda w: w.respecify(oidc_audience="https://other.example"),
        ("wrong-audience",),
        fix=True,
    ),
    Fault(
        "job calls as another account",
        TRIGGER,
        lambda w: w.respecify(oidc_account=STRANGER),
        ("wrong-invoker",),
        fix=True,
    ),
    Fault(
        "TICK_AUDIENCE is another address",
        TRIGGER,
        lambda w: w.deploy(env={"TICK_AUDIENCE": "https://old.example"}),
        ("wrong-tick-audience",),
    ),
    Fault(
        "TICK_INVOKER is another account",
        TRIGGER,
        lambda w: w.serve(env={**SOUND, "TICK_INVOKER": STRANGER}),
        ("wrong-tick-invoker",),
    ),
    Fault(
        "run.invoker taken away",
        TRIGGER,
        lambda w: w.shut_door(OPERATOR),
        ("invoker-lacks-role",),
        fix=True,
    ),
    Fault(
        "invoker's account deleted",
        TRIGGER,
        lambda w: w.shut_door(OPERATOR, f"deleted:serviceAccount:{INVOKER}?uid=1"),
        ("invoker-deleted",),
    ),
    Fault("service answers 500", TRIGGER, _service_down, ("service-down",)),
    Fault("newest revision dies", TRIGGER, _revision_fails, ("revision-fails",)),
    Fault("traffic pinned", TRIGGER, _pinned, ("traffic-pinned",)),
    Fault(
        "drive given up",
        RUN,
        lambda w: w.tools.service.quiesce(wait_seconds=1.0),
        ("nobody-drives",),
    ),
    Fault("loop meant and off", RUN, _no_path, ("no-path-runs", "nobody-drives")),
    Fault("lease of a killed instance", RUN, _stuck, ("stuck-lease",), fix=True, always=True),
    Fault(
        "key of a killed instance's job",
        RUN,
        _blocked,
        ("stuck-lease", "key-blocked"),
        fix=True,
    ),
    Fault(
        "no handler", RUN, lambda w: w.job("letter", "telegram"), ("handler-unknown",), always=True
    ),
    Fault(
        "stored job paused",
        RUN,
        lambda w: w.tools.service.pause_job("heartbeat"),
        ("job-paused",),
        fix=True,
    ),
    Fault("job dead", RUN, _dead, ("job-dead",)),
    Fault("handler raises", RUN, _fails, ("handler-fails",)),
    Fault(
        "time of another zone",
        RUN,
        _other_zone,
        ("schedule-in-another-zone",),
        timedelta(0),
        always=True,
    ),
    Fault(
        "datastore.user taken away",
        RUN,
        lambda w: w.revoke("roles/datastore.user"),
        ("storage-denied",),
        fix=True,
        always=True,
    ),
    Fault(
        "Firestore away",
        RUN,
        lambda w: w.fault(f"{FIRESTORE}*", "UNAVAILABLE"),
        ("storage-away",),
    ),
    Fault("no database", RUN, _no_database, ("database-missing",)),
    Fault("index missing", SLOW, _no_index, ("index-missing",)),
    Fault(
        "writes aborted",
        TWICE,
        lambda w: w.fault(f"{FIRESTORE}BatchWrite", "ABORTED", rate=0.7),
        ("storage-contention",),
    ),
    Fault("JSON in three instances", TWICE, _json, ("json-storage",)),
    Fault("both paths run", TWICE, _two_paths, ("two-drivers",), timedelta(0)),
    Fault("lease too short", TWICE, _lease_short, ("lease-shorter-than-handler",), timedelta(0)),
    Fault("claims not held", TWICE, _not_held, ("lease-not-held",), timedelta(0)),
    Fault("effect repeated", TWICE, _effect_twice, ("not-idempotent",), always=True),
    Fault("effect behind once()", RUN, _effect_guarded, ("handler-fails",), alone=True),
    Fault("cold start", SLOW, _cold, ("cold-starts",), timedelta(0)),
    Fault("slow handler", SLOW, _slow_handlers, ("slow-handlers",)),
    Fault("more due than fits", SLOW, _too_much, ("more-due-than-a-tick-carries",), always=True),
    Fault("slow store", SLOW, _slow_store, ("slow-storage",), timedelta(minutes=6)),
    Fault(
        "two at once: paused, no handler",
        TRIGGER,
        _paused_and_unknown,
        ("scheduler-job-paused", "handler-unknown"),
        always=True,
    ),
)

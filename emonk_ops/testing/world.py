"""A Cloud Run service, its revisions' stores, its Cloud Scheduler job and its log, in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from emonk_ops.errors import NotFound
from emonk_ops.operations.cadence import slots_between
from emonk_ops.operations.service_env import default_driver, is_true
from emonk_ops.ports import LogEntry, Revision, TickJob, TrafficShare
from emonk_ops.testing.clock import ManualClock

BROKEN_IMAGE = "broken"  # its container never answers
ILL_IMAGE = "ill"  # it starts, and answers every request with an error
NAME = "emonk-agent"
FIRESTORE = "firestore"
URI = "http://agent.test"
SERVICE_ENV: Mapping[str, str] = {
    "ENVIRONMENT": "qa",
    "SCHEDULER_STORAGE": "json",
    "SCHEDULER_CADENCE": "*/5 * * * *",
    "SCHEDULER_LEGACY_LOOP": "true",
    "TICK_AUDIENCE": URI,
    "TICK_INVOKER": "emonk-scheduler@emonk-qa.iam.gserviceaccount.com",
    "ADMIN_USERS": "operator@example.com",
}


@dataclass
class Store:
    """Jobs, and the record of who drives: (driver, epoch), None before there is, `by` whom."""

    jobs: dict[str, dict[str, Any]]
    record: tuple[str, int] | None = None
    by: str = ""  # the revision that drives; empty: the one that serves


class InMemoryWorld:
    """One service whose first revision drives by its environment. Its parts may be changed freely.

    A revision has a store of its own, as JSON storage has; those on Firestore share one, which
    begins empty. `before` hears the name of each call that changes something before it is done,
    and `after` once it is: what they raise goes to the caller, so they stand for failures, lost
    answers and crashes.
    """

    def __init__(
        self, env: Mapping[str, str] = SERVICE_ENV, *, jobs: Sequence[str] = ("digest", "report")
    ) -> None:
        self.clock = ManualClock()
        self.clock.on_move = self._moved
        self.before: Callable[[str], None] = lambda _call: None
        self.after: Callable[[str], None] = lambda _call: None
        self.declared = tuple(jobs)
        self.revisions: list[Revision] = []
        self.stores: dict[str, Store] = {FIRESTORE: Store({})}
        self.annotations: dict[str, str] = {}
        self.traffic: tuple[TrafficShare, ...] = (TrafficShare("", 100),)
        self.job: TickJob | None = None
        self.other_jobs = 0  # of Cloud Scheduler, in the same project and region
        self.log: list[LogEntry] = []
        self.ran: list[tuple[str, datetime]] = []  # (job, instant) of each execution
        self.generation = 1
        self.private = False  # the platform lets nobody in without a token
        self.startup_lines: tuple[str, ...] = (
            "Scheduler storage initialized",
            "Agent Core created",
        )
        self.template = _first_template(env)
        self.make_revision()

    @contextmanager
    def change(self, call: str) -> Iterator[None]:
        self.before(call)
        yield
        self.generation += 1
        self.after(call)

    def make_revision(self) -> Revision:
        """What the platform does with a template that was changed."""
        ready = self.template.image != BROKEN_IMAGE
        made = replace(
            self.template,
            name=f"{NAME}-{len(self.revisions) + 1:05d}",
            ready=ready,
            reason="" if ready else "The container failed to start and listen on the port.",
            created_at=self.clock.now(),
        )
        self.revisions.append(made)
        self.stores[made.name] = Store({one: {"id": one, "fence": 0} for one in self.declared})
        if ready:
            for line in self.startup_lines:
                self.write(line, revision=made.name)
        else:
            self.write("ImportError: no module named agent", severity="ERROR", revision=made.name)
        return made

    @property
    def latest_ready(self) -> str:
        return next(one.name for one in reversed(self.revisions) if one.ready)

    @property
    def serving(self) -> str:
        """The revision that the service's URL reaches; of a split, the one with most traffic."""
        most = max(self.traffic, key=lambda one: one.percent)
        return most.revision or self.latest_ready

    @property
    def store(self) -> Store:
        revision = self.revision(self.serving)
        on_firestore = revision.env.get("SCHEDULER_STORAGE") == FIRESTORE
        return self.stores[FIRESTORE if on_firestore else revision.name]

    def revision(self, name: str) -> Revision:
        found = next((one for one in self.revisions if one.name == name), None)
        if found is None:
            raise NotFound(f"run.revisions.get: revision {name} does not exist")
        return found

    def record(self) -> tuple[str, int] | None:
        """Who drives, by the serving revision's store; it claims the drive after its standby."""
        store, revision = self.store, self.revision(self.serving)
        standby = timedelta(seconds=float(revision.env.get("SCHEDULER_STANDBY_SECONDS", "0")))
        if store.record is None and self.clock.now() >= revision.created_at + standby:
            store.record, store.by = (default_driver(revision.env), 1), revision.name
        return store.record

    @property
    def role(self) -> str:
        """Of the serving revision, as it would say it."""
        driver, _epoch = self.record() or ("", 0)
        if driver == "nobody":
            return "quiesced"
        return "driving" if driver and self.store.by in ("", self.serving) else "standby"

    @property
    def ill(self) -> bool:
        return self.revision(self.serving).image == ILL_IMAGE

    def has_loop(self) -> bool:
        return is_true(self.revision(self.serving).env.get("SCHEDULER_LEGACY_LOOP"))

    def tick(self, agent: str) -> dict[str, Any]:
        """An accepted POST /cron/tick: every job runs, if this path drives."""
        record = self.record()
        admits = record is not None and record[0] in ("cloud", "shadow")
        drives = admits and self.role == "driving"
        jobs = list(self.store.jobs.values()) if drives else []
        for job in jobs:
            job["fence"] += 1
            self.ran.append((job["id"], self.clock.now()))
        n = len(jobs)
        metrics: dict[str, Any] = {"jobs_checked": n, "jobs_due": n, "jobs_executed": n}
        metrics |= {"jobs_succeeded": n, "jobs_failed": 0}
        if drives:
            self.write("Running scheduler tick")
            self.write("Scheduler tick completed", **metrics)
        self.write_request("/cron/tick", 200, agent)
        return metrics if drives else {"executed": False, "reason": "not the driver", **metrics}

    def attempt(self) -> None:
        """Cloud Scheduler calls the service now, and the job remembers it."""
        assert self.job is not None
        self.tick("Google-Cloud-Scheduler")
        now = self.clock.now()
        self.job = replace(self.job, last_attempt_at=now, last_status_code=0)

    def write(
        self, message: str, *, severity: str = "INFO", revision: str = "", **fields: Any
    ) -> None:
        """A line of the service on its standard output."""
        payload = {"message": message, **fields}
        self._keep("run.googleapis.com/stdout", severity, payload, {}, revision)

    def write_request(self, path: str, status: int, agent: str) -> None:
        """What the platform writes of a request."""
        http = {"status": status, "requestUrl": f"{URI}{path}", "userAgent": agent}
        http |= {"requestMethod": "POST", "latency_seconds": 0.01}
        severity = "INFO" if status < 400 else "WARNING" if status < 500 else "ERROR"
        self._keep("run.googleapis.com/requests", severity, {}, http, "")

    def _keep(
        self, log: str, severity: str, payload: dict[str, Any], http: dict[str, Any], revision: str
    ) -> None:
        resource = {"type": "cloud_run_revision", "service_name": NAME}
        self.log.append(
            LogEntry(
                timestamp=self.clock.now(),
                insert_id=f"{len(self.log):08d}",
                log=log,
                severity=severity,
                message=str(payload.get("message", "")),
                payload=payload,
                http=http,
                labels={},
                resource={**resource, "revision_name": revision or self.serving},
            )
        )

    def _moved(self, before: datetime, after: datetime) -> None:
        """An enabled job ticks at its slots."""
        if self.job is None or self.job.state != "ENABLED":
            return
        for slot in slots_between(self.job.spec.schedule, self.job.spec.time_zone, before, after):
            self.clock.set(slot)
            self.attempt()


def _first_template(env: Mapping[str, str]) -> Revision:
    return Revision(
        name="",
        image=NAME,
        env=dict(env),
        service_account="emonk-agent@emonk-qa.iam.gserviceaccount.com",
        min_instances=1,
        max_instances=1,
        cpu_always_allocated=True,
        timeout_seconds=300.0,
        ready=True,
        reason="",
        created_at=datetime.fromtimestamp(0, UTC),
    )

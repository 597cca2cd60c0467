"""All that a diagnosis goes by, asked once. What could not be asked is said, not guessed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, TypeVar

from emonk_ops.access_ports import Policy
from emonk_ops.errors import Interrupted, NotOffered, OpsError, Unreachable
from emonk_ops.operations.cadence import longest_pause, slots_between
from emonk_ops.operations.diagnosing.logged import Logged, read
from emonk_ops.operations.health import ask_health
from emonk_ops.operations.job_audit import jobs_of
from emonk_ops.operations.prerequisites import serving_revision
from emonk_ops.operations.service_env import default_driver, storage_of
from emonk_ops.operations.tick_job import wanted_spec
from emonk_ops.operations.tick_window import LATEST_START, of_service
from emonk_ops.ports import Answer, DriverState, Revision, Service, TickJob, TickJobSpec
from emonk_ops.settings import Environment
from emonk_ops.tick.jobs import InvalidJob, Job
from emonk_ops.toolbox import Toolbox

T = TypeVar("T")
FIRESTORE = "firestore"
LEASE_SECONDS, HANDLER_SECONDS = 300.0, 50.0  # the service's own, where nothing else is set
GIVING_UP_SECONDS = 15.0
MOST_TYPES = 20


@dataclass(frozen=True)
class Seen:
    """The world as it was asked at `now`, and its log from `since` on. None: could not be asked,
    and `blind` says why; a Cloud Scheduler job or a database that is known to be absent is not in
    `blind`.
    """

    env: Environment
    now: datetime
    since: datetime
    service: Service | None = None
    revision: Revision | None = None
    health: Answer | None = None
    state: DriverState | None = None
    job: TickJob | None = None
    want: TickJobSpec | None = None
    jobs: tuple[Job, ...] | None = None
    project: Policy | None = None
    door: Policy | None = None
    database: Mapping[str, Any] | None = None
    log: Logged | None = None
    unknown_types: frozenset[str] = frozenset()  # of jobs past their time, asked of the service
    blind: Mapping[str, OpsError] = field(default_factory=dict)
    cut_over: bool = False  # stage 4 has passed, by the journal

    @property
    def vars(self) -> Mapping[str, str]:
        return self.revision.env if self.revision is not None else {}

    @property
    def driver(self) -> str:
        """Who drives: by the store's record, else by the variables; "" where neither is known."""
        if self.state is not None and self.state.driver:
            return self.state.driver
        said = self.health.body.get("driver") if self.health is not None else None
        if isinstance(said, Mapping) and said.get("driver"):
            return str(said["driver"])
        return default_driver(self.vars) if self.revision is not None else ""

    @property
    def ticked(self) -> bool:
        """Whether Cloud Scheduler's ticks are what runs jobs, alone or beside the loop."""
        return self.driver in ("cloud", "shadow")

    @property
    def storage(self) -> str:
        return storage_of(self.vars) if self.revision is not None else ""

    @property
    def lease_seconds(self) -> float:
        return self.number("SCHEDULER_LEASE_SECONDS", LEASE_SECONDS)

    def handler_seconds(self, job: Job) -> float:
        """After so long a handler of the job was cancelled, and has given up or ignores it."""
        usual = self.number("SCHEDULER_HANDLER_TIMEOUT_SECONDS", HANDLER_SECONDS)
        return (job.timeout_seconds or usual) + GIVING_UP_SECONDS

    def number(self, variable: str, default: float) -> float:
        """A number of the service's environment; the default for what is none."""
        try:
            return float(self.vars.get(variable) or default)
        except ValueError:
            return default

    @property
    def pause(self) -> float:
        """Seconds between two ticks at most."""
        return longest_pause(self.env.cadence, self.env.time_zone, self.since)

    @property
    def late_seconds(self) -> float:
        """A job that is due for longer than this should have run: two ticks had their time."""
        return 2 * self.pause + LATEST_START.total_seconds()

    @property
    def slots(self) -> tuple[datetime, ...]:
        """The ticks that had to be, and had their time."""
        until = self.now - LATEST_START
        if until <= self.since:
            return ()
        return slots_between(self.env.cadence, self.env.time_zone, self.since, until)

    @property
    def overdue(self) -> tuple[Job, ...]:
        """Jobs that should have run, those with a live lease and the paused ones among them."""
        limit = self.now - timedelta(seconds=self.late_seconds)
        return tuple(one for one in self.jobs or () if _left_lying(one, limit))

    @property
    def account(self) -> str:
        named = self.env.service_account
        return named or (self.revision.service_account if self.revision is not None else "")


def _left_lying(job: Job, limit: datetime) -> bool:
    if job.finished or job.slot >= limit:
        return False
    return job.paused or job.lease is not None or (job.due_at is not None and job.due_at < limit)


def look(tools: Toolbox, seconds: float, *, cut_over: bool = False) -> Seen:
    """Ask everything once. Only reads; raises nothing but Interrupted and a clock out of reach."""
    now = tools.clock.now()
    since = now - timedelta(seconds=seconds)
    eyes = _Eyes()
    seen = Seen(
        tools.env,
        now,
        since,
        service=eyes.see("service", tools.run.describe_service),
        revision=eyes.see("revision", lambda: serving_revision(tools)),
        health=eyes.see("health", lambda: ask_health(tools)),
        state=eyes.see("driver", lambda: tools.service.driver()),
        job=eyes.see("scheduler job", lambda: tools.jobs.describe()),
        want=eyes.see("specification", lambda: wanted_spec(tools)),
        jobs=eyes.see("stored jobs", lambda: tuple(jobs_of(tools.service.list_jobs()))),
        project=eyes.see("project policy", lambda: tools.access.policy()),
        door=eyes.see("service policy", lambda: tools.invokers.policy()),
        database=eyes.see("database", lambda: tools.platform.firestore_database()),
        log=eyes.see("log", lambda: _log(tools, since, now)),
        blind=eyes.blind,
        cut_over=cut_over,
    )
    unknown = eyes.see("job types", lambda: _unknown_types(tools, seen.overdue))
    return replace(seen, unknown_types=unknown or frozenset())


def _unknown_types(tools: Toolbox, overdue: tuple[Job, ...]) -> frozenset[str]:
    """One job of each type is asked about, of so many types at most."""
    samples = {job.type: job.id for job in reversed(overdue)}
    return frozenset(
        kind
        for kind, job_id in list(samples.items())[:MOST_TYPES]
        if not tools.service.job_facts(job_id).get("known_type", True)
    )


class _Eyes:
    """Asks, and remembers what it was not told, and why."""

    def __init__(self) -> None:
        self.blind: dict[str, OpsError] = {}

    def see(self, name: str, ask: Callable[[], T]) -> T | None:
        try:
            return ask()
        except Interrupted:
            raise
        except OpsError as error:
            self.blind[name] = error
            return None
        except InvalidJob as error:
            self.blind[name] = OpsError(str(error))
            return None


def _log(tools: Toolbox, since: datetime, now: datetime) -> Logged:
    entries = tools.logs.entries(of_service(tools.env), since=since, until=now)
    return read(entries, tools.env.service.tick_path)


def unreachable(seen: Seen) -> bool:
    """Whether nothing at all could be asked for want of an answer."""
    mute = [one for one in seen.blind.values() if isinstance(one, Unreachable)]
    told = (seen.service, seen.health, seen.job, seen.project, seen.log)
    return bool(mute) and all(one is None for one in told)


def hidden(seen: Seen) -> dict[str, OpsError]:
    """What is missing of the picture: an API that the target does not have is not missed."""
    return {name: error for name, error in seen.blind.items() if not isinstance(error, NotOffered)}

"""What the operations need of the world, as protocols with small frozen records.

Each port belongs to one environment (project, region, service, job are bound by the wiring).
Every method is one or few remote calls with an explicit timeout, and raises the `OpsError` family:
`NotFound`, `PermissionMissing`, `CredentialsMissing`, `Unreachable`, `NotOffered`, `Conflict`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from emonk_ops.job_ports import ServiceJobs


@dataclass(frozen=True)
class TrafficShare:
    """One line of a traffic split. `revision=""` is the latest ready revision (not pinned)."""

    revision: str
    percent: int
    tag: str = ""


@dataclass(frozen=True)
class Revision:
    """A Cloud Run revision, short name."""

    name: str
    image: str
    env: Mapping[str, str]
    service_account: str
    min_instances: int
    max_instances: int  # 0: the platform's default
    cpu_always_allocated: bool
    timeout_seconds: float
    ready: bool
    reason: str  # the platform's words while not ready
    created_at: datetime


@dataclass(frozen=True)
class Service:
    """A Cloud Run service as it is now."""

    name: str
    uri: str
    etag: str
    generation: int
    ready: bool
    reason: str
    latest_created: str
    latest_ready: str
    traffic: tuple[TrafficShare, ...]  # as asked for
    serving: tuple[TrafficShare, ...]  # as it is, revisions resolved
    template: Revision  # what the next revision starts from (name is empty)
    annotations: Mapping[str, str]
    last_modifier: str = ""

    @property
    def pinned(self) -> bool:
        """Whether traffic names a revision, so that later deployments would get 0 %."""
        return any(share.revision and share.percent for share in self.traffic)

    @property
    def serving_revision(self) -> str:
        """The one revision with all the traffic; empty while it is split."""
        full = [share.revision for share in self.serving if share.percent == 100]
        return full[0] if full else ""


@dataclass(frozen=True)
class DeployRequest:
    """A new revision: the running template with these changes. `env` value None removes one."""

    image: str = ""  # empty: as it runs
    env: Mapping[str, str | None] = field(default_factory=dict)
    min_instances: int | None = None
    max_instances: int | None = None
    cpu_always_allocated: bool | None = None
    annotations: Mapping[str, str] = field(default_factory=dict)


class CloudRun(Protocol):
    """The service on Cloud Run."""

    def describe_service(self) -> Service: ...

    def describe_revision(self, name: str) -> Revision: ...

    def list_revisions(self) -> tuple[Revision, ...]:
        """Newest first."""
        ...

    def deploy(self, request: DeployRequest, *, timeout_seconds: float) -> Service:
        """Create a revision and wait until it is ready; `DeployFailed` when it never becomes so."""
        ...

    def route(self, traffic: Sequence[TrafficShare], *, timeout_seconds: float) -> Service:
        """Set the traffic split and wait until it is in effect."""
        ...

    def annotate(self, annotations: Mapping[str, str | None]) -> Service:
        """Change annotations of the service without making a revision."""
        ...


@dataclass(frozen=True)
class TickJobSpec:
    """What the Cloud Scheduler job should be."""

    schedule: str
    time_zone: str
    uri: str
    http_method: str = "POST"
    oidc_account: str = ""
    oidc_audience: str = ""
    attempt_deadline_seconds: int = 180
    retry_count: int = 0
    description: str = ""


@dataclass(frozen=True)
class TickJob:
    """The Cloud Scheduler job as it is. `state`: ENABLED, PAUSED, DISABLED, UPDATE_FAILED."""

    name: str
    spec: TickJobSpec
    state: str
    last_attempt_at: datetime | None
    last_status_code: int | None  # google.rpc code of the last attempt; 0 is OK; None: no attempt
    next_run_at: datetime | None


class TickJobs(Protocol):
    """The environment's one Cloud Scheduler job."""

    def describe(self) -> TickJob | None:
        """None when there is no such job."""
        ...

    def create(self, spec: TickJobSpec, *, paused: bool) -> TickJob:
        """Create; with `paused`, it is paused before it could fire if the API allows no better."""
        ...

    def update(self, spec: TickJobSpec) -> TickJob: ...

    def pause(self) -> TickJob: ...

    def resume(self) -> TickJob: ...

    def run(self) -> TickJob: ...

    def delete(self) -> None: ...

    def count(self) -> int: ...  # all jobs of the project in the region, whoever made them


@dataclass(frozen=True)
class LogEntry:
    """One entry of Cloud Logging. `payload` is jsonPayload, or {"message": textPayload}."""

    timestamp: datetime
    insert_id: str
    log: str  # short id, e.g. run.googleapis.com/requests
    severity: str
    message: str
    payload: Mapping[str, Any]
    http: Mapping[str, Any]  # status, requestUrl, requestMethod, latency_seconds, userAgent
    labels: Mapping[str, str]
    resource: Mapping[str, str]  # resource labels, and "type"


class Logs(Protocol):
    """Cloud Logging of the environment's project."""

    def entries(
        self,
        query: str,
        *,
        since: datetime,
        until: datetime | None = None,
        newest_first: bool = False,
        limit: int | None = None,
    ) -> Iterator[LogEntry]:
        """Entries that match `query` in Cloud Logging's language, within the time bounds."""
        ...

    def tail(self, query: str) -> Iterator[LogEntry]:
        """Entries as they arrive, until the caller closes the iterator."""
        ...


@dataclass(frozen=True)
class Answer:
    """What an HTTP probe got. `by` is "app" or "platform" (Cloud Run's own 401, 403, 404, 5xx)."""

    status: int
    body: Mapping[str, Any]
    text: str
    seconds: float
    by: str
    at: datetime | None = None  # the server's time: its Date header


@dataclass(frozen=True)
class DriverState:
    """Who drives, as the running service says (WIRE: GET /admin/driver)."""

    driver: str  # legacy | cloud | shadow | nobody | "" when the store holds no record yet
    epoch: int
    revision: str
    this_revision: str
    role: str  # driving | standby | quiesced
    live_leases: int
    running: int


@dataclass(frozen=True)
class Quiesced:
    """What `quiesce` found and did."""

    epoch: int
    driver_before: str
    drained: bool
    live_leases: int
    running: int


class TickService(ServiceJobs, Protocol):
    """The running service over HTTP, through its public URL."""

    def probe(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        *,
        tick_token: bool = False,
        operator_token: bool = False,
        audience: str = "",
    ) -> Answer:
        """Without credentials, or with the tick invoker's or operator's token, for `audience`."""

    def driver(self) -> DriverState:
        """`NotOffered` when the service has no admin API."""
        ...

    def activate(self, driver: str, *, expected_epoch: int, at_least: int = 0) -> DriverState:
        """The serving revision drives from the next epoch on, which is `at_least` so high."""
        ...

    def quiesce(self, *, wait_seconds: float) -> Quiesced: ...

    def export_jobs(self, *, seconds: float = 60.0) -> Mapping[str, Any]:
        """The document `emonk-jobs/1`, checksum included."""
        ...

    def import_jobs(self, document: Mapping[str, Any]) -> Mapping[str, Any]: ...


class Platform(Protocol):
    """The project's switches and permissions. A target without these APIs raises `NotOffered`."""

    def api_enabled(self, api: str) -> bool: ...

    def missing_permissions(self, permissions: Sequence[str]) -> tuple[str, ...]:
        """Of the caller, on the project."""
        ...

    def roles_of(self, member: str) -> tuple[str, ...]:
        """Project roles granted to a member, e.g. serviceAccount:x@y."""
        ...

    def firestore_database(self) -> Mapping[str, Any] | None: ...


@dataclass(frozen=True)
class CommandResult:
    """A configured command that ran. `report` holds JUnit counts where it wrote a report."""

    argv: tuple[str, ...]
    exit_code: int
    seconds: float
    last_lines: tuple[str, ...]
    tests: int | None = None
    failures: int | None = None
    skipped: int | None = None


class Commands(Protocol):
    """Commands of the service's own repository, run for real."""

    def run(
        self, argv: Sequence[str], *, env: Mapping[str, str], junit: bool = False
    ) -> CommandResult:
        """Run in the configured directory; with `junit`, ask pytest for a report and count it."""
        ...

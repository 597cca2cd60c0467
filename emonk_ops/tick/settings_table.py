"""The variables of the service's environment, and the record that they are read into.

`FIELDS` is the one table of variables: settings, `.env.example` and `--check` come from it.
"""

from __future__ import annotations

from dataclasses import dataclass

STORAGE_KINDS = ("json", "firestore", "memory")
CLAIM_MODES = ("batch", "transaction")
LOCAL = "local"


@dataclass(frozen=True, slots=True)
class Variable:
    """One variable of the environment: `kind` is text, number, whole, flag, cadence or list."""

    name: str
    attribute: str
    kind: str
    default: str
    says: str


FIELDS: tuple[Variable, ...] = (
    Variable("PORT", "port", "whole", "8080", "Port to listen on; Cloud Run sets it."),
    Variable("HOST", "host", "text", "0.0.0.0", "Address to listen on."),
    Variable("ENVIRONMENT", "environment", "text", "local", "Name of the environment. 'local' "
             "lets ticks from this machine in without a token, if no audience is set."),
    Variable("SCHEDULER_STORAGE", "storage", "text", "json", "Where jobs are kept: json, "
             "firestore or memory."),
    Variable("SCHEDULER_JSON_PATH", "json_path", "text", "data/scheduler_jobs.jsonl",
             "The job file of json storage."),
    Variable("SCHEDULER_CLAIM_MODE", "claim_mode", "text", "batch", "How Firestore storage writes: "
             "batch, or transaction for one transaction a job."),
    Variable("SCHEDULER_CADENCE", "cadence", "cadence", "* * * * *",
             "Five-field cron line (UTC) of the legacy loop. In shadow mode its longest pause and "
             "30 s are what one path leaves to the other: let Cloud Scheduler's be the same."),
    Variable("SCHEDULER_LEGACY_LOOP", "legacy_loop", "flag", "false",
             "Start the in-process cron loop."),
    Variable("SCHEDULER_SHADOW_MODE", "shadow", "flag", "false",
             "Run the legacy loop and Cloud Scheduler's ticks side by side."),
    Variable("SCHEDULER_LEASE_SECONDS", "lease_seconds", "number", "300",
             "How long a claimed job is nobody else's."),
    Variable("SCHEDULER_HANDLER_TIMEOUT_SECONDS", "handler_timeout_seconds", "number", "50",
             "A handler is cancelled after this time; a job may set less."),
    Variable("SCHEDULER_TICK_BUDGET_SECONDS", "tick_budget_seconds", "number", "55",
             "A tick starts no handler later than this."),
    Variable("SCHEDULER_ATTEMPT_DEADLINE_SECONDS", "attempt_deadline_seconds", "number", "180",
             "The attempt deadline of the Cloud Scheduler job that ticks."),
    Variable("SCHEDULER_REQUEST_TIMEOUT_SECONDS", "request_timeout_seconds", "number", "300",
             "The request timeout of the Cloud Run service."),
    Variable("SCHEDULER_CONCURRENCY", "concurrency", "whole", "20",
             "How many handlers run at once in a tick."),
    Variable("SCHEDULER_STANDBY_SECONDS", "standby_seconds", "number", "0",
             "How long a revision without a driver record waits for somebody to manage it."),
    Variable("SCHEDULER_HANDLERS", "handlers", "text", "",
             "Python module that registers handlers and declares jobs."),
    Variable("VERTEX_AI_PROJECT_ID", "vertex_project", "text", "",
             "Google Cloud project of the service; else GOOGLE_CLOUD_PROJECT."),
    Variable("GOOGLE_CLOUD_PROJECT", "google_project", "text", "", "Google Cloud project."),
    Variable("FIRESTORE_EMULATOR_HOST", "firestore_emulator", "text", "",
             "host:port of an emulator instead of Firestore; on loopback only."),
    Variable("TICK_AUDIENCE", "tick_audience", "text", "",
             "Audience that a tick's OIDC token must have: the URL of the service."),
    Variable("TICK_INVOKER", "tick_invoker", "text", "",
             "E-mail of the service account that may tick."),
    Variable("ADMIN_USERS", "admin_users", "list", "",
             "E-mails, with commas, that may use /admin with a Google ID token; none: no /admin."),
    Variable("WEBHOOK_ALLOWED_USERS", "webhook_users", "list", "",
             "E-mails, with commas, that may schedule and cancel jobs by chat."),
    Variable("WEBHOOK_AUDIENCE", "webhook_audience", "text", "",
             "Audience of Google Chat's bearer token: project number or URL of the webhook."),
    Variable("OIDC_CERTS_URL", "certs_url", "text", "",
             "Where to fetch signing certificates instead of Google; on loopback only."),
    Variable("K_SERVICE", "service", "text", "", "Set by Cloud Run: the name of the service."),
    Variable("K_REVISION", "revision", "text", "local", "Set by Cloud Run: the revision."),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class TickSettings:
    """Times in seconds. `read_settings` makes it from an environment."""

    port: int
    host: str
    environment: str
    storage: str
    json_path: str
    claim_mode: str
    cadence: str
    legacy_loop: bool
    shadow: bool
    lease_seconds: float
    handler_timeout_seconds: float
    tick_budget_seconds: float
    attempt_deadline_seconds: float
    request_timeout_seconds: float
    concurrency: int
    standby_seconds: float
    handlers: str
    vertex_project: str
    google_project: str
    firestore_emulator: str
    tick_audience: str
    tick_invoker: str
    admin_users: tuple[str, ...]
    webhook_users: tuple[str, ...]
    webhook_audience: str
    certs_url: str
    service: str
    revision: str

    @property
    def local(self) -> bool:
        """Whether this is a developer's machine, where some refusals are softer."""
        return self.environment == LOCAL

    @property
    def project(self) -> str:
        """The Google Cloud project, "" where none is named."""
        return self.vertex_project or self.google_project

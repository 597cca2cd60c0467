"""What makes settings unsafe: clashing times, open doors, storage that cannot serve."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator
from urllib.parse import urlsplit

from emonk_ops.tick.settings_table import CLAIM_MODES, STORAGE_KINDS, TickSettings

MARGIN_SECONDS = 15.0
# Cloud Scheduler's documentation of attempt_deadline, and Cloud Run's of the request timeout.
ATTEMPT_DEADLINE_SECONDS = (15.0, 1800.0)
LONGEST_REQUEST_SECONDS = 3600.0
EMAIL = re.compile(r"[^@\s]+@[^@\s]+")


def problems_of(settings: TickSettings) -> list[str]:
    """Why the service must not start; each names the variables and numbers that clash."""
    return [*_storage(settings), *_timing(settings), *_doors(settings)]


def warnings_of(settings: TickSettings) -> list[str]:
    """What the service may start with, but somebody should know."""
    found = []
    if settings.storage == "json" and settings.service:
        found.append(
            f"SCHEDULER_STORAGE=json on Cloud Run (K_SERVICE={settings.service}): the job file "
            "lives and dies with its instance, and a second instance has jobs of its own. This "
            "service must run with max-instances 1 (gcloud run services update "
            f"{settings.service} --max-instances=1); then move it to SCHEDULER_STORAGE=firestore."
        )
    if settings.storage == "memory" and not settings.local:
        found.append("SCHEDULER_STORAGE=memory: every job is lost when the service stops.")
    if settings.webhook_users and not settings.webhook_audience and not settings.local:
        found.append(
            "WEBHOOK_ALLOWED_USERS is set without WEBHOOK_AUDIENCE, which Google Chat's token must "
            "name: everybody gets 401 from /webhook."
        )
    return found


def _storage(settings: TickSettings) -> Iterator[str]:
    if settings.storage not in STORAGE_KINDS:
        yield (f"SCHEDULER_STORAGE={settings.storage}: expected one of {', '.join(STORAGE_KINDS)}")
    if settings.storage == "firestore":
        yield from _firestore(settings)
    if settings.port > 65535:
        yield f"PORT={settings.port}: a port is at most 65535"
    if settings.concurrency < 1:
        yield "SCHEDULER_CONCURRENCY=0: at least one handler has to run"


def _firestore(settings: TickSettings) -> Iterator[str]:
    if not settings.project:
        yield (
            "SCHEDULER_STORAGE=firestore needs a project: set VERTEX_AI_PROJECT_ID, or "
            "GOOGLE_CLOUD_PROJECT"
        )
    if settings.claim_mode not in CLAIM_MODES:
        yield f"SCHEDULER_CLAIM_MODE={settings.claim_mode}: expected {' or '.join(CLAIM_MODES)}"
    emulator = settings.firestore_emulator
    if emulator and not is_loopback(urlsplit(f"//{emulator}").hostname):
        yield (
            f"FIRESTORE_EMULATOR_HOST={emulator}: only an address on loopback is accepted; "
            "leave it unset to use Firestore"
        )


def _timing(settings: TickSettings) -> Iterator[str]:
    handler, lease = settings.handler_timeout_seconds, settings.lease_seconds
    if handler <= 0:
        yield "SCHEDULER_HANDLER_TIMEOUT_SECONDS=0: a handler needs time"
    if handler + MARGIN_SECONDS >= lease:
        yield (
            f"SCHEDULER_HANDLER_TIMEOUT_SECONDS={handler:g} and {MARGIN_SECONDS:g} s of margin "
            f"reach SCHEDULER_LEASE_SECONDS={lease:g}: a handler could outlive its lease and run "
            f"twice; set the lease above {handler + MARGIN_SECONDS:g}"
        )
    if settings.tick_budget_seconds <= 0:
        yield "SCHEDULER_TICK_BUDGET_SECONDS=0: no tick would start a handler"
    yield from _platform_limits(settings)
    longest = settings.tick_budget_seconds + handler + MARGIN_SECONDS
    for name, limit in (
        ("SCHEDULER_ATTEMPT_DEADLINE_SECONDS", settings.attempt_deadline_seconds),
        ("SCHEDULER_REQUEST_TIMEOUT_SECONDS", settings.request_timeout_seconds),
    ):
        if longest >= limit:
            yield (
                f"SCHEDULER_TICK_BUDGET_SECONDS={settings.tick_budget_seconds:g}, "
                f"SCHEDULER_HANDLER_TIMEOUT_SECONDS={handler:g} and {MARGIN_SECONDS:g} s of "
                f"margin make a tick of up to {longest:g} s, and {name}={limit:g} would cut it "
                "off; lower the first two or raise the limit"
            )


def _platform_limits(settings: TickSettings) -> Iterator[str]:
    """What the settings repeat of the platform must be what it can be."""
    deadline, request = settings.attempt_deadline_seconds, settings.request_timeout_seconds
    least, most = ATTEMPT_DEADLINE_SECONDS
    if not least <= deadline <= most:
        yield (
            f"SCHEDULER_ATTEMPT_DEADLINE_SECONDS={deadline:g}: Cloud Scheduler takes {least:g} to "
            f"{most:g}; set what the tick job really has"
        )
    if request > LONGEST_REQUEST_SECONDS:
        yield (
            f"SCHEDULER_REQUEST_TIMEOUT_SECONDS={request:g}: Cloud Run takes at most "
            f"{LONGEST_REQUEST_SECONDS:g}; set what the service really has"
        )


def _people(settings: TickSettings) -> Iterator[str]:
    invokers = (settings.tick_invoker,) if settings.tick_invoker else ()
    for name, emails in (
        ("TICK_INVOKER", invokers),
        ("ADMIN_USERS", settings.admin_users),
        ("WEBHOOK_ALLOWED_USERS", settings.webhook_users),
    ):
        for email in emails:
            if not EMAIL.fullmatch(email):
                yield f"{name}: '{email}' is no e-mail address, so nobody could be it"


def _doors(settings: TickSettings) -> Iterator[str]:
    if settings.local and settings.service and not settings.tick_audience:
        yield (
            f"ENVIRONMENT=local with K_SERVICE={settings.service}: on Cloud Run nobody may tick "
            "without a token; set ENVIRONMENT to another name, TICK_AUDIENCE and TICK_INVOKER"
        )
    yield from _people(settings)
    if not settings.local:
        for name, value in (
            ("TICK_AUDIENCE", settings.tick_audience),
            ("TICK_INVOKER", settings.tick_invoker),
        ):
            if not value:
                yield (
                    f"{name} is not set: /cron/tick could not tell who calls; set it, or "
                    "ENVIRONMENT=local on a developer's machine"
                )
    if bool(settings.tick_audience) != bool(settings.tick_invoker) and settings.local:
        yield "TICK_AUDIENCE and TICK_INVOKER belong together: set both or neither"
    if settings.admin_users and not settings.tick_audience:
        yield "ADMIN_USERS is set without TICK_AUDIENCE, which its tokens must name"
    if settings.certs_url and not is_loopback(urlsplit(settings.certs_url).hostname):
        yield (
            f"OIDC_CERTS_URL={settings.certs_url}: only an address on loopback is accepted; "
            "leave it unset to use Google's certificates"
        )


def is_loopback(host: str | None) -> bool:
    """Whether `host` is an address of this machine; names other than localhost are not."""
    if host is None:
        return False
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False

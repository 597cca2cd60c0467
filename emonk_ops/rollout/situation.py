"""What is true now: asked of the cloud, part by part; the journal only adds what it alone knows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from emonk_ops.errors import Interrupted, NotOffered, OpsError
from emonk_ops.operations.service_env import default_driver
from emonk_ops.ports import DriverState, LogEntry, Service, TickJob
from emonk_ops.toolbox import Toolbox

TICK_COMPLETED = "Scheduler tick completed"
LOOK_BACK = timedelta(days=1)
METRICS = ("jobs_checked", "jobs_due", "jobs_executed", "jobs_succeeded", "jobs_failed")


@dataclass(frozen=True)
class Part:
    """One line of the situation. `ok=False`: worth a look; `asked=False`: could not be asked."""

    name: str
    sentence: str
    facts: Mapping[str, Any] = field(default_factory=dict)
    ok: bool = True
    asked: bool = True
    hint: str = ""


DRIVES = {
    "legacy": "the legacy loop drives",
    "cloud": "Cloud Scheduler drives",
    "shadow": "both drive (shadow)",
    "nobody": "NOBODY drives",
}


def describe(tools: Toolbox) -> tuple[Part, ...]:
    """Everything that only the cloud knows. A part that cannot be asked says ERROR and why."""
    return (
        _asked("service", lambda: _service(tools.run.describe_service())),
        _asked("driver", lambda: _driver(tools)),
        _asked("job", lambda: _job(tools.jobs.describe())),
        _asked("last tick", lambda: _last_tick(tools)),
    )


def service_log_query(tools: Toolbox, more: str = "") -> str:
    """The service's own entries, in Cloud Logging's language."""
    own = (
        'resource.type="cloud_run_revision" '
        f'AND resource.labels.service_name="{tools.env.service.name}"'
    )
    return f"{own} AND {more}" if more else own


def _asked(name: str, ask: Callable[[], Part]) -> Part:
    try:
        return ask()
    except Interrupted:
        raise
    except NotOffered as error:
        return Part(name, f"not offered: {error.message}", {"error": error.code}, hint=error.hint)
    except OpsError as error:
        facts = {"error": error.code}
        return Part(name, f"ERROR: {error.message}", facts, ok=False, asked=False, hint=error.hint)


def _service(service: Service) -> Part:
    split = ", ".join(
        f"{share.percent} % {share.revision}" for share in service.serving if share.percent
    )
    words = [f"serving {split or 'nothing'}"]
    if not service.ready:
        words.append(f"NOT READY: {service.reason}")
    if service.pinned:
        named = ", ".join(s.revision for s in service.traffic if s.revision and s.percent)
        words.append(f"PINNED to {named}: later deployments get 0 %")
    if service.latest_created != service.latest_ready:
        words.append(f"{service.latest_created} never became ready")
    facts = {
        "uri": service.uri,
        "serving": [[share.revision, share.percent] for share in service.serving],
        "pinned": service.pinned,
        "ready": service.ready,
        "latest_created": service.latest_created,
        "latest_ready": service.latest_ready,
    }
    return Part("service", "; ".join(words), facts, ok=service.ready)


def _driver(tools: Toolbox) -> Part:
    try:
        state = tools.service.driver()
    except NotOffered as error:
        return _driver_by_environment(tools, error)
    facts = {
        "driver": state.driver,
        "epoch": state.epoch,
        "revision": state.revision,
        "this_revision": state.this_revision,
        "role": state.role,
        "live_leases": state.live_leases,
        "running": state.running,
    }
    return Part("driver", _driver_sentence(state), facts, ok=_is_driven(state))


def _driver_by_environment(tools: Toolbox, error: NotOffered) -> Part:
    """Without an admin API it drives as its variables say; whether it does, its ticks show."""
    service = tools.run.describe_service()
    if not service.serving_revision:
        raise error
    driver = default_driver(tools.run.describe_revision(service.serving_revision).env)
    told = f"{DRIVES[driver]}, by the variables of {service.serving_revision} (no admin API)"
    return Part("driver", told, {"driver": driver, "error": error.code})


def _driver_sentence(state: DriverState) -> str:
    work = f"{state.live_leases} live leases, {state.running} running"
    if not state.driver:
        return f"no driver recorded yet; {state.this_revision} is {state.role} ({work})"
    who = DRIVES.get(state.driver, f"{state.driver} drives")
    sentence = f"{who}, epoch {state.epoch}, through {state.revision}"
    if state.revision != state.this_revision:
        sentence += f", but {state.this_revision} answers"
    return f"{sentence} ({work})"


def _is_driven(state: DriverState) -> bool:
    return state.driver not in ("", "nobody") and state.revision == state.this_revision


def _job(job: TickJob | None) -> Part:
    if job is None:
        return Part("job", "there is no Cloud Scheduler job", {"state": None})
    facts = {
        "state": job.state,
        "schedule": job.spec.schedule,
        "time_zone": job.spec.time_zone,
        "uri": job.spec.uri,
        "last_attempt_at": job.last_attempt_at,
        "last_status_code": job.last_status_code,
        "next_run_at": job.next_run_at,
    }
    last = "never tried"
    if job.last_attempt_at is not None:
        code = "OK" if job.last_status_code in (0, None) else f"code {job.last_status_code}"
        last = f"last attempt {_moment(job.last_attempt_at)}: {code}"
    sentence = f"{job.state}, {job.spec.schedule} ({job.spec.time_zone}), {last}"
    good = job.state in ("ENABLED", "PAUSED") and not job.last_status_code
    return Part("job", sentence, facts, ok=good)


def _last_tick(tools: Toolbox) -> Part:
    query = service_log_query(tools, f'jsonPayload.message="{TICK_COMPLETED}"')
    since = tools.clock.now() - LOOK_BACK
    entry = next(
        iter(tools.logs.entries(query, since=since, newest_first=True, limit=1)),
        None,
    )
    if entry is None:
        return Part("last tick", f"none since {_moment(since)}", {"at": None})
    return Part("last tick", tick_sentence(entry), {"at": entry.timestamp, **_metrics(entry)})


def tick_sentence(entry: LogEntry) -> str:
    numbers = ", ".join(f"{name}={value}" for name, value in _metrics(entry).items())
    return f"{_moment(entry.timestamp)} {numbers}"


def _metrics(entry: LogEntry) -> dict[str, Any]:
    # Cloud Logging gives numbers back as floats.
    found = {name: entry.payload.get(name) for name in METRICS}
    return {
        name: int(value) if isinstance(value, float) and value.is_integer() else value
        for name, value in found.items()
    }


def _moment(value: datetime) -> str:
    return f"{value:%Y-%m-%d %H:%M:%S}Z"

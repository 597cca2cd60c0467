"""The reason of each alert, brought about and ended again.

Each is a context: what it began ends with the block, however that is left.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta

from emonk_ops.clock import sleep
from emonk_ops.errors import Conflict, OpsError, RestoreIncomplete
from emonk_ops.operations.alerts.metrics import STALE_COMPLETION
from emonk_ops.operations.alerts.policies import FIVE_MINUTES, MOST_TICK_MS, timing
from emonk_ops.toolbox import Toolbox

# Nothing listens on the port for discarded data in the service's container.
UNREACHABLE = "http://127.0.0.1:9/"
FIRESTORE = "google.firestore.v1.Firestore/"
STORAGE_FAULT_SECONDS = 1800.0  # it ends by itself where nobody is left to end it


@contextmanager
def silence(tools: Toolbox) -> Iterator[None]:
    """No tick: the Cloud Scheduler job is paused."""
    try:
        tools.jobs.pause()
        yield
    finally:
        _resume(tools)


@contextmanager
def late_job(tools: Toolbox) -> Iterator[None]:
    """A job due in a pause so long that the first tick after it finds its slot too late."""
    name = _schedule(tools, "late", "emonk_canary", {}, 1.0)
    with _cancelled(tools, (name,)):
        with silence(tools):
            time = timing(tools.env)
            sleep(tools.clock, float(time.lag + time.period + 60))
        yield


@contextmanager
def failing_jobs(tools: Toolbox) -> Iterator[None]:
    """One job a tick that calls an address where nobody answers, for as long as it takes."""
    period = timing(tools.env).period
    count = FIVE_MINUTES // period + 4
    names: list[str] = []
    with _cancelled(tools, names):
        for number in range(count):
            wait = 1.0 + number * period
            names.append(_schedule(tools, f"failing-{number}", "http", {"url": UNREACHABLE}, wait))
        yield


@contextmanager
def slow_job(tools: Toolbox) -> Iterator[None]:
    """One job that takes two seconds longer than a tick may."""
    seconds = MOST_TICK_MS / 1000 + 2
    name = _schedule(tools, "slow", "emonk_canary", {"duration_seconds": seconds}, 1.0)
    with _cancelled(tools, (name,)):
        yield


@contextmanager
def written_duplicate(tools: Toolbox) -> Iterator[None]:
    """Log entries that are labelled as a test: no job ran twice.

    Two, some seconds apart: one at the very edge of a period would belong to none.
    """
    entry = {"message": STALE_COMPLETION, "test": True, "written_by": "emonk-ops alerts test"}
    tools.monitoring.write_entry(entry)
    sleep(tools.clock, 7.0)
    tools.monitoring.write_entry(entry)
    yield


@contextmanager
def refused_by_the_store(tools: Toolbox) -> Iterator[None]:
    """Firestore answers every call of the service with PERMISSION_DENIED."""
    with _refused(tools, "*", "PERMISSION_DENIED"):
        yield


@contextmanager
def refused_writes(tools: Toolbox) -> Iterator[None]:
    """Firestore answers every claim of the service with UNAVAILABLE: what is due stays due."""
    with _refused(tools, "BatchWrite", "UNAVAILABLE"):
        yield


@contextmanager
def _refused(tools: Toolbox, method: str, code: str) -> Iterator[None]:
    account = tools.run.describe_service().template.service_account
    fault = tools.storage_faults.begin(
        FIRESTORE + method, code, account=account, seconds=STORAGE_FAULT_SECONDS
    )
    try:
        yield
    finally:
        tools.storage_faults.end(fault)


@contextmanager
def _cancelled(tools: Toolbox, names: tuple[str, ...] | list[str]) -> Iterator[None]:
    """One that has run has ended already, which the service calls a conflict."""
    try:
        yield
    finally:
        for name in names:
            with suppress(Conflict):
                tools.service.cancel_job(name)


def _schedule(
    tools: Toolbox, what: str, job_type: str, payload: dict[str, object], wait: float
) -> str:
    now = tools.clock.now()
    name = f"emonk-alerts-test-{what}-{now:%Y%m%d%H%M%S}"
    tools.service.schedule_job(
        {
            "id": name,
            "type": job_type,
            "schedule": {"at": (now + timedelta(seconds=wait)).isoformat()},
            "payload": payload,
            "max_attempts": 1,
        }
    )
    return name


def _resume(tools: Toolbox) -> None:
    try:
        tools.jobs.resume()
    except OpsError as error:
        raise RestoreIncomplete(
            f"the Cloud Scheduler job is still paused: {error.message}",
            hint=f"emonk-ops scheduler resume --env {tools.env.name}",
        ) from error

"""Jobs of a JSON service from one revision to the next, and the drive with them.

A JSON file dies with its instance, so every change of the serving revision is: quiesce, export,
save, switch, import, activate a new epoch, read back. Each part can be run again; the saved export
outlives the process.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from functools import partial
from typing import Any

from emonk_ops.errors import (
    CloudError,
    LockLost,
    NotOffered,
    StepFailed,
    Unreachable,
)
from emonk_ops.operations import between, carried_file, left_behind
from emonk_ops.operations.activation import activated, persistently
from emonk_ops.operations.carried_file import Carried
from emonk_ops.operations.hand_back import drive_again, give_back, require_same
from emonk_ops.operations.health import ask_health
from emonk_ops.operations.prerequisites import serving_revision
from emonk_ops.operations.service_env import default_driver
from emonk_ops.operations.waiting import ask_until
from emonk_ops.toolbox import Toolbox

QUIESCE_SECONDS = 60.0  # longer than a handler may run, so that none is cut off
HEALTH_SECONDS = 60.0
Switch = Callable[[], str]  # makes another revision serve and returns its name


def carry_over(tools: Toolbox, switch: Switch, *, driver_after: str) -> dict[str, Any]:
    """Switch revisions with all jobs; afterwards `driver_after` drives on the new one.

    Returns the facts: counts, checksum, epoch, and for how many seconds nobody drove. When the
    switch fails, the old revision drives again before the error goes on.
    """
    carried = _take(tools, driver_after)
    if carried is None:
        revision = switch()
        return {"revision": revision, "carried": False, "why": "the service has no admin API"}
    try:
        revision = switch()
    except LockLost:
        raise
    except Exception as error:
        drive_again(tools, carried, error)
        raise
    try:
        return bring(tools, carried, revision)
    except NotOffered as error:
        raise StepFailed(
            f"{revision} serves and cannot take the jobs of {carried.from_revision}: "
            f"{error.message}",
            hint="Another service takes its place and brings jobs of its own? Then "
            "admin_api = false under [service], and these are left behind "
            "(docs/service-contract.md)",
        ) from error
    except CloudError as error:
        raise StepFailed(
            f"{revision} serves and the jobs did not arrive: {error.message}", hint=error.hint
        ) from error


def unfinished(tools: Toolbox) -> Carried | None:
    """Jobs that an interrupted run took from a revision whose store no longer serves."""
    carried = between.load(tools)
    if carried is None:
        return None
    if serving_revision(tools).name != carried.from_revision or _is_new_store(tools, carried):
        return carried
    return None  # nothing was switched; the next carry takes them anew


def _is_new_store(tools: Toolbox, carried: Carried) -> bool:
    """Whether the revision that gave the jobs has lost them since, with its instance."""
    try:
        return tools.service.driver().epoch < carried.epoch
    except (NotOffered, Unreachable):
        return False


def before_it(tools: Toolbox, revision: str) -> Carried | None:
    """The jobs as this revision last gave them away, if it has lost them since."""
    carried = carried_file.load_last(tools.keep)
    if carried is None or carried.from_revision != revision:
        return None
    return carried if _is_new_store(tools, carried) else None


def bring(tools: Toolbox, carried: Carried, revision: str) -> dict[str, Any]:
    """Import into the serving revision, activate, read back, and settle the saved export."""
    wait_for_health(tools, revision)
    if carried.as_of:
        left_behind.note(tools, datetime.fromisoformat(carried.as_of))
    was_empty = persistently(tools, lambda: next(iter(tools.service.list_jobs()), None)) is None
    imported = persistently(tools, lambda: tools.service.import_jobs(carried.document))
    kept = left_behind.kept_since(tools)
    strangers = _silence_strangers(tools, carried, kept)
    driver = _able(tools, carried, revision)
    state = persistently(tools, lambda: activated(tools, driver, carried.epoch + 1))
    gap = (tools.clock.now() - datetime.fromisoformat(carried.quiesced_at)).total_seconds()
    count = int(carried.document["count"])
    if int(imported["count"]) < count:
        raise StepFailed(
            f"{imported['count']} of {count} jobs arrived on {revision}",
            hint=f"The export is kept in {tools.keep / carried_file.FILE}; run the command again",
        )
    if was_empty and imported["checksum"] != carried.document["checksum"]:
        raise StepFailed(
            f"{count} jobs arrived on {revision}, and not as they were: their checksum is "
            f"{imported['checksum']}, not {carried.document['checksum']}",
            hint=f"The export is kept in {tools.keep / carried_file.FILE}; "
            f"emonk-ops rollback --env {tools.env.name}",
        )
    if state.driver != driver or state.role != "driving":
        raise StepFailed(
            f"{revision} should drive as {driver} and is {state.role} "
            f"(driver {state.driver}, epoch {state.epoch})",
            hint=f"emonk-ops status --env {tools.env.name}",
        )
    between.settle(tools)
    if kept is not None:
        left_behind.settle(tools)
    return {
        "revision": revision,
        "carried": True,
        "jobs": count,
        "held": list(carried.document.get("held", [])),
        "checksum_exported": carried.document["checksum"],
        "checksum_after": imported["checksum"],
        "import": {key: imported.get(key) for key in ("imported", "unchanged", "kept_newer")},
        "strangers_cancelled": strangers,
        "driver": state.driver,
        "epoch": state.epoch,
        "nobody_drove_seconds": round(gap, 3),
    }


def _silence_strangers(tools: Toolbox, carried: Carried, kept: datetime | None) -> list[str]:
    """Jobs that an older carriage left where these arrive; they would run again.

    What was scheduled after the jobs were taken is nobody's leftover; nor is what was `kept` there
    from some time on, since it could not be read when the others were taken away.
    """
    known = {str(job["id"]) for job in carried.document.get("jobs", ())}
    taken = datetime.fromisoformat(carried.quiesced_at)
    found = [
        str(job["id"])
        for job in persistently(tools, lambda: list(tools.service.list_jobs()))
        if job["id"] not in known and _may_run(job) and _made_at(job) < min(taken, kept or taken)
    ]
    for job_id in found:
        persistently(tools, partial(tools.service.cancel_job, job_id))
    return found


def _may_run(job: Mapping[str, Any]) -> bool:
    return job.get("due_at") is not None or bool(job.get("paused"))


def _made_at(job: Mapping[str, Any]) -> datetime:
    return datetime.fromisoformat(str(job["created_at"]))


def _take(tools: Toolbox, driver_after: str) -> Carried | None:
    revision = serving_revision(tools)
    try:
        state = tools.service.driver()
    except NotOffered:
        return None
    require_same(tools, revision.name, state.this_revision)
    before = state.driver if state.driver not in ("", "nobody") else default_driver(revision.env)
    try:
        return _quiesce_and_save(tools, revision.name, before, driver_after)
    except LockLost:
        raise
    except Exception as error:
        give_back(tools, revision.name, before, error)
        raise


def _quiesce_and_save(tools: Toolbox, revision: str, before: str, after: str) -> Carried:
    now = tools.clock.now()
    quiesced = tools.service.quiesce(wait_seconds=QUIESCE_SECONDS)
    document = dict(tools.service.export_jobs())
    require_same(tools, revision, tools.service.driver().this_revision)
    carried = Carried(
        from_revision=revision,
        driver_before=before,
        driver_after=after,
        epoch=quiesced.epoch,
        quiesced_at=now.isoformat(),
        document=document,
    )
    between.save(tools, carried)
    return carried


def arrived(tools: Toolbox, carried: Carried) -> bool:
    """Whether the serving revision drives with these jobs already."""
    try:
        state = tools.service.driver()
    except NotOffered:
        return False
    return state.role == "driving" and state.epoch > carried.epoch


def _able(tools: Toolbox, carried: Carried, revision: str) -> str:
    """The driver that was meant, if this revision can be it: somebody may have deployed another."""
    env = tools.run.describe_revision(revision).env
    by_environment = default_driver(env)
    needs_loop = carried.driver_after in ("legacy", "shadow")
    return by_environment if needs_loop and by_environment == "cloud" else carried.driver_after


def held(facts: Mapping[str, Any]) -> str:
    """In words: those that were still running, which nobody may run before their lease ends."""
    count = len(facts["held"])
    return f" ({count} held until their leases end)" if count else ""


def answers(tools: Toolbox, revision: str, *, seconds: float) -> tuple[int, str]:
    """Who answers for the service, and how: (200, revision) as soon as it does.

    Routing is not instantaneous; the last answer after `seconds`, (0, "") for none.
    """

    def ask() -> tuple[int, str]:
        try:
            answer = ask_health(tools)
        except Unreachable:
            return 0, ""
        # A service that is not ours may not name its revision; then the platform's word counts.
        return answer.status, str(answer.body.get("revision") or serving_revision(tools).name)

    return ask_until(tools.clock, ask, lambda found: found == (200, revision), seconds=seconds)


def wait_for_health(tools: Toolbox, revision: str) -> None:
    status, reached = answers(tools, revision, seconds=HEALTH_SECONDS)
    if (status, reached) != (200, revision):
        raise StepFailed(
            f"{tools.env.service.health_path} should answer 200 from {revision}; for "
            f"{HEALTH_SECONDS:.0f} s it answered {status or 'nothing'}"
            f"{f' from {reached}' if reached else ''}",
            hint=f"emonk-ops logs errors --env {tools.env.name}",
        )

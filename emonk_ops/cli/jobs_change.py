"""`emonk-ops jobs schedule|cancel|release|pause|resume`: one job, changed and recorded."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any

import typer

from emonk_ops.cli import options
from emonk_ops.cli.desk import Desk
from emonk_ops.cli.jobs_options import JobId, sound_id
from emonk_ops.errors import ExitCode, UsageError

if TYPE_CHECKING:
    from emonk_ops.operations.job_changes import Changed
    from emonk_ops.ports import TickService

JobType = Annotated[str, typer.Option("--type", help="A job type that the service knows.")]
At = Annotated[str, typer.Option("--at", help="Once, e.g. 2026-01-05T12:00:00Z.")]
Cron = Annotated[str, typer.Option("--cron", help="A five-field cron line.")]
Zone = Annotated[str, typer.Option("--tz", help="The cron line's time zone, else UTC.")]
Every = Annotated[float | None, typer.Option("--every", help="Every so many seconds.")]
NewId = Annotated[str, typer.Option("--id", help="The new job's id, else a random one.")]
Payload = Annotated[str, typer.Option("--payload", help="A JSON object for the handler.")]
Attempts = Annotated[int | None, typer.Option("--max-attempts", min=1, help="Then it is dead.")]
Timeout = Annotated[float | None, typer.Option("--timeout", help="Seconds for its handler.")]
Misfire = Annotated[str, typer.Option("--misfire", help="run_once, run_all or skip.")]
MaxCatchup = Annotated[
    int | None, typer.Option("--max-catchup", min=1, help="How many missed slots run_all runs.")
]
DedupKey = Annotated[str, typer.Option("--dedup-key", help="The same key is the same job.")]
ConcurrencyKey = Annotated[
    str, typer.Option("--concurrency-key", help="Jobs of one key never run at the same time.")
]
Missing = Annotated[
    str, typer.Option("--dst-missing", help="A time the clocks leave out: shift or skip.")
]
Repeated = Annotated[
    str, typer.Option("--dst-repeated", help="A time the clocks show twice: first or both.")
]
Unknown = Annotated[
    bool, typer.Option("--allow-unknown", help="Even if this revision knows no such type.")
]
Force = Annotated[bool, typer.Option("--force", help="A live lease, too; needs --reason.")]


def schedule(
    desk: Desk,
    job_type: JobType,
    at: At = "",
    cron: Cron = "",
    zone: Zone = "",
    every: Every = None,
    job_id: NewId = "",
    payload: Payload = "{}",
    max_attempts: Attempts = None,
    timeout: Timeout = None,
    misfire: Misfire = "",
    max_catchup: MaxCatchup = None,
    dedup_key: DedupKey = "",
    concurrency_key: ConcurrencyKey = "",
    missing: Missing = "",
    repeated: Repeated = "",
    allow_unknown: Unknown = False,
    reason: options.Reason = "",
    yes: options.Yes = False,
    no_input: options.NoInput = False,
) -> ExitCode:
    """Store a new job."""
    from emonk_ops.operations import job_changes

    further = {
        "max_attempts": max_attempts,
        "timeout_seconds": timeout,
        "misfire": misfire or None,
        "max_catchup": max_catchup,
        "dedup_key": dedup_key or None,
        "concurrency_key": concurrency_key or None,
        "id": sound_id(job_id) if job_id else None,
    }
    dst = {"missing": missing, "repeated": repeated}
    wanted = {
        "type": job_type,
        "schedule": job_changes.schedule_of(at=at, cron=cron, zone=zone, every=every, dst=dst),
        "payload": _object(payload),
        "allow_unknown": allow_unknown,
        **{name: value for name, value in further.items() if value is not None},
    }
    return _change(
        desk,
        f"jobs schedule {job_id or job_type}",
        lambda service: job_changes.schedule(service, wanted),
        reason=reason,
        agreed=(yes, no_input),
    )


def cancel(
    desk: Desk,
    job_id: JobId,
    reason: options.Reason = "",
    yes: options.Yes = False,
    no_input: options.NoInput = False,
) -> ExitCode:
    """No slot of the job runs any more. Final."""
    from emonk_ops.operations import job_changes

    title = f"jobs cancel {sound_id(job_id)}"
    return _change(
        desk,
        title,
        lambda service: job_changes.cancel(service, job_id),
        reason=reason,
        agreed=(yes, no_input),
    )


def release(
    desk: Desk,
    job_id: JobId,
    force: Force = False,
    reason: options.Reason = "",
    yes: options.Yes = False,
    no_input: options.NoInput = False,
) -> ExitCode:
    """Give a stuck lease back: shows holder, end and fence. The job is due at once."""
    from emonk_ops.operations import job_changes

    title = f"jobs release {sound_id(job_id)}"
    return _change(
        desk,
        title,
        lambda service: job_changes.release(service, job_id, force=force, reason=reason),
        reason=reason,
        agreed=(yes, no_input),
    )


def pause(desk: Desk, job_id: JobId, reason: options.Reason = "") -> ExitCode:
    """Nothing of the job runs until it is resumed. Never asks."""
    from emonk_ops.operations import job_changes

    title = f"jobs pause {sound_id(job_id)}"
    return _change(
        desk,
        title,
        lambda service: job_changes.pause(service, job_id),
        reason=reason,
        agreed=(True, True),
    )


def resume(
    desk: Desk,
    job_id: JobId,
    reason: options.Reason = "",
    yes: options.Yes = False,
    no_input: options.NoInput = False,
) -> ExitCode:
    """The job is due again at its slot; its misfire policy looks after what was missed."""
    from emonk_ops.operations import job_changes

    title = f"jobs resume {sound_id(job_id)}"
    return _change(
        desk,
        title,
        lambda service: job_changes.resume(service, job_id),
        reason=reason,
        agreed=(yes, no_input),
    )


def _change(
    desk: Desk,
    title: str,
    act: Callable[[TickService], Changed],
    *,
    reason: str,
    agreed: tuple[bool, bool],
) -> ExitCode:
    from emonk_ops.cli.consent import require_flag
    from emonk_ops.rollout.book import Heading

    desk.show_header()
    require_flag(desk, yes=agreed[0], no_input=agreed[1], what=title)
    service = desk.toolbox().service
    with desk.book.free_run(Heading(title, title, reason=reason)) as record:
        done = act(service)
        record.changed = done.changed
        job_id = str(done.job["id"])
        record.end(ExitCode.DONE, f"job {job_id}: {done.sentence}")
    mark = "changed" if done.changed else "already so"
    desk.screen.line(f"  {mark}: job {job_id}: {done.sentence}")
    data = {"changed": done.changed, "sentence": done.sentence, "job": dict(done.job)}
    return desk.answer(data, hint=f"emonk-ops jobs show {job_id} --env {desk.env.name}")


def _object(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except ValueError as error:
        raise UsageError(f"--payload is no JSON: {error}", hint="--payload '{\"a\": 1}'") from error
    if not isinstance(found, dict):
        raise UsageError("--payload is no JSON object", hint="--payload '{\"a\": 1}'")
    return found

"""`emonk-ops scheduler describe|run|pause|resume`: the Cloud Scheduler job by hand."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from emonk_ops.cli import options
from emonk_ops.cli.command import command, group
from emonk_ops.cli.desk import Desk
from emonk_ops.errors import ExitCode, NotFound

if TYPE_CHECKING:
    from emonk_ops.operations.api_calls import ApiCall
    from emonk_ops.ports import TickJob, TickJobs

scheduler_app = group("The environment's Cloud Scheduler job.")


@command(scheduler_app, "describe", title="scheduler describe")
def describe(desk: Desk) -> ExitCode:
    """The job as it is."""
    desk.show_header()
    found = desk.toolbox().jobs.describe()
    if found is None:
        raise _missing(desk)
    return _answer(desk, found)


@command(scheduler_app, "run", title="scheduler run")
def run(
    desk: Desk,
    yes: options.Yes = False,
    no_input: options.NoInput = False,
    show_query: options.ShowQuery = False,
) -> ExitCode:
    """Trigger the job now."""
    return _act(desk, "run", lambda jobs: jobs.run(), yes, no_input, show_query=show_query)


@command(scheduler_app, "pause", title="scheduler pause")
def pause(desk: Desk, reason: options.Reason = "") -> ExitCode:
    """Stop the ticks. Never asks, and works while somebody else holds the lock."""
    return _act(desk, "pause", lambda jobs: jobs.pause(), True, True, reason)


@command(scheduler_app, "resume", title="scheduler resume")
def resume(
    desk: Desk,
    reason: options.Reason = "",
    yes: options.Yes = False,
    no_input: options.NoInput = False,
) -> ExitCode:
    """Let the job tick again. Refused on a hold."""
    from emonk_ops.errors import OnHold

    desk.book.require_reachable()
    hold = desk.book.standing().hold
    if hold is not None:
        name = desk.env.name
        raise OnHold(
            f"{name} is on hold: {hold.reason}",
            hint=f'emonk-ops resume --env {name} --reason "why it may go on"',
        )
    return _act(desk, "resume", lambda jobs: jobs.resume(), yes, no_input, reason)


def _act(
    desk: Desk,
    verb: str,
    act: Callable[[TickJobs], TickJob],
    yes: bool,
    no_input: bool,
    reason: str = "",
    show_query: bool = False,
) -> ExitCode:
    from emonk_ops.cli.consent import require_flag
    from emonk_ops.cli.log_lines import show_calls
    from emonk_ops.operations.api_calls import job_call
    from emonk_ops.rollout.book import Heading

    desk.show_header()
    calls = [job_call(desk.env, verb)] if show_query else []
    show_calls(desk, calls)
    require_flag(desk, yes=yes, no_input=no_input, what=f"scheduler {verb}")
    jobs = desk.toolbox().jobs
    heading = Heading("scheduler", f"scheduler {verb}", reason=reason)
    with desk.book.free_run(heading) as record:
        if jobs.describe() is None:
            raise _missing(desk)
        found = act(jobs)
        record.changed = True
        record.end(ExitCode.DONE, f"the job is {found.state}")
    return _answer(desk, found, calls)


def _answer(desk: Desk, found: TickJob, calls: Sequence[ApiCall] = ()) -> ExitCode:
    facts: dict[str, object] = {
        "name": found.name,
        "state": found.state,
        "schedule": found.spec.schedule,
        "time_zone": found.spec.time_zone,
        "uri": found.spec.uri,
        "oidc_account": found.spec.oidc_account,
        "oidc_audience": found.spec.oidc_audience,
        "attempt_deadline_seconds": found.spec.attempt_deadline_seconds,
        "retry_count": found.spec.retry_count,
        "last_attempt_at": found.last_attempt_at,
        "last_status_code": found.last_status_code,
        "next_run_at": found.next_run_at,
    }
    for name, value in facts.items():
        desk.screen.line(f"  {name:26} {'-' if value is None else value}")
    if calls:
        facts["calls"] = [call.to_data() for call in calls]
    return desk.answer(facts, hint=f"emonk-ops status --env {desk.env.name}")


def _missing(desk: Desk) -> NotFound:
    return NotFound(
        f"there is no Cloud Scheduler job {desk.env.service.job} in {desk.env.project}",
        hint=f"emonk-ops stage 2 --env {desk.env.name} creates it",
    )

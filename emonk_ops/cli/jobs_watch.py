"""`emonk-ops jobs watch`."""

from __future__ import annotations

import json
from contextlib import AbstractContextManager, nullcontext
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from emonk_ops.cli.desk import Desk
from emonk_ops.cli.screens import is_lively
from emonk_ops.cli.staying import Minutes, left, stay
from emonk_ops.clock import Stopwatch
from emonk_ops.errors import ExitCode

if TYPE_CHECKING:
    from emonk_ops.operations.job_watch import Change, JobView

Changes = Annotated[int | None, typer.Option("--changes", min=1, help="End after so many changes.")]
MOST_ASKING = 4.0  # a long list is asked for less often: a fifth of the time at most


def watch(desk: Desk, minutes: Minutes = None, changes: Changes = None) -> ExitCode:
    """The stored jobs as they change: state, when due, lease, fence and holder.

    On a terminal a table, else a line a change; --json prints one object a change.
    """
    from emonk_ops.cli.render_jobs import JobTable
    from emonk_ops.operations.job_watch import LOOK_SECONDS, JobWatch

    desk.show_header()
    tools = desk.toolbox()
    lease = tools.env.service.lease_field
    watched = JobWatch(tools)
    table = JobTable(lease) if is_lively(desk) and not desk.json else None
    showing: AbstractContextManager[None] = nullcontext() if table is None else table.showing()
    seen = 0

    def look() -> float | None:
        nonlocal seen
        first = watched.at is None
        asking = Stopwatch()
        found = watched.look()
        took = asking.seconds
        found = found if changes is None else found[: changes - seen]
        seen += len(found)
        if table is not None:
            table.show(watched.at, watched.jobs, found)
        elif first and not desk.json:
            desk.screen.line(_standing(watched.jobs))
            for name, view in sorted(watched.jobs.items()):
                desk.screen.line(_as_it_is(name, view, lease))
        for change in found if table is None else ():
            _tell(desk, change, lease)
        wait = max(LOOK_SECONDS, took * MOST_ASKING)
        return None if changes is not None and seen >= changes else wait

    def say(words: str) -> None:
        if table is None:
            desk.screen.line(f"  ! {words}")
        else:
            table.complain(words)

    with showing:
        code = stay(desk, tools.clock, look, every=LOOK_SECONDS, minutes=minutes, say=say)
    return left(desk, code)


def _tell(desk: Desk, change: Change, lease: str) -> None:
    if desk.json:
        desk.out.line(json.dumps(_object(change, lease), ensure_ascii=False, default=str))
    else:
        desk.screen.line(_line(change, lease))


def _object(change: Change, lease: str) -> dict[str, Any]:
    """The job as it is now (as it was last, if it is gone), and what of it is another."""
    view = change.after or change.before
    assert view is not None
    return {
        "time": _stamp(change.at),
        "id": change.job_id,
        "change": change.kind,
        "state": view.state,
        "due_at": view.due_at,
        lease: view.lease_until,
        "fence": view.fence,
        "holder": view.holder,
        "changed": {_named(name, lease): list(pair) for name, pair in change.fields().items()},
    }


def _line(change: Change, lease: str) -> str:
    told = ", ".join(
        f"{_named(name, lease)} {plain(was)} -> {plain(now)}"
        for name, (was, now) in change.fields().items()
    )
    if change.kind == "gone":
        told = "gone"
    elif change.kind == "appeared" and change.after is not None:
        told = f"appeared: {_values(change.after, lease)}"
    return f"{_stamp(change.at)} {change.job_id:28} {told}"


def _as_it_is(name: str, view: JobView, lease: str) -> str:
    return f"  {name:28} {_values(view, lease)}"


def _values(view: JobView, lease: str) -> str:
    return (
        f"{view.state}, due_at {plain(view.due_at)}, {lease} {plain(view.lease_until)}, "
        f"fence {view.fence}, holder {plain(view.holder)}"
    )


def _standing(jobs: dict[str, JobView]) -> str:
    leased = sum(view.lease_until is not None for view in jobs.values())
    return f"{len(jobs)} jobs, {leased} leased"


def _named(field: str, lease: str) -> str:
    return lease if field == "lease_until" else field


def plain(value: object) -> str:
    """A field as people read it: instants to the second, and - for nothing."""
    if value is None:
        return "-"
    text = str(value)
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return text
    return f"{at:%Y-%m-%dT%H:%M:%SZ}" if at.tzinfo is not None else text


def _stamp(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"

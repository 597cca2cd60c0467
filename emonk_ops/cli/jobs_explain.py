"""`emonk-ops jobs why|audit`."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from emonk_ops.cli.desk import Desk
from emonk_ops.cli.jobs_options import JobId, instant_of, sound_id
from emonk_ops.errors import ExitCode, UsageError

if TYPE_CHECKING:
    from emonk_ops.operations.job_audit import JobAudit

At = Annotated[str, typer.Option("--at", help="The slot at or before this instant.")]
Begin = Annotated[str, typer.Option("--from", help="The first instant, e.g. 2026-01-05T00:00:00Z.")]
End = Annotated[str, typer.Option("--to", help="The instant behind the last one; else now.")]
Ids = Annotated[list[str] | None, typer.Argument(help="These jobs; else all.", metavar="[ID]...")]
MOST_GAPS_SHOWN = 20


def why(desk: Desk, job_id: JobId, at: At = "") -> ExitCode:
    """Explain from stored facts why a slot ran, ran late, ran twice, or did not run."""
    from emonk_ops.operations.job_waiting import look
    from emonk_ops.operations.job_why import explain, shown

    desk.show_header()
    moment = instant_of(at, "--at") if at else None
    known = look(desk.toolbox(), sound_id(job_id), moment)
    told = explain(known, moment)
    for fact in told.facts:
        stamp = shown(fact.at) if fact.at else "now"
        desk.screen.line(f"  {stamp:28} {fact.text}")
    if known.log_error:
        desk.screen.line(f"  the log could not be asked: {known.log_error}")
    desk.screen.line(told.conclusion)
    data = {
        "id": job_id,
        "slot": told.slot,
        "conclusion": told.conclusion,
        "certain": told.known,
        "facts": [{"at": fact.at, "text": fact.text} for fact in told.facts],
        "log_error": known.log_error,
    }
    if known.job is None:
        return desk.answer(_texts(data), code=ExitCode.CLOUD, hint=_list_hint(desk))
    code = ExitCode.DONE if told.known else ExitCode.INCONCLUSIVE
    return desk.answer(
        _texts(data), code=code, hint=f"emonk-ops logs job {job_id} --env {desk.env.name}"
    )


def audit(desk: Desk, begin: Begin, end: End = "", ids: Ids = None) -> ExitCode:
    """Account for every slot that the jobs' schedules had in a window."""
    from emonk_ops.operations.job_audit import Total, as_data, ends_in_log, told_classes
    from emonk_ops.operations.job_audit import audit as audit_job
    from emonk_ops.operations.job_definitions import jobs_to_audit

    desk.show_header()
    tools = desk.toolbox()
    now = tools.clock.now()
    since, until = instant_of(begin, "--from"), instant_of(end, "--to") if end else now
    if since >= until:
        raise UsageError(f"--from {begin} is not before --to {end or 'now'}", hint="Swap them")
    total, details = Total(), []
    entries = ends_in_log(tools, since)
    jobs, recorded = jobs_to_audit(tools, [sound_id(one) for one in ids or ()])
    for job in jobs:
        found = audit_job(job, since, until, now, entries, recorded=recorded)
        total.include(found)
        _show(desk, found)
        if desk.json:
            details.append(as_data(found))
    code, verdict = total.verdict
    desk.screen.line(f"{total.jobs} jobs, {total.slots} slots: {told_classes(total.classes)}")
    desk.screen.line(verdict)
    data = {
        "from": since.isoformat(),
        "to": until.isoformat(),
        "verdict": verdict.partition(":")[0],
        "jobs": total.jobs,
        "slots": total.slots,
        "classes": dict(total.classes),
        "details": details,
    }
    return desk.answer(data, code=code, hint=f"emonk-ops jobs why ID --at T --env {desk.env.name}")


def _show(desk: Desk, found: JobAudit) -> None:
    from emonk_ops.operations.job_audit import told_classes

    if not found.slots:
        return
    desk.screen.line(f"  {found.job_id:28} {found.slots} slots: {told_classes(found.classes)}")
    for slot in found.gaps[:MOST_GAPS_SHOWN]:
        desk.screen.line(f"    MISSING {found.job_id} slot {slot.isoformat()}")
    if len(found.gaps) > MOST_GAPS_SHOWN:
        desk.screen.line(f"    and {len(found.gaps) - MOST_GAPS_SHOWN} more; --json has them all")
    if found.unknown:
        first, last = (one.isoformat() for one in found.unknown)
        desk.screen.line(f"    cannot be judged: {first} to {last}: {found.why_unknown}")


def _texts(data: dict[str, Any]) -> dict[str, Any]:
    """The same with instants as texts."""

    def plain(value: Any) -> Any:
        if isinstance(value, datetime):
            return value.isoformat()
        if isinstance(value, list):
            return [{name: plain(one) for name, one in item.items()} for item in value]
        return value

    return {name: plain(value) for name, value in data.items()}


def _list_hint(desk: Desk) -> str:
    return f"emonk-ops jobs list --env {desk.env.name}"

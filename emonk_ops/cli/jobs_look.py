"""`emonk-ops jobs list|show`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from itertools import islice
from typing import Annotated, Any

import typer

from emonk_ops.cli import options
from emonk_ops.cli.desk import Desk
from emonk_ops.cli.jobs_options import JobId, schedule_text, sound_id, state_text
from emonk_ops.errors import ExitCode

State = Annotated[str, typer.Option("--state", help="Only jobs in this state, e.g. dead.")]
Type = Annotated[str, typer.Option("--type", help="Only jobs of this type.")]
APART = ("recent", "payload", "schedule", "effects", "counts", "schedule_at")


def list_jobs(
    desk: Desk, state: State = "", job_type: Type = "", limit: options.Limit = 1000
) -> ExitCode:
    """All jobs by id: schedule, state, the slot in hand and when it is due."""
    desk.show_header()
    wanted = (
        job
        for job in desk.toolbox().service.list_jobs()
        if state in ("", job["state"]) and job_type in ("", job["type"])
    )
    found = list(islice(wanted, limit + 1))
    for job in found[:limit]:
        desk.screen.line(_line(job))
    more = len(found) > limit
    if more:
        desk.screen.line(f"and more: --limit {limit * 10} shows them")
    if not found:
        desk.screen.line("no such jobs")
    return desk.answer(
        {"jobs": found[:limit], "more": more}, hint=f"emonk-ops jobs show ID --env {desk.env.name}"
    )


def show(desk: Desk, job_id: JobId) -> ExitCode:
    """One job with its latest runs."""
    desk.show_header()
    job = desk.toolbox().service.job(sound_id(job_id))
    desk.screen.line(f"  {'schedule':16} {schedule_text(job['schedule'])}")
    for name, value in job.items():
        if name not in APART:
            desk.screen.line(f"  {name:16} {'-' if value is None else value}")
    for name in ("payload", "effects", "counts"):
        desk.screen.line(f"  {name:16} {json.dumps(job[name], ensure_ascii=False)}")
    for run in job["recent"]:
        desk.screen.line(f"  {run_line(run)}")
    return desk.answer(job, hint=f"emonk-ops jobs why {job_id} --env {desk.env.name}")


def run_line(run: Mapping[str, Any]) -> str:
    """One run on record, on one line."""
    count = f" x{run['count']}" if run.get("count", 1) != 1 else ""
    through = f" through {run['through']}" if run.get("through") else ""
    told = f"slot {run['slot']}{through} {run['outcome']}{count} at {run['at']}"
    tail = f" attempt {run['attempt']} fence {run['fence']} {run.get('reason', '')}"
    return (told + tail).rstrip()


def _line(job: Mapping[str, Any]) -> str:
    last = job["recent"][-1] if job["recent"] else None
    ended = f"last {last['outcome']} {last['at'][:19]}Z" if last else "never ran"
    due = f"due {job['due_at'][:19]}Z" if job["due_at"] else "not due"
    return (
        f"{job['id']:28} {job['type']:14} {schedule_text(job['schedule']):24} "
        f"{state_text(job):10} {due:25} {ended}"
    )

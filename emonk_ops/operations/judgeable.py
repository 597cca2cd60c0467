"""Whether an hour of shadow could be judged at all: asked before it begins."""

from __future__ import annotations

from datetime import timedelta

from emonk_ops.errors import NotOffered
from emonk_ops.operations import carry
from emonk_ops.operations.cadence import longest_pause
from emonk_ops.operations.job_audit import jobs_of
from emonk_ops.operations.job_definitions import Definitions, known_jobs
from emonk_ops.operations.judging.comparison import lease_of, rules_of
from emonk_ops.rollout.model import Finding, Verdict
from emonk_ops.toolbox import Toolbox


def jobs_to_judge(tools: Toolbox) -> Finding:
    """Jobs whose slots fall into the shadow: without one nothing can be compared.

    Nobody's word helps where nothing says which slots there are, so that is no question to people.
    """
    now = tools.clock.now()
    end = now + timedelta(hours=tools.env.shadow_hours)
    try:
        found = _jobs_that_will_be_there(tools)
    except NotOffered as error:
        return Finding(Verdict.FAIL, error.message, hint=error.hint)
    known = found.jobs
    due = sorted(job.id for job in known if job.due_at is not None and job.due_at < end)
    facts = {"jobs": len(known), "due": due[:20], "told_by": found.source}
    if due:
        told = f"{len(due)} of {len(known)} jobs have slots until {end:%H:%M}Z"
        if not found.recorded:
            told += f", by {found.source}"
        return Finding(Verdict.PASS, told, facts)
    return Finding(
        Verdict.FAIL,
        f"none of {len(known)} jobs has a slot until {end:%Y-%m-%d %H:%M}Z",
        facts,
        _another(tools, recorded=found.recorded),
    )


def _jobs_that_will_be_there(tools: Toolbox) -> Definitions:
    """Those that an interrupted run took from one revision and did not bring: the stage does."""
    if left := carry.unfinished(tools):
        source = f"the export that {left.from_revision} gave an interrupted run"
        return Definitions(tuple(jobs_of(iter(left.document["jobs"]))), source=source)
    return known_jobs(tools)


def _another(tools: Toolbox, *, recorded: bool) -> str:
    if not recorded:
        return f"Is {tools.env.job_definitions} whole? Or give the service a job for the shadow"
    return (
        f"emonk-ops jobs schedule --type emonk_canary --cron '*/10 * * * *' --env {tools.env.name}"
    )


def cadence_fits(tools: Toolbox) -> Finding:
    """Both paths take turns, so that each needs some slots."""
    env, now = tools.env, tools.clock.now()
    pause = longest_pause(env.cadence, env.time_zone, now)
    seconds = env.shadow_hours * 3600
    horizon = rules_of(env, now, now + timedelta(seconds=seconds), lease_of(env)).horizon
    slots = int(seconds // pause)
    facts = {"longest_pause_seconds": pause, "slots": slots, "judged_after": str(horizon)}
    told = f"{slots} ticks of {env.cadence!r} in {env.shadow_hours:g} h"
    if slots < 2:
        return Finding(Verdict.FAIL, told, facts, f"Raise shadow_hours under [env.{env.name}]")
    if seconds < horizon.total_seconds() + pause:
        told += f"; how a slot went is certain only {horizon} behind it: it will take longer"
    return Finding(Verdict.PASS, told, facts)

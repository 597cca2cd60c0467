"""Why jobs that are due do not run: what the store says of each."""

from __future__ import annotations

from datetime import timedelta

from emonk_ops.operations.diagnosing.logged import Complaint
from emonk_ops.operations.diagnosing.model import Cause, Issue, Suspect, at, few
from emonk_ops.operations.diagnosing.seen import Seen
from emonk_ops.tick.jobs import Job, JobState

SILENT_SECONDS = 60.0


def _stuck(seen: Seen) -> Suspect | None:
    stuck = [(one, why) for one in seen.jobs or () if (why := _why_stuck(one, seen))]
    if not stuck:
        return None
    first, why = stuck[0]
    assert first.lease is not None
    told = f"{first.id} is held by {first.lease.by} until {at(first.lease.until)}: {why}"
    if len(stuck) > 1:
        told += f"; so are {few([one.id for one, _why in stuck[1:]])}"
    facts = {
        "leases": [
            {"job": one.id, "by": one.lease.by, "until": one.lease.until, "fence": one.fence}
            for one, _why in stuck
            if one.lease is not None
        ]
    }
    return Suspect(told, facts, {"job_id": first.id}, tuple(one.id for one, _why in stuck))


def _why_stuck(job: Job, seen: Seen) -> str:
    """Why its holder cannot be at work any more; empty where it may be."""
    lease, log = job.lease, seen.log
    if lease is None or not job.holds_live_lease(seen.now):
        return ""
    longest = timedelta(seconds=seen.lease_seconds)
    if lease.until > seen.now + longest + timedelta(seconds=seen.pause):
        return f"that is further ahead than a lease of {seen.lease_seconds:g} s"
    begun = lease.until - longest
    if log is None or seen.now - begun < timedelta(seconds=seen.handler_seconds(job)):
        return ""
    holder = _instance_of(lease.by)
    heard = log.heard.get(holder)
    others = [when for name, when in log.heard.items() if name != holder]
    silent_since = heard or begun
    enough = timedelta(seconds=seen.pause + SILENT_SECONDS)
    if not others or max(others) < silent_since + enough:
        return ""
    word = f"has said nothing since {at(heard)}" if heard else "has said nothing in this while"
    return f"its instance {word}, and others have until {at(max(others))}"


def _instance_of(by: str) -> str:
    """Of `revision/instance/tick`."""
    parts = by.split("/")
    return parts[1] if len(parts) > 1 else by


def _unknown_type(seen: Seen) -> Suspect | None:
    """By the service's own word on jobs past their time, or by what its last tick said."""
    ids = {one.id: one.type for one in seen.overdue if one.type in seen.unknown_types}
    lines = _unknown_lines(seen)
    ids |= {one.job_id: one.job_type for one in lines}
    if not ids:
        return None
    types, jobs = sorted(set(ids.values())), tuple(sorted(ids))
    told = f"no handler for {few(types)}: {few(jobs)} cannot run"
    if lines:
        told += f", the last tick said so at {at(lines[-1].at)}"
    handlers = seen.vars.get("SCHEDULER_HANDLERS", "")
    told += f"; SCHEDULER_HANDLERS is {handlers or 'not set'}"
    facts = {"types": types, "SCHEDULER_HANDLERS": handlers}
    return Suspect(told, facts, {"type": types[0], "job_id": jobs[0]}, jobs)


def _unknown_lines(seen: Seen) -> list[Complaint]:
    log = seen.log
    if log is None or not log.unknown_types:
        return []
    begun = log.ticks[-1].at - timedelta(seconds=log.ticks[-1].seconds + 1) if log.ticks else None
    still = {one.id for one in seen.jobs or () if not one.finished}
    return [
        one
        for one in log.unknown_types
        if (begun is None or one.at >= begun) and (seen.jobs is None or one.job_id in still)
    ]


def _paused(seen: Seen) -> Suspect | None:
    jobs = [one for one in seen.overdue if one.paused]
    if not jobs:
        return None
    told = ", ".join(f"{one.id} (its slot was {at(one.slot)})" for one in jobs[:3])
    ids = tuple(one.id for one in jobs)
    return Suspect(f"paused: {told}", {"jobs": list(ids)}, {"job_id": ids[0]}, ids)


def _dead(seen: Seen) -> Suspect | None:
    jobs = [one for one in seen.jobs or () if _died(one, seen)]
    if not jobs:
        return None
    run = jobs[0].recent[-1]
    told = f"{jobs[0].id} is dead after {run.attempt} attempts: {run.reason or 'no reason given'}"
    if len(jobs) > 1:
        told += f"; so are {few([one.id for one in jobs[1:]])}"
    ids = tuple(one.id for one in jobs)
    return Suspect(told, {"jobs": list(ids), "reason": run.reason}, {"job_id": ids[0]}, ids)


def _died(job: Job, seen: Seen) -> bool:
    """For good, or the newest slot of one that recurs."""
    if not job.recent or job.recent[-1].outcome != "dead" or job.recent[-1].at < seen.since:
        return False
    return job.state is JobState.DEAD or job.schedule.recurs


def _key_blocked(seen: Seen) -> Suspect | None:
    waiting = [one for one in seen.overdue if one.concurrency_key and one.lease is None]
    holders = {
        one.concurrency_key: one for one in seen.jobs or () if one.holds_live_lease(seen.now)
    }
    blocked = [one for one in waiting if not one.paused and one.concurrency_key in holders]
    if not blocked:
        return None
    first = blocked[0]
    holder = holders[first.concurrency_key]
    assert holder.lease is not None
    ids = tuple(one.id for one in blocked)
    told = (
        f"{few(ids)} wait for the key {first.concurrency_key!r}, which {holder.id} holds until "
        f"{at(holder.lease.until)}"
    )
    facts = {"key": first.concurrency_key, "holder": holder.id, "waiting": list(ids)}
    return Suspect(told, facts, {"job_id": holder.id}, ids)


def _fails(seen: Seen) -> Suspect | None:
    """Attempts that failed, of jobs that are not dead: those are told by that."""
    if seen.log is None or not seen.log.failures:
        return None
    dead = {one.id for one in seen.jobs or () if _died(one, seen)}
    lines = [one for one in seen.log.failures if one.job_id and one.job_id not in dead]
    if not lines or (len(lines) == 1 and _went_well_then(lines[0], seen)):
        return None
    last = lines[-1]
    ids = tuple(sorted({one.job_id for one in lines}))
    told = f"{len(lines)} attempts of {few(ids)} failed, the last at {at(last.at)}: {last.text}"
    return Suspect(told, {"jobs": list(ids), "count": len(lines)}, {"job_id": last.job_id}, ids)


def _went_well_then(line: Complaint, seen: Seen) -> bool:
    """One attempt that failed, and a later one that did not: that is what attempts are for."""
    slots = seen.log.slots if seen.log else {}
    return any(
        job_id == line.job_id and how == "succeeded" and when > line.at
        for (job_id, _slot), runs in slots.items()
        for when, how in runs.ended.values()
    )


WHY = "emonk-ops jobs why {job_id} --env {env}"
CAUSES = (
    Cause(
        "stuck-lease",
        Issue.NOT_EXECUTING,
        "A job is held by an instance that is gone; it runs again only when the lease ends.",
        "A job is past its time and lease_until lies in the future.",
        "Manually release stuck leases if needed",
        WHY,
        'emonk-ops jobs release {job_id} --env {env} --force --reason "its instance is gone"',
        "The next tick executes it: emonk-ops logs job {job_id} --env {env}",
        _stuck,
        explains=("key-blocked",),
        fix="release-leases",
    ),
    Cause(
        "handler-unknown",
        Issue.NOT_EXECUTING,
        "A job's type has no handler in the revision that serves.",
        "A tick says unresolved and 'Job type unknown'.",
        "Verify handlers are registered at startup",
        "emonk-ops logs job {job_id} --env {env}",
        "Register {type} in the module that SCHEDULER_HANDLERS names, and deploy; or cancel it: "
        "emonk-ops jobs cancel {job_id} --env {env}",
        "The next tick executes it: emonk-ops logs job {job_id} --env {env}",
        _unknown_type,
    ),
    Cause(
        "job-paused",
        Issue.NOT_EXECUTING,
        "A stored job is paused and its slot is over.",
        "One job does not run, the others do.",
        "Check job `schedule_at` timestamps",
        WHY,
        "emonk-ops jobs resume {job_id} --env {env}",
        "The next tick executes it: emonk-ops logs job {job_id} --env {env}",
        _paused,
        fix="resume-jobs",
    ),
    Cause(
        "job-dead",
        Issue.NOT_EXECUTING,
        "A job used up its attempts.",
        "A job does not run any more, or its last slot did not.",
        "Verify handlers are registered at startup",
        WHY,
        "Mend the handler; a one-off is scheduled anew: emonk-ops jobs schedule --type TYPE "
        "--at TIME --env {env}",
        "Its next slot succeeds: emonk-ops jobs why {job_id} --env {env}",
        _dead,
        explains=("handler-fails",),
    ),
    Cause(
        "key-blocked",
        Issue.NOT_EXECUTING,
        "Jobs wait for one that holds their concurrency key.",
        "A job is past its time, and another one of its key is running.",
        "Check if jobs are stuck with active leases",
        WHY,
        "emonk-ops jobs why {job_id} --env {env}; where its instance is gone: emonk-ops jobs "
        'release {job_id} --env {env} --force --reason "…"',
        "The waiting jobs run at the next ticks: emonk-ops jobs list --env {env}",
        _key_blocked,
    ),
    Cause(
        "handler-fails",
        Issue.NOT_EXECUTING,
        "A handler raises; its job is tried again until its attempts are used up.",
        "jobs_failed is above zero.",
        "Verify handlers are registered at startup",
        "emonk-ops logs job {job_id} --env {env}",
        WHY,
        "emonk-ops logs ticks --env {env} shows jobs_failed=0.",
        _fails,
    ),
)

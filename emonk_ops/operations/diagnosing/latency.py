"""Why a tick takes more than five seconds: starting, handlers, the store, or too much at once."""

from __future__ import annotations

import math
from collections import Counter
from datetime import datetime
from statistics import median

from emonk_ops.operations.diagnosing.logged import SeenTick
from emonk_ops.operations.diagnosing.model import Cause, Issue, Suspect, at
from emonk_ops.operations.diagnosing.seen import Seen

SLOW_SECONDS = 5.0  # the guide's
SLOW_STORE_MS = 500.0  # a call of the store; some milliseconds are usual
MOST_OF = 0.5
BUDGET_SECONDS, CONCURRENCY = 55.0, 20
TICKS = "emonk-ops logs ticks --env {env}"
UPDATE = "gcloud run services update {service} --project {project} --region {region} "


def slow_ticks(seen: Seen) -> list[SeenTick]:
    """Of Cloud Scheduler; the loop's answer nobody."""
    return [one for one in seen.log.on_cron if one.seconds > SLOW_SECONDS] if seen.log else []


def slow_requests(seen: Seen) -> list[float]:
    """Seconds of those that were answered; the platform's latency has a cold start in it."""
    requests = seen.log.requests if seen.log else []
    return [one.seconds for one in requests if one.seconds > SLOW_SECONDS and one.status < 500]


def _cold(seen: Seen) -> Suspect | None:
    """The request waited for an instance: its latency is far beyond the tick's own time."""
    log, revision = seen.log, seen.revision
    if log is None or revision is None or revision.min_instances > 0:
        return None
    waits = []
    for request in log.requests:
        if request.seconds <= SLOW_SECONDS or request.status != 200:
            continue
        tick = next((one for one in log.ticks if _served(one, request.at, request.seconds)), None)
        if tick is not None and tick.report.cold_start:
            waits.append((request.at, request.seconds - tick.seconds))
    cold = [(when, wait) for when, wait in waits if wait > SLOW_SECONDS * MOST_OF]
    if not cold:
        return None
    worst = max(wait for _when, wait in cold)
    told = (
        f"{len(cold)} ticks began in a new instance and waited up to {worst:.1f} s for it, the "
        f"last at {at(cold[-1][0])}; min-instances is 0"
    )
    return Suspect(told, {"cold": len(cold), "worst_seconds": round(worst, 1), "min_instances": 0})


def _served(tick: SeenTick, began: datetime, seconds: float) -> bool:
    offset = (tick.at - began).total_seconds()
    return -1.0 <= offset <= seconds + 2.0


def _slow_handlers(seen: Seen) -> Suspect | None:
    ticks = [one for one in slow_ticks(seen) if not _mostly_overhead(one)]
    if not ticks or seen.log is None:
        return None
    by_type = {name: max(took) for name, took in seen.log.seconds_by_type().items()}
    slow = {name: took for name, took in by_type.items() if took > SLOW_SECONDS}
    if not slow:
        return None
    ranked = sorted(slow.items(), key=lambda one: -one[1])
    told = ", ".join(f"{name} up to {took:.1f} s" for name, took in ranked[:3])
    facts = {"seconds_by_type": {name: round(took, 1) for name, took in ranked[:10]}}
    return Suspect(f"{len(ticks)} slow ticks; handlers: {told}", facts, {"type": ranked[0][0]})


def _mostly_overhead(tick: SeenTick) -> bool:
    return tick.report.overhead_ms > tick.report.duration_ms * MOST_OF


def _slow_store(seen: Seen) -> Suspect | None:
    ticks = [one for one in slow_ticks(seen) if _mostly_overhead(one)]
    worst = [float(one.report.storage_latency_ms.get("max", 0.0)) for one in ticks]
    slow = [one for one in worst if one > SLOW_STORE_MS]
    if not slow:
        return None
    middle = median(float(one.report.storage_latency_ms.get("p50", 0.0)) for one in ticks)
    told = (
        f"{len(slow)} slow ticks spent most of their time outside handlers; calls of the store "
        f"took {middle:.0f} ms in the middle and {max(slow):.0f} ms at worst"
    )
    return Suspect(told, {"p50_ms": round(middle), "max_ms": round(max(slow)), "ticks": len(slow)})


def _more_due(seen: Seen) -> Suspect | None:
    log = seen.log
    full = [one for one in log.ticks if one.report.more_due] if log is not None else []
    if log is None or len(full) < 2:
        return None
    took = [one for times in log.seconds_by_type().values() for one in times]
    mean = sum(took) / len(took) if took else 0.0
    arriving = _arriving(seen)
    carried = max(one.report.jobs_executed for one in full)
    told = (
        f"{len(full)} of {len(log.ticks)} ticks ended with more due; a tick carries {carried} jobs "
        f"and {arriving:.0f} become due between two, {mean:.1f} s each"
    )
    need = needed(arriving, mean, seen.number("SCHEDULER_TICK_BUDGET_SECONDS", BUDGET_SECONDS))
    now = int(seen.number("SCHEDULER_CONCURRENCY", CONCURRENCY))
    shards = max(2, math.ceil(need / max(now, 1)))
    facts = {
        "full_ticks": len(full),
        "due_a_tick": round(arriving, 1),
        "mean_seconds": round(mean, 2),
        "concurrency": now,
        "needed_concurrency": need,
        "shards": shards,
    }
    told += f"; SCHEDULER_CONCURRENCY is {now}, {need} would carry it"
    return Suspect(told, facts, {"concurrency": str(max(need, now + 1)), "shards": str(shards)})


def needed(due: float, mean_seconds: float, budget_seconds: float) -> int:
    """How many handlers at once end `due` jobs within the budget, a fifth to spare."""
    return max(1, math.ceil(1.2 * due * mean_seconds / budget_seconds))


def _arriving(seen: Seen) -> float:
    """Jobs that become due between two ticks: by their schedules, else by what was executed."""
    end = seen.now
    counts: Counter[str] = Counter()
    begin = seen.since
    for job in seen.jobs or ():
        slot = job.schedule.following(begin) if job.schedule.recurs else None
        while slot is not None and slot <= end and counts[job.id] < 10_000:
            counts[job.id] += 1
            slot = job.schedule.following(slot)
        if not job.schedule.recurs and job.slot <= end and not job.finished:
            counts[job.id] += 1
    return counts.total() / max(1, len(seen.slots))


CAUSES = (
    Cause(
        "cold-starts",
        Issue.LATENCY,
        "Ticks wait for a new instance to start.",
        "The request takes long and the tick itself does not; cold_start is true.",
        "Increase Cloud Run `--min-instances` to prevent cold starts",
        TICKS,
        UPDATE + "--min-instances 1",
        "No tick says cold_start=true: " + TICKS,
        _cold,
    ),
    Cause(
        "more-due-than-a-tick-carries",
        Issue.LATENCY,
        "More jobs become due than a tick carries.",
        "Ticks say more_due, and lag_seconds grows.",
        "Consider job sharding if many jobs",
        TICKS,
        UPDATE + "--update-env-vars SCHEDULER_CONCURRENCY={concurrency}, or {shards} services, "
        "each with its part of the jobs",
        "Ticks say more_due=false, and lag_seconds falls: " + TICKS,
        _more_due,
        also=(Issue.NOT_EXECUTING,),
        explains=("slow-handlers",),
    ),
    Cause(
        "slow-handlers",
        Issue.LATENCY,
        "Handlers of some types take most of the tick.",
        "duration_ms is high and overhead_ms is not.",
        "Optimize job execution (batch operations, async)",
        TICKS,
        "Shorten the handlers of type {type}: batch what they do, await instead of blocking, or "
        "give the job a timeout",
        "Ticks take less than 5 s: " + TICKS,
        _slow_handlers,
    ),
    Cause(
        "slow-storage",
        Issue.LATENCY,
        "Calls of the store take most of the tick.",
        "overhead_ms is high, and storage_latency_ms with it.",
        "Check Firestore indexes",
        TICKS,
        "gcloud firestore databases describe --project {project}: is it in {region}? And see "
        "Firestore's latency in the dashboard",
        "storage_latency_ms falls: " + TICKS,
        _slow_store,
    ),
)

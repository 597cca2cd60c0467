"""Why a job ran twice: by its runs, its leases, and the effects that it left."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from emonk_ops.operations.diagnosing.logged import SlotRuns
from emonk_ops.operations.diagnosing.model import Cause, Issue, Suspect, at, few
from emonk_ops.operations.diagnosing.seen import Seen

MARGIN = timedelta(seconds=2)  # two lines of one moment are stamped by two processes
ONCE = 'if await context.once("mail"): send(..., idempotency_key=context.idempotency_key)'
WHY = "emonk-ops jobs why {job_id} --at {slot} --env {env}"


@dataclass(frozen=True)
class Twice:
    """A slot that began twice although the first run had not ended; `gap` is between the two."""

    job_id: str
    slot: datetime
    first: int
    second: int
    gap: timedelta
    began: datetime

    @property
    def name(self) -> str:
        return f"{self.job_id} {at(self.slot)} (fences {self.first} and {self.second})"


def twice(seen: Seen) -> Iterator[Twice]:
    """Also two successes of a slot, whenever they were."""
    for (job_id, slot), runs in (seen.log.slots if seen.log else {}).items():
        for before, after in zip(runs.began, runs.began[1:], strict=False):
            if _overlap(runs, before, after):
                gap = after[0] - before[0]
                yield Twice(job_id, slot, before[1], after[1], gap, before[0])


def _under_todays_lease(seen: Seen) -> list[Twice]:
    """Runs of an older revision were under its lease, which nobody knows any more."""
    since = seen.revision.created_at if seen.revision is not None else seen.since
    return [one for one in twice(seen) if one.began >= since]


def _overlap(runs: SlotRuns, before: tuple[datetime, int], after: tuple[datetime, int]) -> bool:
    """Whether the second began while the first was under way, or after it had succeeded."""
    if before[1] == after[1]:
        return True  # one fence is one claim: nobody may begin it again
    ended = runs.ended.get(before[1])
    if ended is None:
        return False  # its instance died: nothing says that it went on
    when, how = ended
    return how == "succeeded" or when > after[0] + MARGIN


def _lease_short(seen: Seen) -> Suspect | None:
    lease = timedelta(seconds=seen.lease_seconds)
    told_twice = _under_todays_lease(seen)
    found = [one for one in told_twice if one.gap + MARGIN >= lease and one.first != one.second]
    if not found:
        return None
    last = found[-1]
    told = (
        f"{last.name} began again {last.gap.total_seconds():.0f} s later, when its lease of "
        f"{seen.lease_seconds:g} s had ended, and the first run was still going on"
    )
    facts = {"slots": [one.name for one in found[:10]], "lease_seconds": seen.lease_seconds}
    return Suspect(told, facts, _fills(last), _jobs(found))


def _not_held(seen: Seen) -> Suspect | None:
    lease = timedelta(seconds=seen.lease_seconds)
    told_twice = _under_todays_lease(seen)
    found = [one for one in told_twice if one.gap + MARGIN < lease or one.first == one.second]
    if not found:
        return None
    last = found[-1]
    told = (
        f"{last.name} began twice within {last.gap.total_seconds():.0f} s, in a lease of "
        f"{seen.lease_seconds:g} s"
    )
    facts = {"slots": [one.name for one in found[:10]], "storage": seen.storage}
    return Suspect(told, facts, _fills(last), _jobs(found))


def _not_idempotent(seen: Seen) -> Suspect | None:
    effects = seen.log.effects if seen.log else {}
    found = {key: when for key, when in effects.items() if len(when) > 1}
    if not found:
        return None
    (key, effect), when = list(found.items())[-1]
    job_id, _, slot = key.partition(":")
    told = (
        f"the effect {effect!r} stands {len(when)} times under the key {key}: "
        f"{few([at(one) for one in when])}; "
        f"{len(found)} keys in all"
    )
    ids = tuple(sorted({one.partition(":")[0] for one, _effect in found}))
    facts = {"keys": [one for one, _effect in found][:10], "dedup": ONCE}
    return Suspect(told, facts, {"job_id": job_id, "slot": slot}, ids)


def _fills(found: Twice) -> dict[str, str]:
    return {"job_id": found.job_id, "slot": found.slot.isoformat().replace("+00:00", "Z")}


def _jobs(found: list[Twice]) -> tuple[str, ...]:
    return tuple(sorted({one.job_id for one in found}))


CAUSES = (
    Cause(
        "lease-shorter-than-handler",
        Issue.DUPLICATE,
        "A handler runs longer than its lease, so its slot began again.",
        "The same slot has two 'Executing job' lines, the second with a higher fence.",
        "Check Firestore transaction errors",
        WHY,
        "gcloud run services update {service} --project {project} --region {region} "
        "--update-env-vars SCHEDULER_LEASE_SECONDS=N, longer than the handler; and see that the "
        "handler does not block the event loop",
        "No 'Stale completion dropped' line: emonk-ops logs job {job_id} --env {env}",
        _lease_short,
        explains=("not-idempotent",),
    ),
    Cause(
        "lease-not-held",
        Issue.DUPLICATE,
        "Two runs of a slot were under way within one lease: the store does not hold claims.",
        "The same slot has two 'Executing job' lines a moment apart.",
        "Verify Firestore storage is configured (not JSON)",
        WHY,
        "emonk-ops scheduler pause --env {env}, then: emonk-ops rollback --env {env}",
        "emonk-ops inject duplicate-trigger --env {env} passes.",
        _not_held,
        explains=("not-idempotent",),
    ),
    Cause(
        "not-idempotent",
        Issue.DUPLICATE,
        "A handler left the same effect twice under one idempotency key.",
        "Duplicate side effects; a second attempt repeats what the first one did.",
        "Verify handler idempotency",
        WHY,
        f"Guard the effect in the handler: {ONCE.replace('{', '{{').replace('}', '}}')}",
        "One effect a key: emonk-ops logs job {job_id} --env {env}",
        _not_idempotent,
    ),
)

"""Decides from the facts of a run alone whether the service kept its promise.

Every rule is a function from a History to the violations it finds. A rule accuses only where the
order of two events is certain: a claim happened between `sent` and `answered`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol, TypeVar

from tests.chaos.accounts import accounts
from tests.chaos.facts import FOREVER, Claim, Execution, History
from tests.chaos.violations import Violation

# How far the monotonic clock and the store's clock may be apart.
TOLERANCE = 0.05
LATE_SECONDS = 1.0
EXPECTED_ERRORS = ("BadLuck", "JobConflict", "StorageError")


class OfJob(Protocol):
    @property
    def job_id(self) -> str: ...


T = TypeVar("T", bound=OfJob)


@dataclass(frozen=True)
class Held:
    """A lease that somebody certainly had from `since` at the latest.

    `end` is where it expired, or the earliest moment at which its holder may have freed it.
    """

    claim: Claim
    since: float
    end: float


def violations(history: History) -> list[Violation]:
    """Everything that was broken, in the order of the rules."""
    return [violation for rule in RULES for violation in rule(history)]


def held_leases(history: History) -> dict[str, list[Held]]:
    """The leases that were certainly had, by job."""
    begun = {(one.tag, one.lease_id): one for one in history.executions}
    freed = defaultdict(list)
    for one in history.freed:
        if one.verdict != "conflict":
            freed[one.tag, one.job_id, one.fence].append(one.sent)
    held = defaultdict(list)
    for claim in history.claims:
        execution = begun.get((claim.tag, claim.lease_id))
        if claim.verdict == "ok":
            since = claim.answered
        elif execution is not None:
            since = execution.begin
        else:
            continue
        ends = [at for at in freed[claim.tag, claim.job_id, claim.fence] if at >= claim.sent]
        held[claim.job_id].append(Held(claim, since, min([claim.until, *ends])))
    return held


def no_two_live_leases(history: History) -> Iterator[Violation]:
    for job_id, leases in held_leases(history).items():
        longest: Held | None = None
        for held in sorted(leases, key=lambda one: one.since):
            live = held.since < held.end - TOLERANCE
            if longest is not None and live and held.since < longest.end - TOLERANCE:
                yield Violation(
                    "two live leases",
                    job_id,
                    f"fence {held.claim.fence} of {held.claim.tag} was taken "
                    f"{longest.end - held.since:.3f} s before the end of fence "
                    f"{longest.claim.fence} of {longest.claim.tag}",
                )
            if longest is None or held.end > longest.end:
                longest = held


def fences_grow(history: History) -> Iterator[Violation]:
    for job_id, leases in held_leases(history).items():
        owner: dict[int, str] = {}
        for held in leases:
            first = owner.setdefault(held.claim.fence, held.claim.lease_id)
            if first != held.claim.lease_id:
                said = f"fence {held.claim.fence} was given to two leases"
                yield Violation("fence given twice", job_id, said)
        highest, answered = 0, sorted(leases, key=lambda one: -one.since)
        for held in sorted(leases, key=lambda one: one.claim.sent):
            while answered and answered[-1].since < held.claim.sent:
                highest = max(highest, answered.pop().claim.fence)
            if held.claim.fence < highest:
                said = f"fence {held.claim.fence} was given after {highest}"
                yield Violation("fence went back", job_id, said)


def starts_inside_the_lease(history: History) -> Iterator[Violation]:
    claimed = {(claim.tag, claim.lease_id): claim for claim in history.claims}
    for one in history.executions:
        claim = claimed.get((one.tag, one.lease_id))
        if claim is None:
            yield Violation("no lease", one.job_id, f"{one.tag} ran fence {one.fence} unclaimed")
        elif one.begin > one.until + TOLERANCE and not _stood_still(history, claim, one):
            said = f"{one.tag} began fence {one.fence} {one.begin - one.until:.3f} s too late"
            yield Violation("begun after its lease", one.job_id, said)


def _stood_still(history: History, claim: Claim, one: Execution) -> bool:
    """Whether chance stopped the process between its last look at the clock and the handler."""
    return any(
        span.kind == "stopped"
        and not span.named
        and span.tag == one.tag
        and span.meets(claim.answered, one.begin)
        for span in history.spans
    )


def effects_come_and_repeat_only_after_their_lease(history: History) -> Iterator[Violation]:
    ends = {
        (held.claim.tag, held.claim.lease_id): held.end
        for leases in held_leases(history).values()
        for held in leases
    }
    taken = _taken(history)
    by_key = defaultdict(list)
    for one in history.executions:
        by_key[one.key].append(one)
    for key, runs in by_key.items():
        with_effect = sorted((run for run in runs if run.effects), key=lambda run: taken[run][1])
        latest = 0.0
        for run in with_effect:
            since = taken[run][1]
            if since < latest - TOLERANCE:
                said = f"{key} was taken by {run.tag} {latest - since:.3f} s too early"
                yield Violation("effect repeated under a lease", run.job_id, said)
            latest = max(latest, ends.get((run.tag, run.lease_id), run.until))
        if len(runs) == 1 and runs[0].ending == "succeeded" and not runs[0].effects:
            yield Violation("effect never came", runs[0].job_id, f"{key} succeeded without it")
        guarded = sum(run.guarded for run in runs)
        if guarded > 1:
            said = f"{key}: an effect under once() happened {guarded} times"
            yield Violation("once was twice", runs[0].job_id, said)


def _taken(history: History) -> dict[Execution, tuple[float, float]]:
    """When each execution's lease was asked for, and when it was had at the latest.

    A process may be stopped between its last look at the clock and its handler: when the handler
    begins is a matter of `starts_inside_the_lease` alone.
    """
    claimed = {(claim.tag, claim.lease_id): claim for claim in history.claims}
    found = {}
    for run in history.executions:
        claim = claimed.get((run.tag, run.lease_id))
        found[run] = (
            (run.begin, run.begin)
            if claim is None
            else (claim.sent, min(claim.answered, run.begin))
        )
    return found


def nothing_runs_after_its_end(history: History) -> Iterator[Violation]:
    ended: dict[tuple[str, object], float] = {}
    for one in history.freed:
        if one.verdict == "ok" and one.outcome in ("succeeded", "dead"):
            place = (one.job_id, one.slot)
            ended[place] = min(one.answered, ended.get(place, FOREVER))
    taken = _taken(history)
    for run in history.executions:
        at = ended.get((run.job_id, run.slot), FOREVER)
        sent = taken[run][0]
        if sent > at:
            said = f"{run.key} was claimed by {run.tag} {sent - at:.3f} s after its recorded end"
            yield Violation("ran after its end", run.job_id, said)


def no_stale_result(history: History) -> Iterator[Violation]:
    leases = held_leases(history)
    for one in history.freed:
        if one.verdict != "ok":
            continue
        for held in leases.get(one.job_id, []):
            if held.claim.fence > one.fence and held.since < one.sent:
                said = f"{one.outcome} of fence {one.fence} came after fence {held.claim.fence}"
                yield Violation("stale result on record", one.job_id, said)
                break


def leases_are_kept_while_the_handler_runs(history: History) -> Iterator[Violation]:
    freed = _by_job(one for one in history.freed if one.verdict != "conflict")
    for run in history.executions:
        for one in freed.get(run.job_id, []):
            same = one.tag == run.tag and one.fence == run.fence
            if same and run.begin < one.sent < min(run.end, run.until) - TOLERANCE:
                said = f"fence {one.fence} of {one.tag} was {one.outcome} while its handler ran"
                yield Violation("given back while running", run.job_id, said)


def no_lease_is_abandoned(history: History) -> Iterator[Violation]:
    """A living instance that took a lease runs the job or gives it back."""
    begun = {(one.tag, one.lease_id) for one in history.executions}
    freed = {(one.tag, one.job_id, one.fence) for one in history.freed}
    for claim in _applied(history):
        used = (claim.tag, claim.lease_id) in begun
        if used or (claim.tag, claim.job_id, claim.fence) in freed:
            continue
        # A store may do a write after the time-out of whoever asked, and so after the read-back.
        late = claim.verdict == "unclear" and claim.answered - claim.sent > LATE_SECONDS
        excused = late or any(
            span.of(claim.tag) and span.meets(claim.sent - TOLERANCE, claim.until)
            for span in history.spans
        )
        if not excused:
            said = f"{claim.tag} took fence {claim.fence} ({claim.verdict}) and did nothing"
            yield Violation("lease abandoned", claim.job_id, said)


def _applied(history: History) -> Iterator[Claim]:
    """The claims of which it is certain that the store took them, and that are over."""
    shown = {
        job.lease.id for jobs in history.looks.values() for job in jobs if job.lease is not None
    }
    for job_id, claims in _by_job(history.claims).items():
        highest = max([0, *(claim.fence for claim in claims if claim.verdict == "ok")])
        final = history.final.get(job_id)
        over = max(highest, 0 if final is None or final.lease else final.fence + 1)
        tried: dict[int, list[Claim]] = defaultdict(list)
        for claim in claims:
            if claim.verdict != "conflict":
                tried[claim.fence].append(claim)
        for fence, candidates in tried.items():
            for claim in candidates:
                alone = len(candidates) == 1 and fence < over
                if fence < over and (claim.verdict == "ok" or alone or claim.lease_id in shown):
                    yield claim


def services_do_not_break(history: History) -> Iterator[Violation]:
    for tag, status in history.ticks:
        if status not in (200, 503):
            yield Violation("tick broke", "", f"{tag} answered {status}")
    for said in history.said:
        entry = said.entry
        if "stack_trace" in entry and entry.get("error_type") not in EXPECTED_ERRORS:
            trace = str(entry["stack_trace"]).strip().splitlines()
            yield Violation("service broke", "", f"{said.tag}: {entry['message']}: {trace[-1:]}")


def no_recorded_result_is_called_stale(history: History) -> Iterator[Violation]:
    sure = {(one.job_id, one.run.fence, one.run.outcome) for one in history.recorded if one.sure}
    for said in history.said:
        entry = said.entry
        if entry.get("message") == "Stale completion dropped":
            place = (entry["job_id"], entry["fence"], entry["outcome"])
            if place in sure:
                text = f"{said.tag} dropped {entry['outcome']} of fence {entry['fence']}"
                yield Violation("recorded result called stale", entry["job_id"], text)


def _by_job(facts: Iterable[T]) -> dict[str, list[T]]:
    found: dict[str, list[T]] = defaultdict(list)
    for fact in facts:
        found[fact.job_id].append(fact)
    return found


RULES: tuple[Callable[[History], Iterable[Violation]], ...] = (
    no_two_live_leases,
    fences_grow,
    starts_inside_the_lease,
    effects_come_and_repeat_only_after_their_lease,
    nothing_runs_after_its_end,
    no_stale_result,
    leases_are_kept_while_the_handler_runs,
    no_lease_is_abandoned,
    services_do_not_break,
    no_recorded_result_is_called_stale,
    accounts,
)

"""What a service's log lacks for being judged, from the entries alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from emonk_ops.operations.analysis.records import (
    CRON,
    LOOP,
    Attempt,
    Decision,
    Effect,
    Request,
    Tick,
)
from emonk_ops.operations.analysis.spool import Spool

Kind = str | tuple[str, str]


@dataclass(frozen=True)
class Part:
    """One thing that the judge needs: how many lines there are, and what is lost without."""

    name: str
    count: int
    without: str
    needed: bool = True

    @property
    def lacking(self) -> bool:
        return self.needed and self.count == 0


def check(spool: Spool) -> tuple[Part, ...]:
    """The parts, in the order in which they matter."""
    found: Counter[Kind] = Counter(_kinds(spool))
    seen = spool.seen
    numbered = seen.coverage.seen
    return (
        Part(
            "Scheduler decision, by the loop",
            found["decision", LOOP],
            "nobody can say which path ran which slot: is SCHEDULER_SHADOW_MODE true?",
        ),
        Part(
            "Scheduler decision, by Cloud Scheduler's ticks",
            found["decision", CRON],
            "nobody can say which path ran which slot: is the scheduler job enabled?",
        ),
        Part("executions that ended", found["end"], "durations and errors cannot be compared"),
        Part("ticks of the loop", found["tick", LOOP], "the loop may be dead"),
        Part("ticks of Cloud Scheduler", found["tick", CRON], "the service is no witness"),
        Part("lines with instance and sequence", numbered, "lost lines cannot be noticed"),
        Part(
            "requests to the tick path by Cloud Scheduler",
            found["request"],
            "the platform is no witness: export run.googleapis.com/requests too",
        ),
        Part(
            "executions of the scheduler job",
            found["attempt"],
            "Cloud Scheduler is no witness: export resource.type=cloud_scheduler_job too",
        ),
        Part(
            "effects under their keys",
            found["effect"],
            "effects are judged by executions only; a canary job leaves such lines",
            needed=False,
        ),
    )


def complaints(spool: Spool) -> tuple[str, ...]:
    """What is there and cannot be used."""
    seen, coverage = spool.seen, spool.seen.coverage
    lost = sum(lines for _, _, lines in coverage.gaps(spool.span[0])) if spool.span else 0
    found = (
        (coverage.unnumbered, "lines without instance or sequence: an older service wrote them"),
        (seen.unreadable, f"lines that cannot be read, first {seen.first_unreadable}"),
        (seen.disorder.late, "lines too far out of order: export them with --order=asc"),
        (lost, "numbered lines are missing, by the numbers around them"),
    )
    return tuple(f"{count} {told}" for count, told in found if count)


def _kinds(spool: Spool) -> Iterator[Kind]:
    for record in spool:
        if isinstance(record, Decision):
            yield "decision", record.path
            if record.decision == "end":
                yield "end"
        elif isinstance(record, Tick):
            yield "tick", record.path
        elif isinstance(record, Request):
            if record.by_scheduler:
                yield "request"
        elif isinstance(record, Attempt):
            yield "attempt"
        elif isinstance(record, Effect):
            yield "effect"

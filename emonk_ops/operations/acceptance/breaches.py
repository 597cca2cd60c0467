"""What must not be in a stretch of the soak, by criterion."""

from __future__ import annotations

from collections.abc import Iterator

from emonk_ops.operations.acceptance.criteria import Criteria
from emonk_ops.operations.acceptance.stretch import Counted, Stretch
from emonk_ops.operations.judging.verdicts import few
from emonk_ops.rollout.model import Breach


def breaches(stretch: Stretch, criteria: Criteria) -> Iterator[Breach]:
    counted = stretch.counted
    yield from _certain(counted)
    if counted.missing:
        shown = [f"{one:%H:%M:%SZ}" for one in counted.missing[:3]]
        yield Breach(
            "ticks-missing",
            f"{len(counted.missing)} of {counted.expected} ticks were seen by nobody: "
            f"{few(shown, len(counted.missing))}",
        )
    yield from _errors(counted, criteria)
    slow = sum(one > criteria.latency_p99_seconds for one in counted.latencies)
    if slow >= criteria.slow_ticks:
        worst = max(counted.latencies)
        yield Breach(
            "latency",
            f"{slow} of {len(counted.latencies)} ticks took more than "
            f"{criteria.latency_p99_seconds:g} s, the slowest {worst:.1f} s",
        )
    if counted.late_count:
        told = f"{counted.late_count} jobs ended late: {few(counted.late, counted.late_count)}"
        yield Breach("late-jobs", told)
    if counted.not_executed:
        yield Breach(
            "driver", f"{counted.not_executed} ticks reached a revision that does not drive"
        )


def _certain(counted: Counted) -> Iterator[Breach]:
    """One of these is enough."""
    if count := counted.doubled_count:
        told = f"{count} slots were executed twice: {few(counted.doubled, count)}"
        yield Breach("duplicates", told, certain=True)
    if count := counted.overlapping_count:
        told = f"{count} runs began within the lease of another: {few(counted.overlapping, count)}"
        yield Breach("leases", told, certain=True)
    if counted.loop_ticks:
        told = f"{counted.loop_ticks} ticks by the legacy loop, which was ended"
        yield Breach("two-drivers", told, certain=True)


def _errors(counted: Counted, criteria: Criteria) -> Iterator[Breach]:
    ended = counted.executed
    parts = (
        ("ticks", counted.ticks_failed, counted.arrived),
        ("jobs", counted.failed, ended),
    )
    for name, failed, n in parts:
        if failed >= criteria.burst_failures and n and failed / n > criteria.burst_rate:
            yield Breach("errors", f"{failed} of {n} {name} failed")
    ops = counted.storage_ops
    if counted.lasting and counted.lasting > criteria.stretch_storage_error_rate * ops:
        told = f"{counted.lasting} errors in {ops} calls to Firestore, none of them transient"
        yield Breach("firestore-errors", told)

"""Injected faults: their phases, and how long leases were held under them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from emonk_ops.reporting.plots.axes import (
    BOTTOM,
    RIGHT,
    Entry,
    bottom_axis,
    legend,
    legend_height,
)
from emonk_ops.reporting.plots.canvas import Canvas, shortened
from emonk_ops.reporting.plots.figure import Figure
from emonk_ops.reporting.plots.scales import Linear
from emonk_ops.reporting.told.faults import FaultTold
from emonk_ops.reporting.told.leases import FaultSeen, LeaseSeen
from emonk_ops.reporting.told.words import count, span

Seen = tuple[FaultTold, FaultSeen]
ROW, BAR, LEASE = 58.0, 12.0, 7.0
LEGEND: tuple[Entry, ...] = (
    ("box", "faint", "fault set, proof awaited"),
    ("box", "two", "landed and observed"),
    ("box", "good", "restored, judged"),
    ("box", "bad", "not restored"),
    ("box", "one", "lease held to its end"),
    ("box", "soft", "lease of a run that was cut off"),
)
LONGEST_SECONDS = 6 * 3600.0  # of the axis: a fault that is open for days would hide the others


def faults_figure(figure_id: str, seen: Sequence[Seen]) -> Figure:
    """One row a fault, from its intent on."""
    runs = tuple(dict.fromkeys(f"run {fault.run}" for fault, _ in seen))
    files = tuple(fault.evidence for fault, one in seen if fault.evidence and not one.why)
    return Figure(
        figure_id,
        _finding(seen),
        "The time named is until all was restored. Above: the phases of the fault. Below: the "
        "canary's runs, each as long as its lease was held." + _missing(seen),
        (*runs, *files[:4], *(("and others",) if files[4:] else ())),
        lambda width: _draw(seen, width),
    )


def _finding(seen: Sequence[Seen]) -> str:
    passed = sum(fault.verdict == "PASS" for fault, _ in seen)
    rescued = [lease for _, one in seen for lease in one.leases if lease.rescued]
    open_ = sum(fault.restored is False for fault, _ in seen)
    told = f"{passed} of {count(len(seen), 'injected fault')} had the expected effect and no other"
    if rescued:
        longest = max(_seconds(one) for one in rescued)
        told += f"; a slot that was cut off was run again after {longest:,.0f} s"
    if open_:
        told += f"; {open_} not known to be undone"
    return told


def _missing(seen: Sequence[Seen]) -> str:
    lacking = [one.why for fault, one in seen if one.why and fault.evidence]
    return f" Leases of {len(lacking)} are not shown: {lacking[0]}." if lacking else ""


def _seconds(lease: LeaseSeen) -> float:
    return (lease.until - lease.since).total_seconds() if lease.until else 0.0


def _draw(seen: Sequence[Seen], width: float) -> Canvas:
    top = legend_height(width, LEGEND)
    bottom = top + ROW * len(seen) + 4
    canvas = Canvas(width, bottom + BOTTOM)
    legend(canvas, LEGEND)
    longest = max(((fault.until - fault.at).total_seconds() for fault, _ in seen), default=1.0)
    longest = min(max(longest, 10.0), LONGEST_SECONDS)
    x = Linear(0, longest * 1.02, 4, width - RIGHT)
    bottom_axis(canvas, x, top, bottom, "seconds since the intent was written down")
    for number, (fault, one) in enumerate(seen):
        y = top + ROW * number
        canvas.text((4, y + 15), shortened(_headline(fault), width - 8))
        for since, until, tone in _phases(fault, one):
            _bar(canvas, x, fault.at, since, until, y + 22, BAR, tone)
        for lease in one.leases:
            until = lease.until or fault.until
            tone = "one" if lease.ended else "soft"
            _bar(canvas, x, fault.at, lease.since, until, y + 38, LEASE, tone, _told(lease))
    return canvas


def _headline(fault: FaultTold) -> str:
    took = fault.restore_seconds
    how = span(took) if took is not None else ""
    if fault.restored is False:
        how = "NOT KNOWN TO BE RESTORED"
    return f"{fault.title}: {fault.verdict or 'no verdict'}{', ' if how else ''}{how}"


def _phases(fault: FaultTold, seen: FaultSeen) -> Iterator[tuple[datetime, datetime, str]]:
    phases = fault.phases
    if "intent" not in phases:
        return
    landed = phases.get("landed")
    restored = seen.restored_at or phases.get("restored")
    if not fault.restored:
        restored = None
    end = restored or fault.until
    yield fault.at, landed or end, "faint"
    if landed is not None:
        yield landed, end, "two"
    if restored is not None:
        yield restored, fault.until, "good"
    else:
        yield fault.at, fault.until, "bad"


def _bar(
    canvas: Canvas,
    x: Linear,
    zero: datetime,
    since: datetime,
    until: datetime,
    y: float,
    high: float,
    tone: str,
    told: str = "",
) -> None:
    first, last = ((at - zero).total_seconds() for at in (since, until))
    begin, end = (x(min(max(0.0, one), x.high)) for one in (first, last))
    told = told or f"{first:.0f} s to {last:.0f} s"
    canvas.rect(begin, y, max(2.0, end - begin), high, tone, told=told)


def _told(lease: LeaseSeen) -> str:
    how = "ended" if lease.ended else ("cut off, run again" if lease.rescued else "without effect")
    return f"{lease.job}: {_seconds(lease):.1f} s, {how}"

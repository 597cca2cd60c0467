"""The records of a while, put to the ticks that had to be and cut into stretches."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from emonk_ops.operations.acceptance.runs import Runs
from emonk_ops.operations.acceptance.stretch import Counted, SlotSeen, Stretch
from emonk_ops.operations.analysis.records import CRON, LOOP, Record, Request, Run, Tick
from emonk_ops.operations.analysis.stream import Pass
from emonk_ops.operations.judging.rules import Rules


@dataclass(frozen=True)
class Frame:
    """Which ticks had to be: `slots` behind `since`, each served until `patience` after it."""

    since: datetime
    slots: tuple[datetime, ...]
    patience: timedelta
    stretch_seconds: float
    tick_path: str
    lease_seconds: float
    window_seconds: float  # by when a job's slot has ended: the cadence, and what a tick takes


def stretches(records: Iterable[Record], frame: Frame, seen: Pass) -> Iterator[Stretch]:
    """All stretches in their order; those before `frame.since` are only read, not counted.

    `seen` is the pass that the records come from, spent already.
    """
    cut = _cut(frame)
    # What happens at a tick and behind it, until the next one, is that tick's.
    starts = [one.slots[0].at for one in cut]
    runs = Runs(frame.lease_seconds, frame.window_seconds)
    for record in records:
        place = bisect_right(starts, record.at) - 1
        stretch = cut[place] if place >= 0 else None
        if isinstance(record, Run):
            runs.feed(record, Counted() if stretch is None else stretch.counted)
        elif stretch is not None:
            _note(record, stretch, frame)
    for stretch in cut:
        for slot in stretch.slots:
            stretch.counted.settle(slot)
    _note_lost_lines(cut, seen)
    yield from cut


def _cut(frame: Frame) -> list[Stretch]:
    """Each stretch ends at a slot, so that no tick belongs to two."""
    cut: list[Stretch] = []
    before = frame.since
    for slot in frame.slots:
        full = cut and (slot - cut[-1].since).total_seconds() > frame.stretch_seconds
        if not cut or full:
            cut.append(Stretch(before, slot))
        cut[-1].slots.append(SlotSeen(slot, before))
        cut[-1].until = before = slot
    return cut


def _note(record: Record, stretch: Stretch, frame: Frame) -> None:
    if isinstance(record, Request):
        if record.by_scheduler and record.path == frame.tick_path:
            slot = _slot_of(stretch.slots, record.at, frame)
            if slot is not None and (slot.request is None or slot.request.status != 200):
                slot.request = record
    elif isinstance(record, Tick) and record.numbers is not None:
        stretch.counted.add(record.numbers)
        stretch.counted.not_executed += not record.executed
        if record.path == LOOP:
            stretch.counted.loop_ticks += record.executed
        elif record.path == CRON:
            slot = _slot_of(stretch.slots, record.at, frame)
            if slot is not None and (slot.tick is None or slot.tick.kind != "completed"):
                slot.tick = record


def _slot_of(slots: Sequence[SlotSeen], at: datetime, frame: Frame) -> SlotSeen | None:
    place = bisect_right(slots, at, key=lambda one: one.at) - 1
    if place < 0 or at >= slots[place].at + frame.patience:
        return None
    return slots[place]


def _note_lost_lines(cut: Sequence[Stretch], seen: Pass) -> None:
    if not cut:
        return
    for begin, end, lines in seen.coverage.gaps(cut[0].since):
        for stretch in cut:
            if begin <= stretch.until and stretch.since <= end:
                stretch.lines_lost += lines


def whole_of(cut: Iterable[Stretch]) -> Stretch:
    """All of them as one."""
    parts = list(cut)
    whole = Stretch(parts[0].since, parts[-1].until)
    for one in parts:
        whole.slots += one.slots
        whole.lines_lost += one.lines_lost
        _merge(whole.counted, one.counted)
    return whole


def _merge(whole: Counted, part: Counted) -> None:
    for name, value in vars(part).items():
        mine = getattr(whole, name)
        if isinstance(value, (int, float)) and name != "worst_lag_seconds":
            setattr(whole, name, mine + value)
        elif isinstance(value, list):
            mine.extend(value)
        elif isinstance(value, dict):
            mine.update(value)
    whole.worst_lag_seconds = max(whole.worst_lag_seconds, part.worst_lag_seconds)


def frame_of(
    rules: Rules, slots: tuple[datetime, ...], stretch_seconds: float, tick_path: str
) -> Frame:
    return Frame(
        since=rules.begin,
        slots=slots,
        patience=rules.patience,
        stretch_seconds=stretch_seconds,
        tick_path=tick_path,
        lease_seconds=rules.lease_seconds,
        window_seconds=rules.punctual_seconds,
    )

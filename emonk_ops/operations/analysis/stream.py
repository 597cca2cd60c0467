"""The one pass: entries read, repetitions dropped, put in order, counted."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime

from emonk_ops.operations.analysis.coverage import Coverage
from emonk_ops.operations.analysis.ordering import Disorder, in_order
from emonk_ops.operations.analysis.reading import record_of
from emonk_ops.operations.analysis.records import Decision, Record, Stopped, Tick
from emonk_ops.ports import LogEntry

REMEMBERED_IDS = 20_000


@dataclass
class Pass:
    """What a pass saw besides its records. Valid once its iterator is spent."""

    entries: int = 0
    unreadable: int = 0
    first_unreadable: str = ""
    repeated: int = 0
    disorder: Disorder = field(default_factory=Disorder)
    coverage: Coverage = field(default_factory=Coverage)
    first: datetime | None = None
    last: datetime | None = None


def records(entries: Iterable[LogEntry], seen: Pass) -> Iterator[Record]:
    """Each entry's record once, by instant. `seen` is filled on the way."""
    return noted(in_order(_read(entries, seen), seen.disorder), seen)


def _read(entries: Iterable[LogEntry], seen: Pass) -> Iterator[Record]:
    known: OrderedDict[tuple[str, datetime], None] = OrderedDict()
    for entry in entries:
        seen.entries += 1
        try:
            record = record_of(entry)
        except (KeyError, ValueError, TypeError) as error:
            seen.unreadable += 1
            told = f"no {error}" if isinstance(error, KeyError) else str(error)
            seen.first_unreadable = seen.first_unreadable or f'"{entry.message}": {told}'
            continue
        if record is None:
            continue
        if entry.insert_id:
            # Cloud Logging drops such repetitions within one page only.
            key = (entry.insert_id, entry.timestamp)
            if key in known:
                seen.repeated += 1
                continue
            known[key] = None
            if len(known) > REMEMBERED_IDS:
                known.popitem(last=False)
        yield record


def noted(ordered: Iterable[Record], seen: Pass) -> Iterator[Record]:
    """Records in their order, the repeated ones dropped; what they say of coverage is noted."""
    coverage = seen.coverage
    for record in ordered:
        if seen.first is None:
            seen.first = record.at
        seen.last = record.at
        if isinstance(record, (Tick, Decision)):
            if not coverage.see(record.instance, record.sequence, record.at):
                seen.repeated += 1
                continue
        elif isinstance(record, Stopped):
            coverage.stop(record.instance, record.last_sequence, record.at)
        yield record

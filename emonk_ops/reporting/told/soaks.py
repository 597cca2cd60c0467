"""Every soak of a journal, those that ended or began anew included: how coverage grew."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from emonk_ops.rollout.records import Record


@dataclass(frozen=True)
class LookTold:
    """A stretch that was looked at, and the sum of what was covered by its end."""

    since: datetime
    until: datetime
    covered_seconds: float  # of all stretches so far
    summary: str
    breaches: tuple[tuple[str, str], ...] = ()  # criterion, summary
    expected_ticks: int | None = None
    arrived_ticks: int | None = None


@dataclass
class SoakTold:
    """`guide_seconds` is None where the journal does not say what the guide asks for."""

    stage: int
    id: str
    run: str
    began_at: datetime
    first_needed_seconds: float
    needed_seconds: float
    guide_seconds: float | None = None
    looks: list[LookTold] = field(default_factory=list)
    extensions: list[tuple[datetime, float, str]] = field(default_factory=list)  # now needed, why
    how: str = ""  # it ended: done, breached, began anew: …; empty while it goes on
    criterion: str = ""  # that it was breached by
    ended_by: str = ""  # the run

    @property
    def until(self) -> datetime:
        return self.looks[-1].until if self.looks else self.began_at

    @property
    def covered_seconds(self) -> float:
        return self.looks[-1].covered_seconds if self.looks else 0.0

    @property
    def coverage(self) -> float | None:
        """The covered share of the time that was looked at; None before the first look."""
        passed = (self.until - self.began_at).total_seconds()
        return self.covered_seconds / passed if passed > 0 else None

    @property
    def breaches(self) -> list[tuple[datetime, str, str]]:
        return [(look.until, *one) for look in self.looks for one in look.breaches]

    @property
    def shortened(self) -> bool:
        """Whether it was configured shorter than the guide asks for: no evidence."""
        return self.guide_seconds is not None and self.first_needed_seconds < self.guide_seconds


def soaks_told(records: Iterable[Record]) -> list[SoakTold]:
    """In the order in which they began."""
    told: list[SoakTold] = []
    newest: dict[int, SoakTold] = {}
    for record in records:
        if record.kind == "soak.began":
            found = _began(record)
            told.append(found)
            newest[found.stage] = found
        elif fold := FOLDS.get(record.kind):
            state = newest.get(int(record.body["stage"]))
            if state is not None:
                fold(state, record)
    return told


def _began(record: Record) -> SoakTold:
    body = record.body
    guide = body.get("guide_seconds")
    return SoakTold(
        stage=int(body["stage"]),
        id=str(body["soak"]),
        run=record.run,
        began_at=datetime.fromisoformat(str(body["at"])),
        first_needed_seconds=float(body["needed_seconds"]),
        needed_seconds=float(body["needed_seconds"]),
        guide_seconds=None if guide is None else float(guide),
    )


def _looked(soak: SoakTold, record: Record) -> None:
    body = record.body
    facts: Mapping[str, Any] = body.get("facts") or {}
    soak.looks.append(
        LookTold(
            since=datetime.fromisoformat(str(body["from"])),
            until=datetime.fromisoformat(str(body["until"])),
            covered_seconds=soak.covered_seconds + float(body["covered_seconds"]),
            summary=str(body.get("summary", "")),
            breaches=tuple(
                (str(one["criterion"]), str(one["summary"])) for one in body["breaches"]
            ),
            expected_ticks=facts.get("ticks_expected"),
            arrived_ticks=facts.get("ticks_arrived"),
        )
    )


def _extended(soak: SoakTold, record: Record) -> None:
    soak.needed_seconds = float(record.body["needed_seconds"])
    soak.extensions.append((soak.until, soak.needed_seconds, str(record.body.get("why", ""))))
    soak.how = ""


def _ended(soak: SoakTold, record: Record) -> None:
    soak.how = str(record.body["how"])
    soak.criterion = str(record.body.get("criterion", ""))
    soak.ended_by = record.run


FOLDS: dict[str, Callable[[SoakTold, Record], None]] = {
    "soak.looked": _looked,
    "soak.extended": _extended,
    "soak.ended": _ended,
}

"""Records that wait on this machine until the journal's database can be reached."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from emonk_ops.clock import Clock
from emonk_ops.rollout.journal import Journal, JournalListener
from emonk_ops.rollout.records import Record, sealed

MARK = "spooled"


@dataclass(frozen=True)
class Waiting:
    """A record that waits. `tried` names an attempt to send it whose answer was lost."""

    id: str
    tried: str
    run: str
    at: datetime
    kind: str
    who: Mapping[str, Any]
    body: Mapping[str, Any]

    def after(self, seq: int, prev: str) -> Record:
        """The record, chained anew. It says that it waited, and keeps its own time and run."""
        return sealed(
            seq=seq + 1,
            prev=prev,
            run=self.run,
            at=self.at,
            kind=self.kind,
            who=self.who,
            body={**self.body, MARK: self.id},
        )

    def is_among(self, known: Collection[str]) -> bool:
        return self.id in known or self.tried in known


class Spool:
    """A file of its own chain, flushed to the disk record by record; empty when all were sent."""

    def __init__(self, path: Path, clock: Clock, listener: JournalListener | None = None) -> None:
        self._path = path
        self._clock = clock
        self._listener = listener

    def add(
        self,
        *,
        run: str,
        kind: str,
        who: Mapping[str, Any],
        body: Mapping[str, Any],
        tried: str,
    ) -> Waiting:
        held = {"body": body, "tried": tried}
        return _waiting(self._file().append(run=run, kind=kind, who=who, body=held))

    def waiting(self) -> tuple[Waiting, ...]:
        return tuple(_waiting(record) for record in self._file().records())

    def forget(self, known: Collection[str]) -> None:
        """Empty the file if all that wait are among the known ones."""
        self._file().empty(lambda records: all(_waiting(one).is_among(known) for one in records))

    def _file(self) -> Journal:
        # Made anew each time: another process may have emptied and filled it since.
        return Journal(self._path, clock=self._clock, listener=self._listener)


def _waiting(record: Record) -> Waiting:
    held = record.body
    return Waiting(
        record.hash, held["tried"], record.run, record.at, record.kind, record.who, held["body"]
    )

"""Runs that go on whatever becomes of its records: what stops a driver waits for no journal."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from emonk_ops.clock import Clock
from emonk_ops.errors import Interrupted, LockLost, OpsError
from emonk_ops.rollout.book import RunRecord
from emonk_ops.rollout.records import BEGINNING, Record, sealed


class Steadfast(RunRecord):
    """Another run's record, which notes once that it cannot be written. Raises LockLost."""

    def __init__(self, run: RunRecord, clock: Clock, note: Callable[[str], None]) -> None:
        self._run = run
        self._clock = clock
        self._note = note
        self._lost = 0
        self.who = run.who
        self.id = run.id
        self.changed = False
        self.ended = False

    def write(self, kind: str, body: Mapping[str, Any]) -> Record:
        try:
            return self._run.write(kind, body)
        except (LockLost, Interrupted):
            raise
        except (OpsError, OSError) as error:
            self._lost += 1
            if self._lost == 1:
                self._note(f"the journal cannot be written, and is not waited for: {error}")
            return sealed(
                seq=0,
                prev=BEGINNING,
                run=self.id,
                at=self._clock.now(),
                kind=kind,
                who={},
                body=dict(body),
            )

    def require_lock(self) -> None:
        self._run.require_lock()

    def finish(self) -> None:
        """Whoever opened the run need not end it once more."""
        self._run.ended = self.ended


class NoJournal:
    """Where not even this machine's disk takes a record."""

    def __init__(self, why: Exception) -> None:
        self._why = why

    def append(
        self, *, run: str, kind: str, who: Mapping[str, Any], body: Mapping[str, Any]
    ) -> Record:
        raise OSError(str(self._why))

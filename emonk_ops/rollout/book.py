"""An environment's journal and lock together: how a command that changes things is recorded."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from emonk_ops.errors import ExitCode, LockLost, OpsError
from emonk_ops.rollout.identity import Identity
from emonk_ops.rollout.journal import Journal
from emonk_ops.rollout.lock import HeldLock, Lock
from emonk_ops.rollout.records import Record
from emonk_ops.rollout.standing import Standing, stand
from emonk_ops.rollout.statuses import status_of


@dataclass(frozen=True)
class Heading:
    """What a run is about."""

    command: str
    title: str
    stage: int | None = None
    reason: str = ""


class RunRecord:
    """One run's hand on the journal. Each record is refused once the lock is lost."""

    def __init__(self, journal: Journal, who: Identity, run: str, held: HeldLock | None) -> None:
        self._journal = journal
        self._held = held
        self.who = who
        self.id = run
        self.changed = False
        self.ended = False

    def write(self, kind: str, body: Mapping[str, Any]) -> Record:
        """Raises LockLost and StateDamaged."""
        self.require_lock()
        return self._journal.append(run=self.id, kind=kind, who=self.who.as_facts(), body=body)

    def require_lock(self) -> None:
        """Raises LockLost, where this run had it."""
        if self._held is not None:
            self._held.require()

    def end(self, code: ExitCode, summary: str, **more: Any) -> None:
        self.write(
            "run.ended",
            {
                "status": status_of(code),
                "exit_code": int(code),
                "summary": summary,
                "changed": self.changed,
                **more,
            },
        )
        self.ended = True


class Book:
    """The journal and the lock of one environment."""

    def __init__(
        self, *, journal: Journal, lock: Lock, who: Identity, new_run_id: Callable[[], str]
    ) -> None:
        self.journal = journal
        self.lock = lock
        self.who = who
        self._new_run_id = new_run_id

    def standing(self) -> Standing:
        return stand(self.journal.records())

    @contextmanager
    def locked_run(self, heading: Heading) -> Iterator[RunRecord]:
        """Lock, record the start, and the end however it comes. Raises Locked."""
        run_id = self._new_run_id()
        with self.lock.held(self.who, reason=heading.title, run=run_id) as held:
            run = RunRecord(self.journal, self.who, run_id, held)
            taken = held.took_over.sentence() if held.took_over else ""
            with self._recorded(run, heading, {"took_over": taken} if taken else {}):
                yield run

    @contextmanager
    def free_run(self, heading: Heading) -> Iterator[RunRecord]:
        """Recorded, without the lock: for what must work while somebody else holds it."""
        run = RunRecord(self.journal, self.who, self._new_run_id(), None)
        with self._recorded(run, heading, {}):
            yield run

    def note(self, kind: str, body: Mapping[str, Any]) -> Record:
        """One record that belongs to no longer run, e.g. a lifted hold."""
        return RunRecord(self.journal, self.who, self._new_run_id(), None).write(kind, body)

    @contextmanager
    def _recorded(
        self, run: RunRecord, heading: Heading, more: Mapping[str, Any]
    ) -> Iterator[None]:
        run.write(
            "run.started",
            {
                "command": heading.command,
                "stage": heading.stage,
                "title": heading.title,
                "reason": heading.reason,
                "argv": self.who.argv,
                **more,
            },
        )
        try:
            yield
        except LockLost:
            raise
        except OpsError as error:
            if not run.ended:
                run.end(error.exit_code, error.message, error=error.code)
            raise
        except Exception as error:
            if not run.ended:
                run.end(ExitCode.BUG, f"{type(error).__name__}: {error}", error="bug")
            raise
        if not run.ended:
            run.end(ExitCode.DONE, heading.title)

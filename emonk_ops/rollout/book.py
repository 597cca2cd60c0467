"""An environment's journal and lock together: how a command that changes things is recorded."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

from emonk_ops.errors import ExitCode, LockLost, OpsError, Unreachable
from emonk_ops.rollout.identity import Identity
from emonk_ops.rollout.lease import HeldLock, Lease
from emonk_ops.rollout.places import JournalPlace, LockPlace
from emonk_ops.rollout.records import Record
from emonk_ops.rollout.standing import Standing, stand
from emonk_ops.rollout.statuses import status_of


@dataclass(frozen=True)
class Heading:
    """What a run is about. One that `goes_back` may go without what cannot be reached."""

    command: str
    title: str
    stage: int | None = None
    reason: str = ""
    goes_back: bool = False
    pre_empts: bool = False  # takes the lock from whoever has it, and records that


class RunRecord:
    """One run's hand on the journal. Each record is refused once the lock is lost."""

    def __init__(
        self, journal: JournalPlace, who: Identity, run: str, held: HeldLock | None
    ) -> None:
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

    @property
    def took_over(self) -> Lease | None:
        """Whose lock it took, if anybody's."""
        return None if self._held is None else self._held.took_over

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
    """The journal and the lock of one environment.

    `stand_in` is a lock of this machine, for what goes back while the lock cannot be reached.
    """

    def __init__(
        self,
        *,
        journal: JournalPlace,
        lock: LockPlace,
        who: Identity,
        new_run_id: Callable[[], str],
        stand_in: LockPlace | None = None,
    ) -> None:
        self.journal = journal
        self.lock = lock
        self.who = who
        self._new_run_id = new_run_id
        self._stand_in = stand_in

    def require_reachable(self) -> None:
        """Before anything goes forward: raises Unreachable where the journal is not in sight."""
        self.journal.require_reachable()

    def standing(self) -> Standing:
        return stand(self.journal.records())

    @contextmanager
    def locked_run(self, heading: Heading) -> Iterator[RunRecord]:
        """Lock, record the start, and the end however it comes. Raises Locked."""
        run_id = self._new_run_id()
        with self._held(heading, run_id) as (held, more):
            run = RunRecord(self.journal, self.who, run_id, held)
            if held.took_over is not None:
                more = {**more, "took_over": held.took_over.sentence()}
            with self._recorded(run, heading, more):
                yield run

    @contextmanager
    def free_run(self, heading: Heading) -> Iterator[RunRecord]:
        """Recorded, without the lock: for what must work while somebody else holds it."""
        run = RunRecord(self.journal, self.who, self._new_run_id(), None)
        with self._recorded(run, heading, {}):
            yield run

    def acquire_lock(self, reason: str, seconds: float) -> Lease:
        """Take the lock by hand, recorded. Raises Locked, StateDamaged and Unreachable."""
        self.journal.records()  # where it cannot be recorded, nothing is taken
        run = self._new_run_id()
        lease = self.lock.acquire(self.who, reason=reason, run=run, seconds=seconds)
        self.note("lock.acquired", {"reason": reason, "until": lease.expires_at})
        return lease

    def release_lock(self, lease: Lease, reason: str) -> None:
        """Take away whoever's lease was seen, recorded. Raises StateDamaged and Unreachable."""
        self.journal.records()  # where it cannot be recorded, nothing is released
        self.lock.release_by_hand()
        self.note("lock.released", {"reason": reason, "was": lease.sentence()})

    def note(self, kind: str, body: Mapping[str, Any]) -> Record:
        """One record that belongs to no longer run, e.g. a lifted hold."""
        return RunRecord(self.journal, self.who, self._new_run_id(), None).write(kind, body)

    @contextmanager
    def _held(self, heading: Heading, run_id: str) -> Iterator[tuple[HeldLock, Mapping[str, Any]]]:
        named: dict[str, Any] = {"reason": heading.title, "run": run_id}
        named["pre_empts"] = heading.pre_empts
        with ExitStack() as stack:
            try:
                held = stack.enter_context(self.lock.held(self.who, **named))
                more = {}
            except Unreachable as error:
                if self._stand_in is None or not heading.goes_back:
                    raise
                held = stack.enter_context(self._stand_in.held(self.who, **named))
                more = {"locked_here_only": error.message}
            yield held, more

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

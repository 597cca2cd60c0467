"""Binds journal, lock and evidence to where `[state] place` says they are."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Protocol

from emonk_ops.errors import Refused
from emonk_ops.settings import FILE_PLACE

if TYPE_CHECKING:
    from pathlib import Path

    from emonk_ops.cli.collaborators import Collaborators
    from emonk_ops.clock import Clock
    from emonk_ops.rollout.book import Book
    from emonk_ops.rollout.identity import Identity
    from emonk_ops.rollout.interruption import Interruption
    from emonk_ops.rollout.places import JournalPlace, LockPlace
    from emonk_ops.rollout.reach import Reach
    from emonk_ops.rollout.shared_evidence import SharedEvidence
    from emonk_ops.settings import Environment
    from emonk_ops.toolbox import Evidence


class Place(Protocol):
    """Of the command's desk, what its state needs."""

    @property
    def env(self) -> Environment: ...
    @property
    def folder(self) -> Path: ...
    @property
    def who(self) -> Identity: ...
    @property
    def interruption(self) -> Interruption: ...
    @property
    def with_(self) -> Collaborators: ...


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


@dataclass
class State:
    """One environment's state, as one command sees it."""

    desk: Place

    def book(self) -> Book:
        from emonk_ops.rollout.book import Book

        desk = self.desk
        shared = desk.env.state_place != FILE_PLACE
        return Book(
            journal=self._shared_journal() if shared else self._journal(),
            lock=self._shared_lock() if shared else self._lock(),
            who=desk.who,
            new_run_id=desk.with_.new_run_id,
            stand_in=self._lock() if shared else None,
        )

    def evidence(self) -> Evidence:
        from emonk_ops.rollout.evidence import EvidenceFolder

        if self.desk.env.state_place == FILE_PLACE:
            return EvidenceFolder(self._evidence_folder)
        return self._shared_evidence

    @cached_property
    def _shared_evidence(self) -> SharedEvidence:
        from emonk_ops.rollout.shared_evidence import SharedEvidence

        # What is large may fail on a slow line: the journal is not to be left alone for that.
        return SharedEvidence(self._reach("evidence-unreachable.json"), self._evidence_folder)

    @property
    def _evidence_folder(self) -> Path:
        return self.desk.folder / "evidence"

    @cached_property
    def _documents(self) -> Reach:
        return self._reach("unreachable.json")

    def _reach(self, note: str) -> Reach:
        from emonk_ops.rollout.reach import Reach

        desk = self.desk
        documents = desk.with_.open_documents(desk.env, desk.folder.name)
        return Reach(documents, desk.folder / note, desk.with_.clock)

    @property
    def _time(self) -> Clock:
        return self.desk.with_.journal_clock(self.desk.env, self.desk.with_.clock)

    def _journal(self) -> JournalPlace:
        from emonk_ops.rollout.journal import Journal
        from emonk_ops.rollout.mirrored_journal import FILE, MIRROR

        path, mirror = self.desk.folder / FILE, self.desk.folder / MIRROR
        if _size(mirror) > _size(path):
            raise Refused(
                f"the journal of {self.desk.env.name} was shared, and {path} lacks what {mirror} "
                "has of it",
                hint=f"[state] place as it was; or, to go on in the file: cp {mirror} {path}",
            )
        return Journal(
            path,
            clock=self._time,
            shield=self.desk.interruption.shield,
            listener=self.desk.with_.journal_listener,
        )

    def _shared_journal(self) -> JournalPlace:
        from emonk_ops.rollout.mirrored_journal import MirroredJournal

        return MirroredJournal(
            self._documents,
            self.desk.folder,
            clock=self._time,
            shield=self.desk.interruption.shield,
            listener=self.desk.with_.journal_listener,
            then=self._shared_evidence.send_waiting,
        )

    def _lock(self) -> LockPlace:
        from emonk_ops.rollout.lock import Lock

        return Lock(self.desk.folder / "lock.json", clock=self.desk.with_.clock)

    def _shared_lock(self) -> LockPlace:
        from emonk_ops.rollout.document_lock import DocumentLock
        from emonk_ops.settings import Target

        # A sandbox's time may jump by a day while a holder waits for it to pass.
        sandbox = self.desk.env.target is Target.SANDBOX
        return DocumentLock(self._documents, clock=self.desk.with_.clock if sandbox else None)

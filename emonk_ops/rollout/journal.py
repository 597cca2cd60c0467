"""The journal: append-only JSON lines, chained by hash, written through to the disk.

A last line without its newline is what a kill in the middle of a write leaves: it is put aside
and the record is written anew by whoever runs the command again. Any other damage is refused
with its line and nothing is overwritten.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import Any

from emonk_ops.clock import Clock, Stopwatch
from emonk_ops.errors import Locked, StateDamaged
from emonk_ops.rollout.places import PlaceState
from emonk_ops.rollout.records import BEGINNING, Record, from_line, sealed, to_line
from emonk_ops.rollout.redaction import redacted

JournalListener = Callable[[str, int], None]  # ("before" | "after", seq) of every write
PAUSE_SECONDS = 0.02
Shield = Callable[[], AbstractContextManager[None]]


@dataclass(frozen=True)
class _Known:
    """What this process has read and checked of the file."""

    records: tuple[Record, ...] = ()
    size: int = 0

    @property
    def seq(self) -> int:
        return self.records[-1].seq if self.records else 0

    @property
    def head(self) -> str:
        return self.records[-1].hash if self.records else BEGINNING


class Journal:
    """One environment's journal. Several processes may append; each append holds the file's lock.

    `shield` keeps signals from interrupting a write half way. Raises StateDamaged and Locked.
    """

    def __init__(
        self,
        path: Path,
        *,
        clock: Clock,
        shield: Shield = nullcontext,
        listener: JournalListener | None = None,
        patience_seconds: float = 4.0,
    ) -> None:
        self.path = path
        self._patience = patience_seconds
        self._clock = clock
        self._shield = shield
        self._listener = listener
        self._known = _Known()

    def records(self) -> tuple[Record, ...]:
        """All records, checked. Only reads: a torn last line is left where it is."""
        if not self.path.exists():
            return ()
        if self.path.stat().st_size == self._known.size:
            return self._known.records
        whole, _torn = _split(self.path.read_bytes())
        self._known = self._read(whole)
        return self._known.records

    def append(
        self, *, run: str, kind: str, who: Mapping[str, Any], body: Mapping[str, Any]
    ) -> Record:
        """Write one record through to the disk, secrets redacted."""
        with self._shield(), self._opened() as file:
            self._catch_up(file)
            record = sealed(
                seq=self._known.seq + 1,
                prev=self._known.head,
                run=run,
                at=self._clock.now(),
                kind=kind,
                who=redacted(who),
                body=redacted(body),
            )
            self._tell("before", record.seq)
            _write_through(file, to_line(record))
            self._known = _Known((*self._known.records, record), os.fstat(file).st_size)
            self._tell("after", record.seq)
            return record

    def keep(self, records: Sequence[Record]) -> None:
        """Take in records that were sealed elsewhere: all, from the first one on."""
        with self._shield(), self._opened() as file:
            self._catch_up(file)
            for record in records[self._known.seq :]:
                if record.prev != self._known.head:
                    raise self._damaged(self._known.seq + 1, f"record {record.seq} does not follow")
                _write_through(file, to_line(record))
                self._known = _Known((*self._known.records, record), os.fstat(file).st_size)

    def empty(self, when: Callable[[tuple[Record, ...]], bool]) -> None:
        """Drop all records, if `when` says so of what is there then."""
        with self._shield(), self._opened() as file:
            self._catch_up(file)
            if when(self._known.records):
                os.ftruncate(file, 0)
                os.fsync(file)
                self._known = _Known()

    def require_reachable(self) -> None:
        """A file is where it is."""

    def state(self) -> PlaceState:
        return PlaceState(f"file {self.path}")

    @contextmanager
    def _opened(self) -> Iterator[int]:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        fresh = not self.path.exists()
        file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            self._hold(file)
            if fresh:
                _sync_folder(self.path.parent)
            yield file
        finally:
            os.close(file)

    def _hold(self, file: int) -> None:
        """The file's lock is held for one write only; a holder that hangs is not waited for."""
        stopwatch, pause = Stopwatch(), Event()
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return
            except BlockingIOError:
                if stopwatch.seconds > self._patience:
                    raise Locked(
                        f"another process has held {self.path} for {self._patience:.0f} s",
                        hint=f"Who it is: fuser {self.path}; then run the same command again",
                    ) from None
            pause.wait(PAUSE_SECONDS)

    def _catch_up(self, file: int) -> None:
        """Read what others wrote since, and put a torn last line aside."""
        size = os.fstat(file).st_size
        if size == self._known.size and size:
            return
        whole, torn = _split(_read_all(file, size))
        self._known = self._read(whole)
        if not torn:
            return
        if self._completes(torn):
            _write_through(file, b"\n")
            self._known = self._read(whole + torn + b"\n")
            return
        _put_aside(self.path.with_name(f"{self.path.name}.torn-{self._known.seq + 1}"), torn)
        os.ftruncate(file, len(whole))
        os.fsync(file)

    def _completes(self, torn: bytes) -> bool:
        """Whether only the newline is missing."""
        try:
            record = from_line(torn)
        except ValueError:
            return False
        return record.prev == self._known.head and record.seq == self._known.seq + 1

    def _read(self, whole: bytes) -> _Known:
        records: list[Record] = []
        head = BEGINNING
        for number, line in enumerate(whole.splitlines(), 1):
            try:
                record = from_line(line)
            except ValueError as error:
                raise self._damaged(number, str(error)) from error
            if record.prev != head or record.seq != number:
                raise self._damaged(number, "it does not follow from the record before it")
            records.append(record)
            head = record.hash
        return _Known(tuple(records), len(whole))

    def _damaged(self, number: int, what: str) -> StateDamaged:
        return StateDamaged(
            f"{self.path}:{number}: the journal is damaged: {what}",
            hint="Nothing was overwritten. Bring the file back from a copy; to start anew "
            f"without its history (captures included), move it away: mv {self.path}{{,.damaged}}",
        )

    def _tell(self, phase: str, seq: int) -> None:
        if self._listener is not None:
            self._listener(phase, seq)


def _split(content: bytes) -> tuple[bytes, bytes]:
    """(complete lines, what follows the last newline)."""
    end = content.rfind(b"\n") + 1
    return content[:end], content[end:]


def _read_all(file: int, size: int) -> bytes:
    parts: list[bytes] = []
    offset = 0
    while offset < size:
        part = os.pread(file, size - offset, offset)
        if not part:
            break
        parts.append(part)
        offset += len(part)
    return b"".join(parts)


def _write_through(file: int, line: bytes) -> None:
    view = memoryview(line)
    while view:
        view = view[os.write(file, view) :]
    os.fsync(file)


def _put_aside(path: Path, torn: bytes) -> None:
    with path.open("ab") as side:
        side.write(torn + b"\n")
        side.flush()
        os.fsync(side.fileno())


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)

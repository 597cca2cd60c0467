"""The job file: one checked record a line, appended to, and compacted by replacing the file.

    4f1c2b7a {"format": "emonk-store/1"}
    9be20d11 {"v": 7, "job": {…}}
    03d7a5ee {"drop": "id"}
    77ab90c1 {"driver": {…}}
    50c2e81f {"lock": {…}}
    b1e4620a {"unlock": "key"}

The eight digits are the CRC-32 of the rest of the line. A last line without its line end is what a
crash leaves behind: it was never acknowledged, so it is dropped and counted. Any other damage is
refused with the number of its line, and nothing is overwritten.
"""

from __future__ import annotations

import fcntl
import json
import os
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from emonk_ops.tick.errors import StorageDamaged, StorageError

FORMAT = "emonk-store/1"
Record = dict[str, Any]


class JobLog:
    """The file behind json storage. To be used only while `locked`; every call is synchronous."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.records = 0
        self.dropped = 0
        self._lock: int | None = None
        self._file: int | None = None
        self._read_to = 0
        self._line = 0

    def open(self) -> None:
        """Make the folder and the lock. Raises OSError."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        name = self.path.with_name(self.path.name + ".lock")
        self._lock = os.open(name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def close(self) -> None:
        for descriptor in (self._file, self._lock):
            if descriptor is not None:
                os.close(descriptor)
        self._file = self._lock = None

    def try_lock(self) -> bool:
        """Take the lock that one process of this host has at a time; False when it is taken."""
        if self._lock is None:
            raise StorageError(
                f"{self.path} is not open.", code="FAILED_PRECONDITION", transient=False
            )
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Give the lock back at the end; it has to be held."""
        try:
            yield
        finally:
            if self._lock is not None:
                fcntl.flock(self._lock, fcntl.LOCK_UN)

    def replaced(self) -> bool:
        """Whether another process put a new file in the place of the one read so far."""
        if self._file is None:
            return True
        try:
            found = os.stat(self.path)
        except FileNotFoundError as error:
            raise StorageDamaged(
                f"{self.path} has gone while the service ran.",
                hint="Restore it, or restart the service to begin with an empty one.",
            ) from error
        own = os.fstat(self._file)
        return (found.st_ino, found.st_dev) != (own.st_ino, own.st_dev)

    def reopen(self) -> None:
        """Begin to read at the first line; an absent file is created."""
        if self._file is not None:
            os.close(self._file)
        flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
        self._file = os.open(self.path, flags, 0o600)
        self._read_to = self._line = self.records = 0
        if os.fstat(self._file).st_size == 0:
            self.append([{"format": FORMAT}])
            self._sync_folder()
            self._read_to = self._line = self.records = 0

    def unread(self) -> Iterator[Record]:
        """The records since the last call; an incomplete last one is cut off and counted."""
        file = self._descriptor()
        size = os.fstat(file).st_size
        if size < self._read_to:
            raise StorageDamaged(f"{self.path} became shorter while the service ran.")
        data = _read_all(file, self._read_to, size)
        end = data.rfind(b"\n") + 1
        for line in data[:end].splitlines():
            self._line += 1
            record = self._record(line)
            if self._line == 1:
                self._check_format(record)
            else:
                yield record
            self.records += 1
        self._read_to += end
        if end < len(data):
            if self._line == 0:
                raise self._damaged("the first line is incomplete: no file of this service", 1)
            os.ftruncate(file, self._read_to)
            self.dropped += 1

    def append(self, records: Sequence[Record]) -> None:
        """Write the records and have them on the disk before this returns. Raises OSError."""
        file = self._descriptor()
        data = b"".join(_line(record) for record in records)
        try:
            written = os.write(file, data)
            if written != len(data):
                raise OSError(f"only {written} of {len(data)} bytes could be written")
            os.fdatasync(file)
        except OSError:
            # What was not acknowledged must not be found later.
            os.ftruncate(file, self._read_to)
            raise
        self._read_to += len(data)
        self._line += len(records)
        self.records += len(records)

    def replace(self, records: Sequence[Record]) -> None:
        """Put a file of only these records in the place of the old one, atomically."""
        fresh = self.path.with_name(self.path.name + ".new")
        descriptor = os.open(fresh, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            data = b"".join(_line(record) for record in [{"format": FORMAT}, *records])
            view = memoryview(data)
            while view:
                view = view[os.write(descriptor, view) :]
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        os.replace(fresh, self.path)
        self._sync_folder()
        if self._file is not None:
            os.close(self._file)
        self._file = os.open(self.path, os.O_RDWR | os.O_APPEND | os.O_CLOEXEC)
        self._read_to = len(data)
        self._line = self.records = len(records) + 1

    def _descriptor(self) -> int:
        if self._file is None:
            raise StorageError(
                f"{self.path} is not open.", code="FAILED_PRECONDITION", transient=False
            )
        return self._file

    def _record(self, line: bytes) -> Record:
        digits, _, text = line.partition(b" ")
        if digits != b"%08x" % zlib.crc32(text):
            raise self._damaged("its check digits do not fit its text", self._line)
        try:
            record: Record = json.loads(text)
        except ValueError as error:
            raise self._damaged(str(error), self._line) from error
        return record

    def _check_format(self, record: Record) -> None:
        if record.get("format") != FORMAT:
            raise self._damaged(f"format '{record.get('format')}', expected '{FORMAT}'", 1)

    def damaged(self, what: str) -> StorageDamaged:
        """The error for the line read last."""
        return self._damaged(what, self._line)

    def _damaged(self, what: str, line: int) -> StorageDamaged:
        return StorageDamaged(
            f"{self.path}, line {line}: {what}. Nothing was overwritten.",
            hint="Restore the file from an export, or move it away to begin without jobs.",
        )

    def _sync_folder(self) -> None:
        folder = os.open(self.path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def _line(record: Record) -> bytes:
    text = json.dumps(record, separators=(",", ":"), ensure_ascii=False).encode()
    return b"%08x %b\n" % (zlib.crc32(text), text)


def _read_all(file: int, begin: int, end: int) -> bytes:
    parts = []
    while begin < end:
        part = os.pread(file, end - begin, begin)
        if not part:
            break
        parts.append(part)
        begin += len(part)
    return b"".join(parts)

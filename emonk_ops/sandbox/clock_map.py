"""The shared page that carries the world's time: one writer, many cheap readers."""

from __future__ import annotations

import mmap
import os
import struct
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

_LAYOUT = struct.Struct("<QqqQQ")  # sequence, base ns, anchor ns, running, sequence again
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def to_nanoseconds(moment: datetime) -> int:
    """Nanoseconds since 1970 of an aware datetime, exact to the microsecond."""
    since = moment - _EPOCH
    return ((since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds) * 1_000


def from_nanoseconds(nanoseconds: int) -> datetime:
    """The aware UTC datetime, cut (never rounded up) to the microsecond."""
    return _EPOCH + timedelta(microseconds=nanoseconds // 1_000)


class ClockPage:
    """Virtual time as `base + (monotonic - anchor if running)`; read under a sequence lock.

    CLOCK_MONOTONIC is the same in all processes of a machine, so a reader needs no call to know
    the time of a running clock.
    """

    def __init__(self, path: Path, *, writer: bool) -> None:
        flags = os.O_RDWR | os.O_CREAT if writer else os.O_RDONLY
        handle = os.open(path, flags, 0o600)
        try:
            if writer and os.fstat(handle).st_size < _LAYOUT.size:
                os.ftruncate(handle, _LAYOUT.size)
            access = mmap.ACCESS_WRITE if writer else mmap.ACCESS_READ
            self._page = mmap.mmap(handle, _LAYOUT.size, access=access)
        finally:
            os.close(handle)
        self._sequence = 0

    def base(self) -> int:
        """The last written base in nanoseconds; 0 on a fresh page. Ignores whether time runs."""
        base: int = _LAYOUT.unpack_from(self._page)[1]
        return base

    def now_nanoseconds(self) -> int:
        while True:
            before, base, anchor, running, after = _LAYOUT.unpack_from(self._page)
            if before == after:
                return int(base + (time.monotonic_ns() - anchor if running else 0))

    def write(self, base: int, *, running: bool) -> None:
        """Publish a new base; readers that meet the write in the middle read again."""
        self._sequence += 1
        struct.pack_into("<Q", self._page, 0, self._sequence)
        struct.pack_into("<qqQ", self._page, 8, base, time.monotonic_ns(), int(running))
        struct.pack_into("<Q", self._page, 32, self._sequence)

    def close(self) -> None:
        self._page.close()

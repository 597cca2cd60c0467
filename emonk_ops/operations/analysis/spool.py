"""The records of one pass, kept in a file without a name, so that they can be read again."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator
from datetime import datetime
from types import TracebackType
from typing import Self

from emonk_ops.operations.analysis.ordering import read_blocks, write_blocks
from emonk_ops.operations.analysis.records import Record
from emonk_ops.operations.analysis.stream import Pass, noted, records
from emonk_ops.ports import LogEntry


class Spool:
    """Reads all entries when it is made. Memory does not grow with them; the file does.

    Raises OSError where no temporary file can be written.
    """

    def __init__(self, entries: Iterable[LogEntry]) -> None:
        self.seen = Pass()
        self._fill(records(entries, self.seen))

    @classmethod
    def of(cls, ordered: Iterable[Record]) -> Self:
        """Of records that a pass gave already; coverage is noted anew, what it dropped is not."""
        spool = cls(())
        spool._file.close()
        spool._fill(noted(ordered, spool.seen))
        return spool

    def _fill(self, found: Iterable[Record]) -> None:
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 (closed by __exit__)
        try:
            write_blocks(self._file, found)
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        self._file.close()

    def __iter__(self) -> Iterator[Record]:
        return read_blocks(self._file)

    @property
    def span(self) -> tuple[datetime, datetime] | None:
        """The instants of the first and the last record; None without any."""
        first, last = self.seen.first, self.seen.last
        return None if first is None or last is None else (first, last)

"""A spool that takes in more entries as they come: each is read once, and all can be read again."""

from __future__ import annotations

import pickle
from collections.abc import Iterable, Iterator

from emonk_ops.operations.analysis.ordering import (
    Disorder,
    append_blocks,
    read_blocks,
    straightened,
)
from emonk_ops.operations.analysis.records import Record
from emonk_ops.operations.analysis.spool import Spool
from emonk_ops.operations.analysis.stream import records
from emonk_ops.ports import LogEntry


class GrowingSpool(Spool):
    """As a spool; entries that come late are put in their place when the records are read."""

    def __init__(self) -> None:
        super().__init__(())
        self._end = 0

    def add(self, entries: Iterable[LogEntry]) -> list[Record]:
        """Take in entries that were not there before; their records, in order."""
        seen, newest = self.seen, self.seen.last
        batch = list(records(entries, seen))
        if newest is not None and seen.last is not None:
            seen.last = max(seen.last, newest)
        self._file.seek(self._end)
        self._end = append_blocks(self._file, batch)
        pickle.dump([], self._file)  # the next batch is written over this end
        return batch

    def __iter__(self) -> Iterator[Record]:
        self.seen.disorder = Disorder()
        return straightened(read_blocks(self._file), self.seen.disorder)

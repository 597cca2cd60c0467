"""Records in the order of their instants, in constant memory, however the entries come.

Entries of the Logs port come in order save for a few; a heap puts these right. `gcloud logging
read` writes the newest first unless told otherwise: then sorted pieces go to a file and are merged.
"""

from __future__ import annotations

import heapq
import pickle
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, islice
from operator import itemgetter
from typing import IO

from emonk_ops.operations.analysis.records import Record

LOOKAHEAD = 5_000
PIECE = 20_000
BLOCK = 500
_instant = itemgetter(0)


@dataclass
class Disorder:
    """`late` counts records that came too late to be put in their place."""

    late: int = 0


def in_order(records: Iterable[Record], disorder: Disorder) -> Iterator[Record]:
    """The same records by instant; those that are out of reach of the heap are counted."""
    source = iter(records)
    first = list(islice(source, PIECE))
    everything = chain(first, source)
    if len(first) > 1 and first[0][0] > first[-1][0]:
        return _merged(everything)
    return straightened(everything, disorder)


def straightened(records: Iterable[Record], disorder: Disorder) -> Iterator[Record]:
    """Records that are nearly in order, put in order."""
    source = iter(records)
    held = sorted(islice(source, LOOKAHEAD), key=_instant)
    given = None
    while held:
        # Two halves in turn: a sort of what is nearly sorted costs less than a heap.
        more = list(islice(source, LOOKAHEAD))
        held = sorted(chain(held, more), key=_instant) if more else held
        ready = len(held) - LOOKAHEAD if more else len(held)
        ready = max(ready, 1)
        for record in held[:ready]:
            if given is not None and record[0] < given:
                disorder.late += 1
            else:
                given = record[0]
            yield record
        held = held[ready:]


def _merged(records: Iterable[Record]) -> Iterator[Record]:
    source = iter(records)
    with tempfile.TemporaryFile() as file:
        places: list[int] = []
        while piece := sorted(islice(source, PIECE), key=_instant):
            places.append(file.tell())
            write_blocks(file, piece)
        parts = [_blocks_at(file, place) for place in places]
        yield from heapq.merge(*parts, key=_instant)


def write_blocks(file: IO[bytes], records: Iterable[Record]) -> None:
    """Write the records in blocks, and an empty block behind them."""
    append_blocks(file, records)
    pickle.dump([], file)


def append_blocks(file: IO[bytes], records: Iterable[Record]) -> int:
    """Write the records at the file's place; the place behind them, where an end may be put."""
    source = iter(records)
    while block := list(islice(source, BLOCK)):
        pickle.dump(block, file, protocol=pickle.HIGHEST_PROTOCOL)
    return file.tell()


def _blocks_at(file: IO[bytes], place: int) -> Iterator[Record]:
    """The records written from `place` on; others may read the file in between."""
    while True:
        file.seek(place)
        block = pickle.load(file)  # our own file, without a name
        place = file.tell()
        if not block:
            return
        yield from block


def read_blocks(file: IO[bytes]) -> Iterator[Record]:
    """What `write_blocks` wrote from the file's beginning on."""
    return _blocks_at(file, 0)

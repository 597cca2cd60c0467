"""The journal in a database that several machines share, mirrored here, spooled while it is down.

A record is a document that must not be there yet, named by its number: two writers can never both
write the record N. Its time is the database's, read right before the commit.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import nullcontext, suppress
from datetime import datetime
from pathlib import Path
from typing import Any

from emonk_ops.clock import Clock
from emonk_ops.errors import Conflict, Locked, Refused, StateDamaged, Unreachable
from emonk_ops.rollout.journal import Journal, JournalListener, Shield
from emonk_ops.rollout.places import PlaceState
from emonk_ops.rollout.reach import Reach
from emonk_ops.rollout.records import BEGINNING, Record, from_line, sealed, to_line
from emonk_ops.rollout.redaction import redacted
from emonk_ops.rollout.spool import MARK, Spool
from emonk_ops.state_ports import Document, Fields

COLLECTION = "journal"
FILE = "journal.jsonl"
MIRROR = "mirror.jsonl"
SPOOL = "spool.jsonl"
TRIES = 20
LONG_BYTES = 200_000  # a longer line is kept packed
MOST_BYTES = 900_000  # Firestore takes documents of 1 MiB
# What goes forward, or lets something go forward, is never only on one machine.
FORWARD = frozenset({"captured", "step.started", "hold.lifted"})


class MirroredJournal:
    """See `emonk_ops.rollout.places.JournalPlace`. `clock` is for records that must wait.

    A journal that was only in a file until now goes up as it is, before anything else.
    `then` is called once, when the database was reached; what becomes of it is no matter here.
    """

    def __init__(
        self,
        documents: Reach,
        folder: Path,
        *,
        clock: Clock,
        shield: Shield = nullcontext,
        listener: JournalListener | None = None,
        then: Callable[[], None] = lambda: None,
    ) -> None:
        self._then: Callable[[], None] | None = then
        self._documents = documents
        self._mirror = Journal(folder / MIRROR, clock=clock)
        self._file: Journal | None = Journal(folder / FILE, clock=clock)
        self._spool = Spool(folder / SPOOL, clock, listener)
        self._shield = shield
        self._listener = listener
        self._shared: list[Record] | None = None  # what this process has read of the database

    def records(self) -> tuple[Record, ...]:
        with self._shield():
            try:
                self._settle()
            except Unreachable:
                return tuple(self._seen_from_here())
        then, self._then = self._then, None
        if then is not None:
            with suppress(Unreachable):
                then()
        return tuple(self._shared or ())

    def append(
        self, *, run: str, kind: str, who: Mapping[str, Any], body: Mapping[str, Any]
    ) -> Record:
        fields = {"run": run, "kind": kind, "who": redacted(who), "body": redacted(body)}
        tried: list[str] = [""]
        with self._shield():
            try:
                return self._write(fields, tried, self._settle())
            except Unreachable:
                if kind in FORWARD:
                    raise
                self._spool.add(**fields, tried=tried[-1])
                return list(self._seen_from_here())[-1]

    def require_reachable(self) -> None:
        with self._shield():
            self._settle()

    def state(self) -> PlaceState:
        try:
            self.require_reachable()
        except Unreachable as error:
            since, why = self._documents.since()
            waiting = len(self._spool.waiting())
            return PlaceState(self._documents.where, False, since, why or error.message, waiting)
        return PlaceState(f"{self._documents.where}, mirrored in {self._mirror.path}")

    def _settle(self) -> datetime:
        """See what is there and send what waits, in order; the database's time then.

        Raises Unreachable.
        """
        at = self._catch_up()
        self._adopt()
        waiting = self._spool.waiting()
        for one in waiting:
            for _ in range(TRIES):
                if one.is_among(self._ids()) or self._sent(one.after(self._seq, self._head)):
                    break
                self._catch_up()
            else:
                raise self._busy()
        if waiting:
            self._spool.forget(self._ids())
            at = self._catch_up()
        return at

    def _adopt(self) -> None:
        if self._file is None:
            return
        mine, shared = self._file.records(), self._shared or ()
        common = min(len(mine), len(shared))
        if common and mine[common - 1].hash != shared[common - 1].hash:
            raise Refused(
                f"{self._file.path} and {self._documents.where} tell different histories of this "
                "environment",
                hint=f"To go by the shared one: mv {self._file.path}{{,.old}}",
            )
        for record in mine[len(shared) :]:
            if not self._sent(record):
                raise self._busy()
        self._file = None

    def _write(self, fields: dict[str, Any], tried: list[str], at: datetime) -> Record:
        for _ in range(TRIES):
            record = sealed(seq=self._seq + 1, prev=self._head, at=at, **fields)
            tried.append(record.hash)
            if self._sent(record):
                return record
            at = self._catch_up()
        raise self._busy()

    def _sent(self, record: Record) -> bool:
        """False where another has this number."""
        fields = _fields(record)
        self._tell("before", record.seq)
        try:
            self._documents.create(_path(record.seq), fields)
        except Conflict:
            found, _ = self._documents.read(_path(record.seq))
            if found is None or found.fields.get("hash") != record.hash:
                return False
        self._tell("after", record.seq)
        self._take([record])
        return True

    def _catch_up(self) -> datetime:
        """Read what others wrote since; the database's time then."""
        if self._shared is None:
            self._shared = list(self._mirrored())
        known = self._shared
        first = known[-1].seq if known else 1
        found, at = self._documents.read_from(COLLECTION, _id(first))
        records = [self._record(document) for document in found]
        if known:
            if not records or records[0].hash != known[-1].hash:
                raise self._damaged(first, f"it is not the one that {self._mirror.path} has")
            records = records[1:]
        seq, head = self._seq, self._head
        for record in records:
            if (record.seq, record.prev) != (seq + 1, head):
                raise self._damaged(seq + 1, "it does not follow from the record before it")
            seq, head = record.seq, record.hash
        self._take(records)
        return at

    def _take(self, records: list[Record]) -> None:
        if not records:
            return
        assert self._shared is not None
        self._shared += records
        # The mirror catches up at the next look, when there is room again.
        with suppress(OSError, Locked, StateDamaged):
            self._mirror.keep(self._shared)

    def _mirrored(self) -> tuple[Record, ...]:
        """What the mirror has. A damaged one is put aside: the database has it all."""
        try:
            return self._mirror.records()
        except StateDamaged:
            self._documents.read(_path(1))  # not before the database can be asked
            self._mirror.path.replace(self._mirror.path.with_suffix(".damaged"))
            return ()

    def _seen_from_here(self) -> Iterator[Record]:
        """The mirror, and what waits, chained on as it would be now."""
        shared: Sequence[Record] = self._shared or self._mirror.records()
        if not shared and self._file is not None:
            shared = self._file.records()
        yield from shared
        seq, head = (shared[-1].seq, shared[-1].hash) if shared else (0, BEGINNING)
        known = _ids(shared)
        for one in self._spool.waiting():
            if not one.is_among(known):
                record = one.after(seq, head)
                seq, head = record.seq, record.hash
                yield record

    def _record(self, document: Document) -> Record:
        try:
            record = from_line(_line(document))
        except (KeyError, ValueError, zlib.error) as error:
            raise self._damaged(int(document.id), str(error)) from error
        if _id(record.seq) != document.id:
            raise self._damaged(int(document.id), f"it says that it is record {record.seq}")
        return record

    @property
    def _seq(self) -> int:
        return self._shared[-1].seq if self._shared else 0

    @property
    def _head(self) -> str:
        return self._shared[-1].hash if self._shared else BEGINNING

    def _ids(self) -> set[str]:
        return _ids(self._shared or ())

    def _damaged(self, seq: int, what: str) -> StateDamaged:
        return StateDamaged(
            f"{self._documents.where}: record {seq}: the journal is damaged: {what}",
            hint="Nothing was overwritten. Bring the database back from a backup; if it is a new "
            f"one and is to begin without history, move the mirror away: mv {self._mirror.path}"
            "{,.old}",
        )

    def _busy(self) -> Locked:
        return Locked(
            f"others keep writing to the journal in {self._documents.where}",
            hint="Run the same command again",
        )

    def _tell(self, phase: str, seq: int) -> None:
        if self._listener is not None:
            self._listener(phase, seq)


def _fields(record: Record) -> Fields:
    return {
        "seq": record.seq,
        "at": record.at,
        "run": record.run,
        "kind": record.kind,
        "actor": str(record.who.get("actor", "")),
        "hash": record.hash,
        **_content(record),
    }


def _content(record: Record) -> Fields:
    line = to_line(record).rstrip(b"\n")
    if len(line) <= LONG_BYTES:
        return {"line": line.decode()}
    packed = zlib.compress(line)
    if len(packed) > MOST_BYTES:
        raise Refused(
            f"the record {record.kind} of {len(line)} bytes is too long for Firestore",
            hint="What is that long belongs into the evidence",
        )
    return {"packed": packed}


def _line(document: Document) -> bytes:
    packed = document.fields.get("packed")
    if isinstance(packed, bytes):
        return zlib.decompress(packed)
    return str(document.fields["line"]).encode()


def _id(seq: int) -> str:
    return f"{seq:012d}"


def _path(seq: int) -> str:
    return f"{COLLECTION}/{_id(seq)}"


def _ids(records: Iterable[Record]) -> set[str]:
    """By what a record that waited is known again: its own mark, or the hash it was tried with."""
    known: set[str] = set()
    for record in records:
        known |= {record.hash, str(record.body.get(MARK, ""))}
    return known - {""}

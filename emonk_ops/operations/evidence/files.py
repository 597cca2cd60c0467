"""The file of evidence: gzip'd lines of JSON.

First a head (format, kind, what it was judged by). Then, for each stretch of log that was read by
itself, its own head, its records, and an end that counts them and tells of the pass. Last a line
that counts the stretches, so that a file that was cut off is known for one.
"""

from __future__ import annotations

import gzip
import io
import json
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from emonk_ops.errors import StateDamaged
from emonk_ops.operations.analysis.records import Record
from emonk_ops.operations.analysis.spool import Spool
from emonk_ops.operations.analysis.stream import Pass
from emonk_ops.operations.evidence.codec import SCHEMA, Decoder, plain

FORMAT = "emonk-evidence/1"
HINT = "Bring the file back from a copy: what was judged by it cannot be judged again without"


class Writer:
    """Collects the file in memory, compressed: about 10 bytes a record."""

    def __init__(self, kind: str, about: Mapping[str, Any]) -> None:
        self._bytes = io.BytesIO()
        # Without the time of writing, the same evidence is the same file.
        self._file = gzip.GzipFile(fileobj=self._bytes, mode="wb", mtime=0)
        self._parts = 0
        self.records = 0
        self._line({"format": FORMAT, "kind": kind, "schema": SCHEMA, "about": dict(about)})

    def add(self, spool: Spool, head: Mapping[str, Any]) -> None:
        """One stretch of log; `head` is what it has to be judged by."""
        self._line({"part": dict(head)})
        count = 0
        for count, record in enumerate(spool, 1):  # noqa: B007 (counts)
            self._line(plain(record))
        self._line({"records": count, "pass": _told(spool.seen)})
        self.records += count
        self._parts += 1

    def blob(self) -> bytes:
        """The whole file; nothing can be added any more."""
        self._line({"parts": self._parts})
        self._file.close()
        return self._bytes.getvalue()

    def _line(self, value: Any) -> None:
        text = json.dumps(value, separators=(",", ":"), ensure_ascii=False)
        self._file.write(text.encode() + b"\n")


@dataclass(frozen=True)
class Part:
    """One stretch of log, spooled anew; its head is what the writer was given."""

    head: Mapping[str, Any]
    spool: Spool


class Evidence:
    """A file of evidence, read. `parts` gives one stretch of log at a time."""

    def __init__(self, name: str, blob: bytes) -> None:
        self.name = name
        self._blob = blob
        with self._complaining():
            self._head = json.loads(next(self._lines()))
            if self._head.get("format") != FORMAT:
                raise ValueError(f"format {self._head.get('format')!r}, expected {FORMAT}")
            self.kind = str(self._head["kind"])
            self.about: Mapping[str, Any] = self._head["about"]

    def parts(self) -> Iterator[Part]:
        """Each is closed when the next is asked for. Raises StateDamaged for damage."""
        with self._complaining():
            decode = Decoder(self._head["schema"])
            lines = self._lines()
            next(lines)
            for count, line in enumerate(lines):
                found = json.loads(line)
                if "parts" in found:
                    if found["parts"] != count:
                        raise ValueError(f"{count} stretches instead of {found['parts']}")
                    return
                end: dict[str, Any] = {}
                with Spool.of(_records(lines, decode, end)) as spool:
                    _restore(spool.seen, end["pass"])
                    yield Part(found["part"], spool)
            raise ValueError("it is cut off")

    def _lines(self) -> Iterator[bytes]:
        with gzip.GzipFile(fileobj=io.BytesIO(self._blob)) as file:
            yield from file

    @contextmanager
    def _complaining(self) -> Iterator[None]:
        try:
            yield
        except (ValueError, KeyError, TypeError, AttributeError, StopIteration) as error:
            told = f"no {error}" if isinstance(error, KeyError) else str(error) or "it is empty"
            raise self._damaged(told) from error
        except (EOFError, OSError, zlib.error) as error:
            raise self._damaged(str(error)) from error

    def _damaged(self, told: str) -> StateDamaged:
        return StateDamaged(f"the evidence {self.name} is damaged: {told}", hint=HINT)


def _records(lines: Iterator[bytes], decode: Decoder, end: dict[str, Any]) -> Iterator[Record]:
    """Until the end of the stretch, which is put into `end`."""
    for count, line in enumerate(lines):
        found = json.loads(line)
        if isinstance(found, dict):
            if found["records"] != count:
                raise ValueError(f"{count} records instead of {found['records']}")
            end.update(found)
            return
        yield decode(found)
    raise ValueError("it is cut off")


def _told(seen: Pass) -> dict[str, Any]:
    """What the records alone do not tell again."""
    return {
        "entries": seen.entries,
        "unreadable": seen.unreadable,
        "first_unreadable": seen.first_unreadable,
        "repeated": seen.repeated,
        "late": seen.disorder.late,
    }


def _restore(seen: Pass, told: Mapping[str, Any]) -> None:
    seen.entries, seen.unreadable = int(told["entries"]), int(told["unreadable"])
    seen.first_unreadable = str(told["first_unreadable"])
    seen.repeated, seen.disorder.late = int(told["repeated"]), int(told["late"])

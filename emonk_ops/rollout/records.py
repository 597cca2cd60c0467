"""One record of the journal, and the chain that binds it to the one before."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

FORMAT = 1
BEGINNING = "0" * 64


@dataclass(frozen=True)
class Record:
    """What happened, when, in which run, by whom. `hash` covers all of it and `prev`."""

    seq: int
    prev: str
    run: str
    at: datetime
    kind: str  # run.started, captured, check, attested, step.started, … rollback.ended, hold.lifted
    who: Mapping[str, Any]
    body: Mapping[str, Any]
    hash: str


def sealed(
    *,
    seq: int,
    prev: str,
    run: str,
    at: datetime,
    kind: str,
    who: Mapping[str, Any],
    body: Mapping[str, Any],
) -> Record:
    """A record with its hash. `who` and `body` are plain JSON data."""
    draft = Record(seq, prev, run, at, kind, who, body, "")
    return Record(seq, prev, run, at, kind, who, body, _hash(draft))


def to_line(record: Record) -> bytes:
    return _canonical({**_content(record), "hash": record.hash}) + b"\n"


def from_line(line: bytes) -> Record:
    """Raises ValueError saying what is wrong with the line taken alone."""
    document = json.loads(line)
    if not isinstance(document, dict):
        raise ValueError("not a JSON object")
    if document.get("v") != FORMAT:
        raise ValueError(f"format {document.get('v')!r}, expected {FORMAT}")
    try:
        record = Record(
            seq=int(document["seq"]),
            prev=str(document["prev"]),
            run=str(document["run"]),
            at=datetime.fromisoformat(document["at"]),
            kind=str(document["kind"]),
            who=document["who"],
            body=document["body"],
            hash=str(document["hash"]),
        )
    except KeyError as missing:
        raise ValueError(f"the key {missing} is missing") from missing
    if _hash(record) != record.hash:
        raise ValueError("its hash does not fit its content")
    return record


def _content(record: Record) -> dict[str, Any]:
    return {
        "v": FORMAT,
        "seq": record.seq,
        "prev": record.prev,
        "run": record.run,
        "at": record.at.isoformat(),
        "kind": record.kind,
        "who": record.who,
        "body": record.body,
    }


def _hash(record: Record) -> str:
    return hashlib.sha256(_canonical(_content(record))).hexdigest()


def _canonical(document: Mapping[str, Any]) -> bytes:
    text = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return text.encode()

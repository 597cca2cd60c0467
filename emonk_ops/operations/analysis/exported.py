"""Entries from a file that `gcloud logging read --format=json` wrote, or one object a line."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TextIO

from emonk_ops.errors import UsageError
from emonk_ops.ports import LogEntry

PIECE = 1 << 20
HINT = "Write one with: gcloud logging read FILTER --format=json --order=asc > LOGS"


def entries_of(path: Path) -> Iterator[LogEntry]:
    """The entries, in the file's order. Raises UsageError naming the file and what is wrong."""
    try:
        with path.open(encoding="utf-8") as file:
            begin = file.read(1)
            while begin.isspace():
                begin = file.read(1)
            objects = _array(file, path) if begin == "[" else _lines(file, path, begin)
            for number, found in enumerate(objects, 1):
                yield _entry(found, path, number)
    except OSError as error:
        raise UsageError(
            f"{path} cannot be read: {error.strerror or error}", hint="--from-file another file"
        ) from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{path} is no UTF-8 text: {error.reason}", hint=HINT) from error


def _lines(file: TextIO, path: Path, begin: str) -> Iterator[Any]:
    for number, line in enumerate(file, 1):
        text = begin + line if number == 1 else line
        if not text.strip():
            continue
        try:
            yield json.loads(text)
        except json.JSONDecodeError as error:
            raise UsageError(f"{path}, line {number}: no JSON ({error.msg})", hint=HINT) from error


def _array(file: TextIO, path: Path) -> Iterator[Any]:
    """The objects of an array behind its bracket, with no more than a piece of it in memory."""
    decode = json.JSONDecoder().raw_decode
    text, at, more = "", 0, True
    number = 0
    while True:
        while at < len(text) and text[at] in " \t\r\n,":
            at += 1
        if at < len(text) and text[at] == "]":
            return
        try:
            found, at = decode(text, at)
        except json.JSONDecodeError as error:
            if not more:
                raise UsageError(
                    f"{path}, behind entry {number}: the array is cut off or no JSON ({error.msg})",
                    hint=HINT,
                ) from error
            piece = file.read(PIECE)
            more = bool(piece)
            text, at = text[at:] + piece, 0
            continue
        number += 1
        yield found


def _entry(found: Any, path: Path, number: int) -> LogEntry:
    try:
        resource = found.get("resource", {})
        payload = found.get("jsonPayload")
        if payload is None:
            payload = {"message": found["textPayload"]} if "textPayload" in found else {}
        return LogEntry(
            timestamp=_moment(found["timestamp"]),
            insert_id=found.get("insertId", ""),
            log=found.get("logName", "").rpartition("/")[2].replace("%2F", "/"),
            severity=found.get("severity", "DEFAULT"),
            message=str(payload.get("message", "")),
            payload=payload,
            http=_http(found["httpRequest"]) if "httpRequest" in found else {},
            labels=found.get("labels", {}),
            resource={"type": resource.get("type", ""), **resource.get("labels", {})},
        )
    except (KeyError, ValueError, TypeError, AttributeError) as error:
        raise UsageError(
            f"{path}, entry {number}: no entry of Cloud Logging ({error!r})", hint=HINT
        ) from error


def _http(request: Mapping[str, Any]) -> Mapping[str, Any]:
    latency = str(request.get("latency", "0s")).removesuffix("s")
    return {**request, "latency_seconds": float(latency)}


def _moment(text: str) -> datetime:
    found = datetime.fromisoformat(text)
    if found.tzinfo is None:
        raise ValueError(f"the timestamp {text} has no time zone")
    return found.astimezone(UTC)

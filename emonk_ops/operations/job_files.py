"""Jobs in a file: an export with count and checksum, one job a line, and its way back in."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from emonk_ops.clock import Clock
from emonk_ops.errors import Refused, StepFailed, StillLeased, UsageError
from emonk_ops.operations.waiting import ask_until
from emonk_ops.ports import TickService
from emonk_ops.tick.jobs import InvalidJob, Job, canonical, checksum

FORMAT = "emonk-jobs/1"
FIRST_JOB_LINE = 2
MOST_IMPORTED = 5000  # Cloud Run takes requests of 32 MiB


def export(
    service: TickService, path: Path, clock: Clock, *, wait_seconds: float, held: bool
) -> dict[str, Any]:
    """Write all jobs. Raises StillLeased for live leases that did not end, unless `held`.

    A held job keeps its lease in the file: wherever it is imported, nobody may run it before.
    """
    seconds = 0.0 if held else wait_seconds
    document = ask_until(
        clock, service.export_jobs, lambda found: not found.get("held"), seconds=seconds
    )
    leased = list(document.get("held", []))
    if leased and not held:
        raise StillLeased(
            f"{len(leased)} jobs have a live lease: {', '.join(leased[:5])}",
            hint="--wait SECONDS waits for them, --held writes them with their leases",
        )
    jobs = document["jobs"]
    found = checksum(jobs)
    if (found, len(jobs)) != (document["checksum"], document["count"]):
        raise StepFailed(
            f"{document['count']} jobs ({document['checksum']}) were sent, {len(jobs)} ({found}) "
            "arrived",
            hint="Run the same command again",
        )
    write_document(path, document)
    return {"file": str(path), "count": len(jobs), "checksum": found, "held": leased}


def write_document(path: Path, document: Mapping[str, Any]) -> None:
    """Beside and renamed, for the owner only. Raises UsageError where it cannot be written."""
    beside = path.with_name(path.name + ".new")
    try:
        handle = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.writelines(_lines(document))
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as error:
        raise UsageError(
            f"{path} cannot be written: {error.strerror or error}", hint="--to another file"
        ) from error


def _lines(document: Mapping[str, Any]) -> Iterator[str]:
    head = json.dumps({name: document[name] for name in ("format", "checksum", "count", "held")})
    yield head[:-1] + ', "jobs": [\n'
    jobs = document["jobs"]
    for number, job in enumerate(jobs, 1):
        yield canonical(job) + (",\n" if number < len(jobs) else "\n")
    yield "]}\n"


def read_document(path: Path) -> dict[str, Any]:
    """The export in the file, checked whole. Raises Refused naming the line and what is wrong."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(
            f"{path} cannot be read: {error.strerror or error}", hint="--from another file"
        ) from error
    except UnicodeDecodeError as error:
        raise _damaged(path, 0, f"byte {error.start} is no UTF-8") from error
    except json.JSONDecodeError as error:
        raise _damaged(path, error.lineno, f"{error.msg} (column {error.colno})") from error
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise _damaged(path, 1, f"it is no export: its format is not '{FORMAT}'")
    jobs = document.get("jobs")
    if not isinstance(jobs, list):
        raise _damaged(path, 1, "field jobs is no list")
    if document.get("count") != len(jobs):
        raise _damaged(path, 1, f"field count is {document.get('count')}, there are {len(jobs)}")
    for line, job in enumerate(jobs, FIRST_JOB_LINE):
        if wrong := _wrong(job):
            raise _damaged(path, line, wrong)
    if document.get("checksum") != (found := checksum(jobs)):
        told = f"field checksum is {document.get('checksum')}, the jobs give {found}"
        raise _damaged(path, 1, told)
    return document


def take_in(service: TickService, document: Mapping[str, Any]) -> dict[str, Any]:
    """Import; again is safe. `all_as_in_file` says whether the service holds just these now."""
    jobs: Sequence[Mapping[str, Any]] = document["jobs"]
    totals = {"imported": 0, "unchanged": 0, "kept_newer": 0}
    answer: Mapping[str, Any] = {}
    for begin in range(0, max(len(jobs), 1), MOST_IMPORTED):
        part = jobs[begin : begin + MOST_IMPORTED]
        answer = service.import_jobs(
            {"format": FORMAT, "checksum": checksum(part), "count": len(part), "jobs": part}
        )
        for name in totals:
            totals[name] += int(answer[name])
    return {
        **totals,
        "in_file": len(jobs),
        "count_after": answer["count"],
        "checksum_after": answer["checksum"],
        "all_as_in_file": answer["checksum"] == document["checksum"],
    }


def _wrong(data: object) -> str:
    """What keeps this from being a job, with the name of the field; "" for a sound one."""
    if not isinstance(data, dict):
        return "a job is no JSON object"
    try:
        read = Job.from_dict(data).to_dict()
    except InvalidJob as error:
        return _field_of(data) or error.message
    strange = [name for name, value in data.items() if name not in read or read[name] != value]
    if not strange:
        return ""
    name = strange[0]
    told = f"is {json.dumps(data[name], ensure_ascii=False)}" if name in read else "is unknown"
    return f"job {data.get('id')}: field {name} {told}"


def _field_of(data: Mapping[str, Any]) -> str:
    """The one field without which the rest would make a job."""
    for name, sound in SOUND.items():
        if name in data and _reads({**data, name: sound}):
            told = json.dumps(data[name], ensure_ascii=False)
            return f"job {data.get('id')}: field {name} is {told}"
    return ""


def _reads(data: Mapping[str, Any]) -> bool:
    try:
        Job.from_dict(data)
    except InvalidJob:
        return False
    return True


SOUND: Mapping[str, Any] = {
    "schedule": {"every": 60.0},
    "payload": {},
    "state": "scheduled",
    **dict.fromkeys(("slot", "due_at", "created_at", "lease_until"), "2026-01-01T00:00:00Z"),
    **dict.fromkeys(("fence", "attempt", "max_attempts", "backoff_seconds", "grace_seconds"), 1),
    "timeout_seconds": None,
    "effects": {},
    "counts": {},
    "recent": [],
}


def _damaged(path: Path, line: int, what: str) -> Refused:
    where = f"{path}, line {line}" if line else str(path)
    return Refused(f"{where}: {what}; nothing was imported", hint="Export the jobs again")

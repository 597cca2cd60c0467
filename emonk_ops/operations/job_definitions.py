"""The jobs as they are defined: by the service, or by a file where the service cannot be asked."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from emonk_ops.errors import NotOffered, UsageError
from emonk_ops.operations.job_audit import jobs_of
from emonk_ops.operations.job_files import FORMAT, read_document
from emonk_ops.operations.job_slots import slots_between
from emonk_ops.tick.jobs import InvalidJob, Job, JobState, Schedule, replace
from emonk_ops.toolbox import Toolbox

BEFORE_ALL = datetime(2000, 1, 1, tzinfo=UTC)
FAR = timedelta(days=366 * 5)
SHORT_KEYS = frozenset(("id", "type", "schedule", "slot"))
SHORT = '{"jobs": [{"id": "report", "schedule": {"cron": "*/5 * * * *", "tz": "UTC"}}]}'
HINT = f"As 'emonk-ops jobs export' writes it, or short: {SHORT}"


@dataclass(frozen=True)
class Definitions:
    """`recorded`: the service told them, with what it stored of their runs; else a file did."""

    jobs: tuple[Job, ...]
    recorded: bool = True
    source: str = "the service"


def known_jobs(tools: Toolbox) -> Definitions:
    """The service's word, and `job_definitions` where it has no admin API.

    Raises NotOffered naming the setting where neither is there, and UsageError for a bad file.
    """
    try:
        return Definitions(tuple(jobs_of(tools.service.list_jobs())))
    except NotOffered as error:
        name = tools.env.job_definitions
        if name is None:
            raise NotOffered(
                f"{error.message}, and no file says what its jobs are",
                hint=f'job_definitions = "jobs.json" under [env.{tools.env.name}]; {HINT}',
            ) from error
        return Definitions(read_definitions(name, tools.clock.now()), False, name.name)


def jobs_to_audit(tools: Toolbox, ids: Sequence[str]) -> tuple[Iterable[Job], bool]:
    """These jobs, or all; and whether the service tells them, which are then not held at once."""
    if tools.env.job_definitions is None:
        listed = map(tools.service.job, ids) if ids else tools.service.list_jobs()
        return jobs_of(listed), True
    known = known_jobs(tools)
    named = [job for job in known.jobs if not ids or job.id in ids]
    if missing := sorted(set(ids) - {job.id for job in named}):
        raise UsageError(
            f"{known.source} has no job {', '.join(missing)}",
            hint=f"It has: {', '.join(job.id for job in known.jobs[:20])}",
        )
    return named, known.recorded


def read_definitions(path: Path, now: datetime | None = None) -> tuple[Job, ...]:
    """An export or its short form; with `now` the slot in hand of each job is its next one.

    Raises UsageError for a file that is neither, and Refused for an export that is damaged.
    """
    document = _read(path)
    if document.get("format") == FORMAT:
        return tuple(_from_now(job, now) for job in jobs_of(iter(read_document(path)["jobs"])))
    listed = document.get("jobs")
    if not isinstance(listed, list) or set(document) != {"jobs"}:
        raise UsageError(f"{path}: no jobs are defined there", hint=HINT)
    jobs = tuple(_short(path, number, one, now) for number, one in enumerate(listed, 1))
    names = [job.id for job in jobs]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise UsageError(f"{path}: defined twice: {', '.join(twice)}", hint="One entry a job")
    return jobs


def _read(path: Path) -> dict[str, Any]:
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        told = error.strerror or error
        raise UsageError(f"{path} (job_definitions) cannot be read: {told}", hint=HINT) from error
    except ValueError as error:
        raise UsageError(f"{path} (job_definitions) is no JSON: {error}", hint=HINT) from error
    return document if isinstance(document, dict) else {}


def _short(path: Path, number: int, told: Any, now: datetime | None) -> Job:
    where = f"{path}, job {number}"
    if not isinstance(told, Mapping) or not isinstance(told.get("id"), str) or not told["id"]:
        raise UsageError(f"{where}: it has no id", hint=HINT)
    where = f"{where} ({told['id']})"
    if strange := sorted(set(told) - SHORT_KEYS):
        known = ", ".join(sorted(SHORT_KEYS))
        raise UsageError(f"{where}: unknown {', '.join(strange)}; keys: {known}", hint=HINT)
    try:
        schedule = Schedule.from_dict(told["schedule"])
        slot = _slot(told["slot"]) if "slot" in told else None
    except KeyError:
        raise UsageError(f"{where}: it has no schedule", hint=HINT) from None
    except (InvalidJob, TypeError, ValueError, AttributeError) as error:
        raise UsageError(f"{where}: {error}", hint=HINT) from error
    if schedule.every is not None and slot is None:
        raise UsageError(
            f"{where}: a period says nothing of where its slots are; slot is missing",
            hint='"slot": "2026-01-05T12:00:00Z", any one that it has',
        )
    first = slot or schedule.first(BEFORE_ALL)
    made = min(first, BEFORE_ALL)
    kind = str(told.get("type", ""))
    job = Job(told["id"], kind, schedule, {}, JobState.SCHEDULED, first, first, made)
    return _from_now(job, now)


def _slot(text: object) -> datetime:
    found = datetime.fromisoformat(str(text))
    if found.tzinfo is None:
        raise ValueError(f"slot {text} has no time zone")
    return found.astimezone(UTC)


def _from_now(job: Job, now: datetime | None) -> Job:
    """A file is older than what it tells of: the slots up to now are over."""
    if now is None:
        return job
    if not job.schedule.recurs or job.due_at is None or job.slot >= now:
        return job
    slot = next(slots_between(job, now, now + FAR), None)
    return job if slot is None else replace(job, slot=slot, due_at=slot)

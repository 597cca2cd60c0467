"""Jobs as Firestore documents and back, on raw protobuf messages.

What is queried or looked at by people is a field of its own, with its own type: `due_at`,
`schedule_at`, `lease_until`, `state` and their like. What belongs together and is never queried is
JSON text: `spec` (what to do and when) and `record` (what happened). No fact is stored twice.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import fields as dataclass_fields
from datetime import UTC, datetime, timedelta
from operator import attrgetter
from typing import Any

from emonk_ops.tick.errors import InvalidJob, StorageDamaged
from emonk_ops.tick.jobs import Job
from emonk_ops.tick.storage import Stored

BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)
SECOND = timedelta(seconds=1)
KEPT_WHEN_FINISHED = timedelta(days=30)

TIMES = ("schedule_at", "due_at", "created_at", "lease_until")
TEXTS = ("type", "state", "lease_id", "lease_by")
NUMBERS = ("fence", "attempt")
FLAGS = ("paused", "declared")
RECORD = ("effects", "counts", "recent", "ordinal")
# The name of the document is the id, and `schedule_at` is the slot.
NAMED_OTHERWISE = ("id", "slot")
COLUMNS = (*TIMES, *TEXTS, *NUMBERS, *FLAGS)
FIELDS = frozenset((*COLUMNS, "spec", "record"))
UNKNOWN = (object(),) * len(COLUMNS)
ENCODER = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False)
# Of a Job, what `record` and `spec` hold.
_record = attrgetter(*RECORD)
_spec = attrgetter(
    *(
        item.name
        for item in dataclass_fields(Job)
        if item.name not in (*COLUMNS, *RECORD, *NAMED_OTHERWISE, "lease")
    )
)


def put_time(value: Any, moment: datetime | None) -> None:
    """Set a Value to the instant, or to null."""
    if moment is None:
        value.null_value = 0
    else:
        put_timestamp(value.timestamp_value, moment)


def _put_text(value: Any, text: str | None) -> None:
    if text is None:
        value.null_value = 0
    else:
        value.string_value = text


def _put_number(value: Any, number: int) -> None:
    value.integer_value = number


def _put_flag(value: Any, flag: bool) -> None:
    value.boolean_value = flag


def put_timestamp(stamp: Any, moment: datetime) -> None:
    """Set a Timestamp; datetimes and Firestore both keep microseconds."""
    passed = moment - BEGINNING
    stamp.seconds = passed.days * 86400 + passed.seconds
    stamp.nanos = passed.microseconds * 1000


def time_of(stamp: Any) -> datetime:
    """The instant of a Timestamp, aware, in UTC."""
    return BEGINNING + timedelta(seconds=stamp.seconds, microseconds=stamp.nanos // 1000)


def version_of(stamp: Any) -> str:
    """A document's update_time as the version of its job, to the nanosecond."""
    return f"{stamp.seconds}.{stamp.nanos:09d}"


def put_version(stamp: Any, version: str) -> None:
    """Set the Timestamp of a precondition to a version given out before."""
    seconds, _, nanos = version.partition(".")
    stamp.seconds, stamp.nanos = int(seconds), int(nanos)


def put_job(message: Any, job: Job, held: Job | None, now: datetime) -> None:
    """Make a Write message write `job`; `now` is the store's clock.

    Of a job that was `held` only what has changed is written: the message then has a mask, and the
    precondition on the version keeps the rest as it was read.
    """
    fields, changed = message.update.fields, []
    before = UNKNOWN if held is None else _columns(held)
    for name, put, value, old in zip(COLUMNS, PUTS, _columns(job), before, strict=True):
        if value != old:
            put(fields[name], value)
            changed.append(name)
    if held is None or _record(job) != _record(held):
        fields["record"].string_value = _text(_record_of(job))
        changed.append("record")
    if held is None or _spec(job) != _spec(held):
        fields["spec"].string_value = _text(_spec_of(job))
        changed.append("spec")
    # A declared job that was cancelled must stay, or it would be declared anew.
    ends = job.finished and not job.declared
    if held is None or ends or held.finished:
        put_time(fields["expire_at"], now + KEPT_WHEN_FINISHED if ends else None)
        changed.append("expire_at")
    # An empty mask would empty the document; a write of all that is there changes nothing either.
    if held is not None and changed:
        message.update_mask.field_paths.extend(changed)
    elif held is not None:
        put_job(message, job, None, now)


def _columns(job: Job) -> tuple[Any, ...]:
    """The values of the fields that COLUMNS names, in that order."""
    times = (job.slot, job.due_at, job.created_at)
    counts = (job.fence, job.attempt, job.paused, job.declared)
    state, lease = job.state.value, job.lease
    if lease is None:
        return (*times, None, job.type, state, None, None, *counts)
    return (*times, lease.until, job.type, state, lease.id, lease.by, *counts)


def _record_of(job: Job) -> dict[str, Any]:
    runs = [run.to_dict() for run in job.recent]
    record = {"effects": dict(job.effects), "counts": dict(job.counts), "recent": runs}
    return {**record, "ordinal": job.ordinal} if job.ordinal else record


def _spec_of(job: Job) -> dict[str, Any]:
    data = job.to_dict()
    for name in (*COLUMNS, *RECORD, *NAMED_OTHERWISE):
        data.pop(name, None)
    return data


def stored_of(document: Any) -> Stored:
    """The job of a document. Raises StorageDamaged naming the document and what is wrong."""
    name = document.name.rpartition("/")[2]
    try:
        job = Job.from_dict(_data(name, document.fields))
    except (InvalidJob, KeyError, TypeError, ValueError) as error:
        raise StorageDamaged(
            f"document {document.name}: {error}",
            hint="Correct its fields, or move the document to another collection.",
        ) from error
    return Stored(job, version_of(document.update_time))


def _data(job_id: str, fields: Any) -> dict[str, Any]:
    missing = FIELDS.difference(fields)
    if missing:
        raise ValueError(f"it has no field {', '.join(sorted(missing))}.")
    data: dict[str, Any] = json.loads(fields["spec"].string_value)
    data.update(json.loads(fields["record"].string_value))
    for name in TIMES:
        data[name] = _time(name, fields[name])
    for name in TEXTS:
        value = fields[name]
        data[name] = value.string_value if value.HasField("string_value") else None
    for name in NUMBERS:
        data[name] = fields[name].integer_value
    for name in FLAGS:
        data[name] = fields[name].boolean_value
    data["id"], data["slot"] = job_id, data["schedule_at"]
    return data


def _time(name: str, value: Any) -> datetime | None:
    if value.HasField("timestamp_value"):
        return time_of(value.timestamp_value)
    if value.HasField("null_value"):
        return None
    raise ValueError(f"its field {name} is no timestamp.")


def _text(data: Mapping[str, Any]) -> str:
    return ENCODER.encode(data)


PUTS: tuple[Callable[[Any, Any], None], ...] = (
    *(put_time for _ in TIMES),
    *(_put_text for _ in TEXTS),
    *(_put_number for _ in NUMBERS),
    *(_put_flag for _ in FLAGS),
)

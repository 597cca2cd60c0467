"""Jobs as Firestore documents and back, on raw protobuf messages.

What is queried or looked at by people is a field of its own, with its own type: `due_at`,
`schedule_at`, `lease_until`, `state` and their like. What belongs together and is never queried is
JSON text: `spec` (what to do and when) and `record` (what happened). No fact is stored twice.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from emonk_ops.tick.errors import InvalidJob, StorageDamaged
from emonk_ops.tick.instants import to_text
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
FIELDS = (*TIMES, *TEXTS, *NUMBERS, *FLAGS, "spec", "record", "expire_at")


def put_time(value: Any, moment: datetime | None) -> None:
    """Set a Value to the instant, or to null."""
    if moment is None:
        value.null_value = 0
    else:
        put_timestamp(value.timestamp_value, moment)


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


def put_job(fields: Any, job: Job, now: datetime) -> None:
    """Write all of `job` into a document's map of fields; `now` is the store's clock."""
    data = job.to_dict()
    lease_until = None if job.lease is None else job.lease.until
    times = (job.slot, job.due_at, job.created_at, lease_until)
    for name, moment in zip(TIMES, times, strict=True):
        put_time(fields[name], moment)
        del data[name]
    for name in TEXTS:
        text = data.pop(name)
        if text is None:
            fields[name].null_value = 0
        else:
            fields[name].string_value = text
    for name in NUMBERS:
        fields[name].integer_value = data.pop(name)
    for name in FLAGS:
        fields[name].boolean_value = data.pop(name)
    fields["record"].string_value = _text({name: data.pop(name) for name in RECORD if name in data})
    for name in NAMED_OTHERWISE:
        del data[name]
    fields["spec"].string_value = _text(data)
    # A declared job that was cancelled must stay, or it would be declared anew.
    ends = job.finished and not job.declared
    put_time(fields["expire_at"], now + KEPT_WHEN_FINISHED if ends else None)


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
    missing = [name for name in FIELDS if name not in fields and name != "expire_at"]
    if missing:
        raise ValueError(f"it has no field {', '.join(missing)}.")
    data: dict[str, Any] = {**json.loads(fields["spec"].string_value)}
    data.update(json.loads(fields["record"].string_value))
    for name in TIMES:
        data[name] = _time_text(name, fields[name])
    for name in TEXTS:
        value = fields[name]
        data[name] = value.string_value if value.HasField("string_value") else None
    for name in NUMBERS:
        data[name] = fields[name].integer_value
    for name in FLAGS:
        data[name] = fields[name].boolean_value
    data["id"], data["slot"] = job_id, data["schedule_at"]
    return data


def _time_text(name: str, value: Any) -> str | None:
    kind = value.WhichOneof("value_type")
    if kind == "timestamp_value":
        return to_text(time_of(value.timestamp_value))
    if kind == "null_value":
        return None
    raise ValueError(f"its field {name} is no timestamp.")


def _text(data: Mapping[str, Any]) -> str:
    return json.dumps(data, separators=(",", ":"), ensure_ascii=False)

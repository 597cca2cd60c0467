"""Jobs put into the store: once where they bear a dedup key, and only said to be there if so."""

from __future__ import annotations

import hashlib

from emonk_ops.tick.errors import JobConflict, StorageError
from emonk_ops.tick.job_options import check_key
from emonk_ops.tick.jobs import Job, canonical
from emonk_ops.tick.storage import JobStorage, Outcome, Stored, Verdict, Write
from emonk_ops.tick.texts import plain_json

TRIES = 5


def id_of(dedup_key: str) -> str:
    """The id that every job of this dedup key has. Raises InvalidJob."""
    key = check_key("dedup_key", dedup_key)
    return "dedup-" + hashlib.sha256(key.encode()).hexdigest()[:40]


async def enqueue(storage: JobStorage, job: Job, dedup_key: str | None = None) -> Job:
    """Store a new job; with a key, the one that is there already is the answer.

    Raises JobConflict where the id is taken, or, with a key, where the job that is there has
    another type or payload; StorageError where the store cannot say.
    """
    for _ in range(TRIES):
        try:
            (outcome,) = await storage.write([Write(job, None)])
            lost = _unclear(job, outcome) if outcome.verdict is Verdict.UNCLEAR else None
        except StorageError as error:
            lost = error
        else:
            if outcome.verdict is Verdict.OK:
                return job
        (held,) = await storage.get([job.id])
        if lost is not None and held is not None and held.job == job:
            return job
        if held is not None and dedup_key is not None:
            return _same(job, held, dedup_key)
        if lost is not None:
            raise lost
        if held is not None:
            raise JobConflict(f"a job '{job.id}' exists already.", hint="Choose another id.")
    raise JobConflict(f"a job '{job.id}' comes and goes.", hint="Try again.")


def _unclear(job: Job, outcome: Outcome) -> StorageError:
    said = f"job '{job.id}' was not stored: {outcome.code}."
    return StorageError(said, code=outcome.code, transient=True, hint="Try again.")


def _same(wanted: Job, held: Stored, dedup_key: str) -> Job:
    found = held.job
    if found.type != wanted.type:
        different = f"has the type '{found.type}', not '{wanted.type}'"
    elif canonical(plain_json(found.payload)) != canonical(plain_json(wanted.payload)):
        different = "has another payload"
    else:
        return found
    raise JobConflict(
        f"job '{found.id}' of dedup_key '{dedup_key}' exists and {different}.",
        hint="Use another key for another job.",
    )

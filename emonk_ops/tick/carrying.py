"""Jobs carried between stores: an export that can be checked, an import that loses nothing."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from emonk_ops.tick.errors import ImportRefused, InvalidJob, StorageError
from emonk_ops.tick.jobs import Job, checksum
from emonk_ops.tick.merging import merge
from emonk_ops.tick.storage import JobStorage, Lock, Verdict, Write

FORMAT = "emonk-jobs/1"
PAGE = 500
TRIES = 5


async def all_jobs(storage: JobStorage) -> list[Job]:
    """Every stored job, ordered by id."""
    jobs: list[Job] = []
    after: str | None = None
    while True:
        page = await storage.list_jobs(PAGE, after)
        jobs += [stored.job for stored in page]
        if len(page) < PAGE:
            return jobs
        after = page[-1].job.id


async def export_jobs(storage: JobStorage) -> dict[str, Any]:
    """The document of all jobs; `held` are those with a live lease."""
    now = await storage.clock()
    jobs = await all_jobs(storage)
    written = [job.to_dict() for job in jobs]
    return {
        "format": FORMAT,
        "checksum": checksum(written),
        "count": len(written),
        "held": [job.id for job in jobs if job.holds_live_lease(now)],
        "jobs": written,
    }


async def import_jobs(storage: JobStorage, document: Mapping[str, Any]) -> dict[str, Any]:
    """Take the jobs in; again is safe. Raises ImportRefused before anything is written.

    A job that the store does not hold arrives as it was; for the others `merging` says which side
    stays, so that no slot that either side finished runs again. A live lease is carried as it is:
    nobody may run that job before the lease ends. `kept_newer` counts the jobs whose stored side
    stayed, even if its fence was raised.
    """
    jobs = _checked(document)
    counts = {"imported": 0, "unchanged": 0, "kept_newer": 0}
    now = await storage.clock()
    for begin in range(0, len(jobs), PAGE):
        await _take_in(storage, jobs[begin : begin + PAGE], now, counts)
    after = [job.to_dict() for job in await all_jobs(storage)]
    return {**counts, "count": len(after), "checksum": checksum(after)}


def _checked(document: Mapping[str, Any]) -> list[Job]:
    if document.get("format") != FORMAT:
        raise ImportRefused(
            f"the document's format is '{document.get('format')}', expected '{FORMAT}'.",
            hint="Take what GET /admin/export gives.",
            code="bad_format",
        )
    written = document.get("jobs")
    if not isinstance(written, list) or not all(isinstance(one, dict) for one in written):
        raise ImportRefused("the document holds no list of jobs.", code="bad_format")
    if document.get("count", len(written)) != len(written):
        raise ImportRefused(
            f"the document says {document['count']} jobs and holds {len(written)}.",
            hint="Export again: it was cut or edited.",
            code="bad_count",
        )
    try:
        found = checksum(written)
        jobs = [Job.from_dict(one) for one in written]
    except (KeyError, UnicodeEncodeError, InvalidJob) as error:
        raise ImportRefused(f"a job cannot be read: {error}", code="bad_job") from error
    if document.get("checksum") != found:
        raise ImportRefused(
            f"the checksum is {document.get('checksum')}, the jobs give {found}.",
            hint="Export again: the document was changed on its way.",
            code="bad_checksum",
        )
    if len({job.id for job in jobs}) != len(jobs):
        raise ImportRefused("a job is in the document twice.", code="bad_job")
    return jobs


def _keys_in_hand(jobs: list[Job], now: datetime) -> list[Lock]:
    """The concurrency keys of carried live leases, which nobody may have before those end."""
    return [
        Lock(job.concurrency_key, job.lease.id, job.lease.until)
        for job in jobs
        if job.concurrency_key is not None and job.lease is not None and job.lease.until > now
    ]


async def _take_in(
    storage: JobStorage, jobs: list[Job], now: datetime, counts: dict[str, int]
) -> None:
    left = jobs
    for _ in range(TRIES):
        known = await storage.get([job.id for job in left])
        await storage.lock(_keys_in_hand(left, now))
        writes: list[tuple[Job, str, Write]] = []
        for job, stored in zip(left, known, strict=True):
            merged = merge(job, None if stored is None else stored.job, now)
            if stored is not None and merged.job == stored.job:
                counts["kept_newer" if merged.kept else "unchanged"] += 1
                continue
            kind = "kept_newer" if merged.kept else "imported"
            write = Write(merged.job, None if stored is None else stored.version)
            writes.append((job, kind, write))
        outcomes = await storage.write([write for *_, write in writes]) if writes else ()
        left = []
        for (job, kind, _write), outcome in zip(writes, outcomes, strict=True):
            if outcome.verdict is Verdict.OK:
                counts[kind] += 1
            else:
                left.append(job)
        if not left:
            return
    raise StorageError(
        f"{len(left)} jobs could not be written, the first is '{left[0].id}'.",
        code="ABORTED",
        transient=True,
        hint="Import the same document again.",
    )

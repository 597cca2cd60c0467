"""A running service as one end of a migration, through its admin API."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from itertools import islice

from emonk_ops.errors import Conflict
from emonk_ops.ports import TickService
from emonk_ops.tick.clock import Clock
from emonk_ops.tick.jobs import Job, checksum
from emonk_ops.tick.migration.sides import PAGE, newer
from emonk_ops.tick.storage import DriverRecord

FORMAT = "emonk-jobs/1"
QUIESCE_SECONDS = 60.0  # longer than a handler may run, so that none is cut off


class ServiceSide:
    """See `emonk_ops.tick.migration.sides.Side`. The serving revision is who is activated."""

    def __init__(self, service: TickService, clock: Clock) -> None:
        self._service = service
        self._clock = clock

    async def clock(self) -> datetime:
        return self._clock.now()

    async def driver(self) -> DriverRecord | None:
        state = self._service.driver()
        return DriverRecord(state.driver, state.epoch, state.revision) if state.driver else None

    async def set_driver(self, record: DriverRecord, expected_epoch: int) -> bool:
        if record.driver == "nobody":
            self._service.quiesce(wait_seconds=QUIESCE_SECONDS)
            return True
        try:
            self._service.activate(
                record.driver, expected_epoch=expected_epoch, at_least=record.epoch
            )
        except Conflict:
            return False
        return True

    async def live_leases(self) -> int:
        return self._service.driver().live_leases

    async def page(self, after: str) -> Sequence[Job]:
        found = islice(self._service.list_jobs(after=after), PAGE)
        return [Job.from_dict(job) for job in found]

    async def take(self, jobs: Sequence[Job]) -> None:
        written = [job.to_dict() for job in jobs]
        counts = self._service.import_jobs(
            {
                "format": FORMAT,
                "checksum": checksum(written),
                "count": len(written),
                "jobs": written,
            }
        )
        if counts.get("kept_newer"):
            raise newer([job.id for job in jobs][: int(counts["kept_newer"])])

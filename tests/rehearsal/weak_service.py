"""The bundled service with one planted weakness: `python weak_service.py WEAKNESS`.

Each stands between the service and its storage, and does what a mistake in a service would do.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import TypeVar

from emonk_ops.sandbox.shared_clock import SharedClock
from emonk_ops.tick.__main__ import serve
from emonk_ops.tick.clock import SystemClock
from emonk_ops.tick.errors import StorageError
from emonk_ops.tick.logs import Log
from emonk_ops.tick.service import TickService, storage_of
from emonk_ops.tick.settings import read_settings
from emonk_ops.tick.storage import (
    DriverRecord,
    DueAfter,
    DuePage,
    JobStorage,
    Outcome,
    Stored,
    Verdict,
    Write,
)
from tests.chaos.storages import Passing

T = TypeVar("T")


class NoLease(Passing):
    """A claim is never written, so that everybody may run what is due."""

    async def write(self, batch: Sequence[Write]) -> tuple[Outcome, ...]:
        if all(write.job.lease is not None for write in batch):
            return tuple(Outcome(Verdict.OK, version=write.version or "") for write in batch)
        return await self.inner.write(batch)


class Dropping(Passing):
    """Some due jobs are never seen."""

    def keeps(self, stored: Stored, page: DuePage) -> bool:
        raise NotImplementedError

    async def read_due(self, limit: int, after: DueAfter | None = None) -> DuePage:
        page = await self.inner.read_due(limit, after)
        return replace(page, jobs=tuple(one for one in page.jobs if self.keeps(one, page)))


class NoRetry(Dropping):
    """What somebody died with is never taken up again."""

    def keeps(self, stored: Stored, page: DuePage) -> bool:
        return stored.job.lease is None


class SkipsOverdue(Dropping):
    """What is more than a minute late is passed over."""

    def keeps(self, stored: Stored, page: DuePage) -> bool:
        return stored.job.slot > page.read_time - timedelta(minutes=1)


class DiesOfDenial(Passing):
    """PERMISSION_DENIED is an exception that nobody catches."""

    async def read_due(self, limit: int, after: DueAfter | None = None) -> DuePage:
        return await _or_die(lambda: self.inner.read_due(limit, after))

    async def ping(self) -> None:
        await _or_die(self.inner.ping)

    async def driver(self) -> DriverRecord | None:
        return await _or_die(self.inner.driver)


async def _or_die(call: Callable[[], Awaitable[T]]) -> T:
    try:
        return await call()
    except StorageError as error:
        if error.code == "PERMISSION_DENIED":
            os._exit(1)
        raise


WEAKNESSES: dict[str, Callable[[JobStorage], Passing]] = {
    "no-lease": NoLease,
    "no-retry": NoRetry,
    "skips-overdue": SkipsOverdue,
    "dies-of-denial": DiesOfDenial,
}


def main(weakness: str) -> int:
    clock = SharedClock.inherited(os.environ) or SystemClock()
    settings = read_settings(os.environ)
    storage = storage_of(settings, clock, Log(clock))
    return serve(TickService(settings, clock=clock, storage=WEAKNESSES[weakness](storage)))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))

"""The bundled service with one planted weakness: `python weak_service.py WEAKNESS`.

Each stands between the service and its storage, and does what a mistake in a service would do.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, TypeVar

from google.auth import jwt

from emonk_ops.sandbox.shared_clock import SharedClock
from emonk_ops.tick.__main__ import serve
from emonk_ops.tick.auth import TokenVerifier
from emonk_ops.tick.clock import SystemClock
from emonk_ops.tick.errors import StorageError
from emonk_ops.tick.jobs import JobState
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


class NeverPast(Passing):
    """What is scheduled for the past is put off to the next minute."""

    async def write(self, batch: Sequence[Write]) -> tuple[Outcome, ...]:
        now = await self.inner.clock()
        return await self.inner.write([_put_off(one, now) for one in batch])


def _put_off(one: Write, now: datetime) -> Write:
    if one.job.lease is not None or one.job.due_at is None or one.job.slot > now:
        return one
    later = now + timedelta(minutes=1)
    return replace(one, job=replace(one.job, slot=later, due_at=later))


class Forgetful(Passing):
    """What came of a run is never written."""

    async def write(self, batch: Sequence[Write]) -> tuple[Outcome, ...]:
        if all(one.job.state is JobState.SUCCEEDED for one in batch):
            return tuple(Outcome(Verdict.OK, version=one.version or "") for one in batch)
        return await self.inner.write(batch)


class DiesOf(Passing):
    """A storage error of this code is an exception that nobody catches."""

    code = ""

    async def read_due(self, limit: int, after: DueAfter | None = None) -> DuePage:
        return await self._or_die(lambda: self.inner.read_due(limit, after))

    async def ping(self) -> None:
        await self._or_die(self.inner.ping)

    async def driver(self) -> DriverRecord | None:
        return await self._or_die(self.inner.driver)

    async def _or_die(self, call: Callable[[], Awaitable[T]]) -> T:
        try:
            return await call()
        except StorageError as error:
            if error.code == self.code:
                os._exit(1)
            raise


class DiesOfDenial(DiesOf):
    code = "PERMISSION_DENIED"


class DiesOfOutage(DiesOf):
    code = "UNAVAILABLE"


class AnyAudience(TokenVerifier):
    """A token for whatever service will do."""

    async def identity(
        self, authorization: str | None, *, audience: str, emails: Collection[str]
    ) -> str:
        if meant := _claims(authorization).get("aud"):
            audience = str(meant)
        return await super().identity(authorization, audience=audience, emails=emails)


class AnyCaller(TokenVerifier):
    """Whoever has a token for this service may tick."""

    async def identity(
        self, authorization: str | None, *, audience: str, emails: Collection[str]
    ) -> str:
        caller = str(_claims(authorization).get("email", ""))
        return await super().identity(authorization, audience=audience, emails={*emails, caller})


def _claims(authorization: str | None) -> Mapping[str, Any]:
    """As the token has them; nothing is verified here."""
    _, _, token = (authorization or "").partition(" ")
    if not token:
        return {}
    found: Mapping[str, Any] = jwt.decode(token, verify=False)  # type: ignore[no-untyped-call]
    return found


WEAKNESSES: dict[str, Callable[[JobStorage], Passing]] = {
    "no-lease": NoLease,
    "no-retry": NoRetry,
    "skips-overdue": SkipsOverdue,
    "dies-of-denial": DiesOfDenial,
    "dies-of-outage": DiesOfOutage,
    "forgetful": Forgetful,
    "never-past": NeverPast,
}
DOORS: dict[str, type[TokenVerifier]] = {"any-audience": AnyAudience, "any-caller": AnyCaller}


def main(weakness: str) -> int:
    clock = SharedClock.inherited(os.environ) or SystemClock()
    settings = read_settings(os.environ)
    storage = storage_of(settings, clock, Log(clock))
    weak = WEAKNESSES.get(weakness, Passing)(storage)
    service = TickService(settings, clock=clock, storage=weak)
    if door := DOORS.get(weakness):
        service.verifier = door(settings.certs_url)
    return serve(service)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))

"""The service as a whole: settings, storage, scheduler and agent, begun and ended together."""

from __future__ import annotations

import asyncio
import os
import secrets
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta

from emonk_ops.tick import logs
from emonk_ops.tick.agent_core import AgentCore
from emonk_ops.tick.auth import TokenVerifier
from emonk_ops.tick.clock import Clock, SystemClock, real_seconds
from emonk_ops.tick.driver import Seat
from emonk_ops.tick.engine import Limits
from emonk_ops.tick.errors import StorageDamaged, StorageError
from emonk_ops.tick.handlers import HandlerRegistry, load_handlers
from emonk_ops.tick.logs import Log
from emonk_ops.tick.scheduler import CronScheduler
from emonk_ops.tick.settings import read_settings
from emonk_ops.tick.settings_check import MARGIN_SECONDS, warnings_of
from emonk_ops.tick.settings_table import TickSettings
from emonk_ops.tick.stock_handlers import STOCK
from emonk_ops.tick.storage import JobStorage

CANCEL_AFTER_SECONDS = 6.0
RECORDING_SECONDS = 1.5
FIRST_REOPEN_SECONDS = 1.0
LONGEST_REOPEN_SECONDS = 30.0


class TickService:
    """What the routes serve. Build it, run it inside `lifespan`, mount `routes(service)`.

    `limits` stand in for those of the settings; nothing compares them with each other.
    """

    def __init__(
        self,
        settings: TickSettings,
        *,
        clock: Clock | None = None,
        storage: JobStorage | None = None,
        registry: HandlerRegistry | None = None,
        write: Callable[[str], None] = logs.write_line,
        shadow_grace_seconds: float | None = None,
        limits: Limits | None = None,
    ) -> None:
        self.settings = settings
        self.clock = clock or SystemClock()
        self.instance = secrets.token_hex(6)
        self.log = Log(
            self.clock, write, {"revision": settings.revision, "instance": self.instance}
        )
        self.storage = storage or storage_of(settings, self.clock, self.log)
        self.storage_error = ""
        self.verifier = TokenVerifier(settings.certs_url)
        chosen = HandlerRegistry()
        chosen.include(STOCK)
        chosen.include(load_handlers(settings.handlers) if registry is None else registry)
        self.scheduler = CronScheduler(
            self.storage,
            clock=self.clock,
            log=self.log,
            registry=chosen,
            limits=limits or limits_of(settings),
            seat=seat_of(settings),
            cadence=settings.cadence,
            instance=f"{settings.revision}/{self.instance}",
            shadow_grace_seconds=shadow_grace_seconds,
        )
        self._opened = False
        self._opening = asyncio.Lock()
        self._grace_until = 0.0
        self._loop: asyncio.AbstractEventLoop | None = None
        self._reopening: asyncio.Task[None] | None = None

    @classmethod
    def from_environment(
        cls, environment: Mapping[str, str] = os.environ, *, clock: Clock | None = None
    ) -> TickService:
        """The service that the environment describes. Raises SettingsError, UnknownHandler."""
        return cls(read_settings(environment), clock=clock)

    @asynccontextmanager
    async def lifespan(self, _app: object = None) -> AsyncIterator[None]:
        """Begin as a counted activity, and end it all, leases given back, on the way out."""
        self._loop = asyncio.get_running_loop()
        await self.clock.start(self.begin(), name="start-up")
        try:
            yield
        finally:
            await self.end()

    async def begin(self) -> None:
        """Open the storage, take the seat, start the loop. Broken storage is for /health to say."""
        for warning in warnings_of(self.settings):
            self.log.warning(logs.UNSAFE_SETTING, problem=warning)
        agent = AgentCore(self.scheduler)
        if not await self.open_storage():
            self._reopening = self.clock.start(self._keep_opening(), name="open-storage")
        if self.settings.legacy_loop or self.settings.shadow:
            await agent.begin_loop()

    async def open_storage(self) -> bool:
        """Open the storage and read the driver; again after a failure. Says whether it is open."""
        async with self._opening:
            return self._opened or await self._open()

    async def _keep_opening(self) -> None:
        """The legacy loop must not depend on somebody's request to find its storage again."""
        pause = FIRST_REOPEN_SECONDS
        while not await self.open_storage():
            await self.clock.sleep_until(self.clock.now() + timedelta(seconds=pause))
            pause = min(pause * 2, LONGEST_REOPEN_SECONDS)

    async def _open(self) -> bool:
        try:
            await self.storage.open()
            self.log.info(logs.STORAGE_READY, storage=self.storage.kind)
            await self.scheduler.engine.driver.begin()
        except StorageError as error:
            self.storage_error = str(error)
            self.log.error(logs.STORAGE_FAILED, code=error.code, error=str(error))
            return False
        self._opened = True
        self.storage_error = ""
        return True

    def call_soon(self, action: Callable[[], None]) -> None:
        """Have the event loop do `action`; may be called from a signal handler."""
        if self._loop is not None:
            self._loop.call_soon_threadsafe(action)

    def going_down(self) -> None:
        """SIGTERM: claim no more; handlers are cancelled when most of the grace is over."""
        self.log.notice(logs.SHUTTING_DOWN, running=self.scheduler.running_handlers)
        self.scheduler.stop()
        # The grace of the platform is real time, whatever clock the jobs live on.
        self._grace_until = real_seconds() + CANCEL_AFTER_SECONDS
        asyncio.get_running_loop().call_later(CANCEL_AFTER_SECONDS, self.scheduler.cancel_running)

    async def end(self) -> None:
        """Stop the loop, cancel what outlasts the grace, record what came of it, close."""
        self.scheduler.stop()
        if self._reopening is not None:
            self._reopening.cancel()
            await asyncio.wait([self._reopening])
        await self.scheduler.end_loop()
        await self.scheduler.ended(max(0.0, self._grace_until - real_seconds()))
        self.scheduler.cancel_running()
        await self.scheduler.ended(RECORDING_SECONDS)
        await self.storage.close()
        self.log.notice(
            logs.SHUT_DOWN,
            running=self.scheduler.running_handlers,
            last_sequence=self.scheduler.engine.lines.last,
        )


def storage_of(settings: TickSettings, clock: Clock, log: Log) -> JobStorage:
    """The storage that the settings name; only Firestore's loads Google's libraries."""
    if settings.storage == "firestore":
        from emonk_ops.tick.storage.firestore import FirestoreStorage
        from emonk_ops.tick.storage.firestore_calls import Place

        def pass_over(damage: StorageDamaged) -> None:
            log.error(logs.JOB_UNREADABLE, code=damage.code, error=str(damage))

        return FirestoreStorage(
            Place(settings.project, emulator=settings.firestore_emulator),
            clock,
            claim_mode=settings.claim_mode,
            on_damage=pass_over,
        )
    if settings.storage == "memory":
        from emonk_ops.tick.storage.memory import MemoryStorage

        return MemoryStorage(clock)
    from emonk_ops.tick.storage.json_file import JsonFileStorage

    return JsonFileStorage(settings.json_path, clock)


def limits_of(settings: TickSettings) -> Limits:
    """The limits of ticks that the settings name."""
    return Limits(
        lease_seconds=settings.lease_seconds,
        handler_timeout_seconds=settings.handler_timeout_seconds,
        tick_budget_seconds=settings.tick_budget_seconds,
        margin_seconds=MARGIN_SECONDS,
        concurrency=settings.concurrency,
    )


def seat_of(settings: TickSettings) -> Seat:
    """What this revision is, by its environment."""
    return Seat(
        revision=settings.revision,
        loop=settings.legacy_loop,
        shadow=settings.shadow,
        standby_seconds=settings.standby_seconds,
    )

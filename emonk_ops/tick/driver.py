"""Who drives: which path of which revision may claim jobs, decided by the record in the store."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from emonk_ops.tick import logs
from emonk_ops.tick.clock import Clock
from emonk_ops.tick.errors import DriverConflict, StorageError, TickError
from emonk_ops.tick.logs import Log
from emonk_ops.tick.storage import DriverRecord, JobStorage

LONGEST_TRUST_SECONDS = 1.0
FIRST_RETRY_SECONDS = 1.0
LONGEST_RETRY_SECONDS = 30.0


class Path(StrEnum):
    """The two ways in which a tick comes about."""

    LOOP = "loop"
    CRON = "cron"


ADMITS: dict[str, frozenset[Path]] = {
    "legacy": frozenset({Path.LOOP}),
    "cloud": frozenset({Path.CRON}),
    "shadow": frozenset({Path.LOOP, Path.CRON}),
    "nobody": frozenset(),
}


@dataclass(frozen=True, slots=True)
class Seat:
    """This revision, and what its environment makes of it where the store names no driver."""

    revision: str = "local"
    loop: bool = False
    shadow: bool = False
    standby_seconds: float = 0.0

    @property
    def own_driver(self) -> str:
        """What this revision is when nobody ever managed it."""
        if self.shadow:
            return "shadow"
        return "legacy" if self.loop else "cloud"


class Driver:
    """The record as last read, and the only place that changes it."""

    def __init__(self, storage: JobStorage, clock: Clock, log: Log, seat: Seat) -> None:
        self._storage = storage
        self._clock = clock
        self._log = log
        self.seat = seat
        self._record: DriverRecord | None = None
        self._read_at: float | None = None
        self._claims_itself_at = 0.0
        self._owes_activation = False
        self.on_activation: Callable[[], Awaitable[None]] | None = None

    @property
    def record(self) -> DriverRecord | None:
        """The record as last read; None where nobody ever said."""
        return self._record

    @property
    def role(self) -> str:
        """driving, standby or quiesced."""
        if self._record is None:
            return "standby"
        if self._record.driver == "nobody":
            return "quiesced"
        return "driving" if self._record.revision == self.seat.revision else "standby"

    async def begin(self) -> None:
        """Read the record at start; drive by the environment at once, or after the standby."""
        await self.read()
        self.put_off()
        if self._record is None:
            if self.seat.standby_seconds <= 0:
                await self._drive_by_itself()
            else:
                self._clock.start(self._await_standby(), name="driver-standby")
        elif self.role == "driving":
            await self._activated()

    def put_off(self) -> None:
        """Begin the standby anew: somebody is managing this revision."""
        self._claims_itself_at = self._clock.monotonic() + self.seat.standby_seconds

    async def read(self) -> DriverRecord | None:
        """The record of the store, asked anew."""
        begun = self._clock.monotonic()
        record = await self._storage.driver()
        self._note(record)
        self._read_at = begun
        return record

    async def may_claim(self, path: Path) -> bool:
        """Whether a tick on `path` may claim now; the record is at most a second old."""
        age = None if self._read_at is None else self._clock.monotonic() - self._read_at
        if age is None or age >= LONGEST_TRUST_SECONDS:
            await self.read()
        if path is Path.CRON and self._is_handed_on():
            await self._take_on()
        if self._owes_activation and self.role == "driving":
            await self._make_up_for_activation()
        return self.admits(path)

    def _is_handed_on(self) -> bool:
        """Whether another revision drives in the way of this one, which gets the ticks now.

        The platform sends ticks where the traffic goes: somebody deployed the service anew.
        """
        record = self._record
        if record is None or record.revision == self.seat.revision:
            return False
        return record.driver == self.seat.own_driver and Path.CRON in ADMITS[record.driver]

    async def _take_on(self) -> None:
        held = self._record
        assert held is not None
        record = DriverRecord(held.driver, held.epoch + 1, self.seat.revision)
        if await self._storage.set_driver(record, held.epoch):
            await self._changed(record)
        else:
            await self.read()

    def admits(self, path: Path) -> bool:
        """Whether the record as last read lets `path` of this revision claim."""
        record = self._record
        if record is None or record.revision != self.seat.revision:
            return False
        return path in ADMITS[record.driver]

    async def activate(
        self, driver: str, expected_epoch: int, *, at_least: int = 0
    ) -> DriverRecord:
        """Make this revision drive as `driver` from the next epoch on.

        A revision with a store of its own takes its predecessor's count over with `at_least`.
        Raises DriverConflict when the epoch has moved, TickError when this revision cannot.
        """
        if driver not in ADMITS:
            raise TickError(
                f"'{driver}' is no driver.", hint=f"One of {', '.join(ADMITS)}.", code="bad_driver"
            )
        if Path.LOOP in ADMITS[driver] and not (self.seat.loop or self.seat.shadow):
            raise TickError(
                f"driver '{driver}' needs the legacy loop, which does not run in this revision.",
                hint="Deploy with SCHEDULER_LEGACY_LOOP=true, or activate 'cloud'.",
                code="no_legacy_loop",
            )
        epoch = max(expected_epoch + 1, at_least)
        record = DriverRecord(driver, epoch, self.seat.revision)
        if not await self._storage.set_driver(record, expected_epoch):
            raise await self._conflict(expected_epoch)
        await self._changed(record)
        return record

    async def quiesce(self) -> tuple[str | None, DriverRecord]:
        """Nobody drives from the next epoch on; again is safe. Who drove, and the record."""
        for _ in range(5):
            held = await self.read()
            if held is not None and held.driver == "nobody":
                return held.driver, held
            epoch = 0 if held is None else held.epoch
            record = DriverRecord("nobody", epoch + 1, self.seat.revision)
            if await self._storage.set_driver(record, epoch):
                await self._changed(record)
                return None if held is None else held.driver, record
        raise await self._conflict(epoch)

    async def _await_standby(self) -> None:
        pause = FIRST_RETRY_SECONDS
        while True:
            while (left := self._claims_itself_at - self._clock.monotonic()) > 0:
                await self._clock.sleep_until(self._clock.now() + timedelta(seconds=left))
            try:
                return await self._end_standby()
            except StorageError as error:
                self._log.error(
                    logs.STORAGE_FAILED,
                    what="the standby could not end; it is tried again",
                    code=error.code,
                    error=str(error),
                    again_in_seconds=pause,
                )
            await self._clock.sleep_until(self._clock.now() + timedelta(seconds=pause))
            pause = min(pause * 2, LONGEST_RETRY_SECONDS)

    async def _end_standby(self) -> None:
        if await self.read() is None:
            await self._drive_by_itself()
        elif self.role == "driving":
            # Written before the trouble came: what follows an activation may be missing.
            await self._activated()

    async def _drive_by_itself(self) -> None:
        record = DriverRecord(self.seat.own_driver, 1, self.seat.revision)
        if await self._storage.set_driver(record, 0):
            await self._changed(record)
        else:
            await self.read()

    async def _changed(self, record: DriverRecord) -> None:
        self._note(record)
        self._read_at = self._clock.monotonic()
        if self.role == "driving":
            await self._activated()

    async def _activated(self) -> None:
        self._owes_activation = False
        if self.on_activation is None:
            return
        try:
            await self.on_activation()
        except StorageError:
            self._owes_activation = True
            raise

    async def _make_up_for_activation(self) -> None:
        # An activation whose answer was lost is first heard of by reading the record.
        try:
            await self._activated()
        except StorageError as error:
            self._log.error(
                logs.STORAGE_FAILED,
                what="what follows an activation is not done; the next tick tries again",
                code=error.code,
                error=str(error),
            )

    def _note(self, record: DriverRecord | None) -> None:
        if self._record is not None and (record is None or record.epoch < self._record.epoch):
            # Answers may overtake each other, and epochs only grow: this one is out of date.
            return
        if record != self._record:
            self._record = record
            self._owes_activation = True
            self._log.info(
                logs.DRIVER_CHANGED,
                driver=None if record is None else record.driver,
                epoch=0 if record is None else record.epoch,
                driver_revision=None if record is None else record.revision,
                role=self.role,
            )

    async def _conflict(self, expected: int) -> DriverConflict:
        held = await self.read()
        epoch = 0 if held is None else held.epoch
        return DriverConflict(
            f"the driver's epoch is {epoch}, not {expected}: somebody else changed the driver.",
            hint="Read /admin/driver and decide anew.",
        )

"""One migration, from where the last one was interrupted to the target that drives."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from emonk_ops.tick.clock import Clock
from emonk_ops.tick.errors import DriverConflict
from emonk_ops.tick.instants import from_text, to_text
from emonk_ops.tick.jobs import Job
from emonk_ops.tick.migration.mark import Mark, MarkFile
from emonk_ops.tick.migration.sides import (
    PAGE,
    MigrationRefused,
    Side,
    Sum,
    extra,
    jobs_of,
    may_replace,
    newer,
    side_by_side,
    sum_up,
)
from emonk_ops.tick.storage import DriverRecord

# An instance that asked who drives just before may claim until its calls have timed out.
QUIET_SECONDS = 15.0
ASK_AGAIN_SECONDS = 0.5
PASSES = 3
NOBODY = "nobody"


@dataclass(frozen=True)
class Limits:
    """`wait_seconds` is how long live leases are waited for, `quiet_seconds` for late claims."""

    wait_seconds: float = 0.0
    quiet_seconds: float = QUIET_SECONDS


class Carriage:
    """Carries all jobs from `source` to `target`; the names are how the mark remembers them."""

    def __init__(
        self,
        source: tuple[str, Side],
        target: tuple[str, Side],
        marks: MarkFile,
        clock: Clock,
        *,
        limits: Limits | None = None,
        say: Callable[[str], None] = lambda _line: None,
    ) -> None:
        self._names = (source[0], target[0])
        self._source, self._target = source[1], target[1]
        self._marks = marks
        self._clock = clock
        self._limits = limits or Limits()
        self._say = say

    async def run(self) -> dict[str, Any]:
        """The facts. Raises MigrationRefused, StorageError; again is safe after all of them."""
        mark = self._known_mark()
        if mark is not None and mark.ended:
            if await self._still_so(mark):
                return {**mark.result, "already": True}
            mark = None
        if mark is None:
            mark = await self._begin()
        elif await self._activated(mark):
            return self._end(mark, await sum_up(self._source))
        mark = await self._quiesce(mark)
        try:
            await self._leases_end(mark)
            mark, both = await self._carry(mark)
        except MigrationRefused:
            await self._give_back(mark)
            raise
        await self._activate(mark)
        return self._end(mark, both)

    async def abandon(self) -> dict[str, Any]:
        """Let the source drive again as before. Raises MigrationRefused where there is nothing."""
        mark = self._known_mark()
        if mark is None or mark.ended:
            raise MigrationRefused(
                "no migration between these two is unfinished.",
                hint="There is nothing to abandon.",
                code="unfinished",
            )
        if await self._activated(mark):
            raise MigrationRefused(
                f"{mark.target} drives already: the migration did end.",
                hint="Run it once more to have that said, or carry the jobs back.",
                code="drives",
            )
        record = await self._give_back(mark)
        return {"source": mark.source, "driver": record.driver, "epoch": record.epoch}

    def _known_mark(self) -> Mark | None:
        mark = self._marks.load()
        if mark is None or (mark.source, mark.target) == self._names:
            return mark
        if mark.ended:
            return None
        raise MigrationRefused(
            f"a migration from {mark.source} to {mark.target} is unfinished.",
            hint=f"Run it again, or abandon it: --from {mark.source} --to {mark.target} --abandon",
            code="unfinished",
        )

    async def _still_so(self, mark: Mark) -> bool:
        source, target = await self._source.driver(), await self._target.driver()
        return _silent(source) and target is not None and target.epoch >= mark.result["epoch"]

    async def _begin(self) -> Mark:
        """Look before anything is changed: who drives, and whether all jobs could be taken."""
        if not _silent(held := await self._target.driver()):
            raise _drives(self._names[1], held)
        await self._compare()
        return Mark(*self._names, driver=await self._source.driver())

    async def _compare(self) -> None:
        now = await self._target.clock()
        ahead, alone = [], []
        async for mine, theirs in side_by_side(self._source, self._target):
            if mine is None and theirs is not None:
                alone.append(theirs.id)
            elif mine is not None and not may_replace(mine, theirs, now):
                ahead.append(mine.id)
        if ahead:
            raise newer(ahead)
        if alone:
            raise extra(alone)

    async def _quiesce(self, mark: Mark) -> Mark:
        """Nobody drives either side; who did is in the mark before."""
        held = await self._source.driver()
        if mark.quiesced_at and not _silent(held):
            mark = replace(mark, driver=held, after="")  # activated meanwhile: all may differ
        since = mark.quiesced_at if _silent(held) else ""
        mark = replace(mark, quiesced_at=since or to_text(self._clock.now()))
        self._marks.save(mark)
        above = await self._silence(self._source, self._names[0], 0)
        target = await self._target.driver()
        if not _silent(target):
            raise _drives(self._names[1], target)
        epoch = await self._silence(self._target, self._names[1], above)
        mark = replace(mark, source_epoch=above, target_epoch=epoch)
        self._marks.save(mark)
        return mark

    async def _silence(self, side: Side, name: str, at_least: int) -> int:
        held = await side.driver()
        epoch = 0 if held is None else held.epoch
        if held is not None and held.driver == NOBODY and epoch >= at_least:
            return epoch
        revision = "" if held is None else held.revision
        record = DriverRecord(NOBODY, max(epoch, at_least) + 1, revision)
        if not await side.set_driver(record, epoch):
            raise DriverConflict(f"somebody else changed who drives {name}.", hint="Run it again.")
        after = await side.driver()
        return record.epoch if after is None else after.epoch

    async def _leases_end(self, mark: Mark) -> None:
        give_up = self._clock.now() + timedelta(seconds=self._limits.wait_seconds)
        while count := await self._source.live_leases():
            if self._clock.now() >= give_up:
                raise MigrationRefused(
                    f"{count} jobs of {mark.source} are held by live leases: {await self._held()}.",
                    hint="Wait for them: --wait SECONDS",
                    code="leased",
                )
            await self._pause(ASK_AGAIN_SECONDS)

    async def _held(self) -> str:
        now, told = await self._source.clock(), []
        async for job in jobs_of(self._source):
            if job.lease is not None and job.holds_live_lease(now):
                told.append(f"'{job.id}' until {to_text(job.lease.until)}")
            if len(told) == 3:
                break
        return ", ".join(told) or "none is left now"

    async def _carry(self, mark: Mark) -> tuple[Mark, Sum]:
        for _ in range(PASSES):
            mark = await self._pass(mark)
            await self._quiet(mark)
            source, target = await sum_up(self._source), await sum_up(self._target)
            self._say(f"{source.count} jobs in {mark.source}, {target.count} in {mark.target}")
            if source == target:
                return mark, source
            mark = replace(mark, after="")
        raise MigrationRefused(
            f"{mark.source} holds {source.count} jobs ({source.checksum}) and {mark.target} "
            f"{target.count} ({target.checksum}).",
            hint="Somebody changes one of them. End that, and run it again.",
            code="unequal",
        )

    async def _pass(self, mark: Mark) -> Mark:
        batch: list[Job] = []
        alone: list[str] = []
        async for mine, theirs in side_by_side(self._source, self._target, mark.after):
            if mine is None:
                alone += [theirs.id] if theirs is not None else []
            elif mine != theirs:
                batch.append(mine)
                if len(batch) == PAGE:
                    mark, batch = await self._deliver(mark, batch), []
        if batch:
            mark = await self._deliver(mark, batch)
        if alone:
            raise extra(alone)
        return mark

    async def _deliver(self, mark: Mark, batch: list[Job]) -> Mark:
        await self._target.take(batch)
        mark = replace(mark, after=batch[-1].id, carried=mark.carried + len(batch))
        self._marks.save(mark)
        self._say(f"{mark.carried} jobs carried, the last is '{mark.after}'")
        return mark

    async def _quiet(self, mark: Mark) -> None:
        if _silent(mark.driver):
            return
        until = from_text(mark.quiesced_at) + timedelta(seconds=self._limits.quiet_seconds)
        if (left := (until - self._clock.now()).total_seconds()) > 0:
            self._say(f"waiting {left:.0f} s, so that no claim can still be under way")
            await self._pause(left)

    async def _pause(self, seconds: float) -> None:
        until: datetime = self._clock.now() + timedelta(seconds=seconds)
        await self._clock.wait({self._clock.start(self._clock.sleep_until(until))})

    async def _activate(self, mark: Mark) -> None:
        wanted = _wanted(mark)
        if wanted is not None and not await self._target.set_driver(wanted, mark.target_epoch):
            raise DriverConflict(
                f"somebody else changed who drives {mark.target}.", hint="Run it again."
            )

    async def _activated(self, mark: Mark) -> bool:
        """Whether the last act was done, and only its mark is missing."""
        held, wanted = await self._target.driver(), _wanted(mark)
        if held is None or wanted is None or not mark.target_epoch:
            return False
        return (held.driver, held.epoch) == (wanted.driver, wanted.epoch)

    async def _give_back(self, mark: Mark) -> DriverRecord:
        held = await self._source.driver()
        record = held or DriverRecord(NOBODY, 0, "")
        if mark.driver is not None and _silent(held) and not _silent(mark.driver):
            record = replace(mark.driver, epoch=record.epoch + 1)
            if not await self._source.set_driver(record, record.epoch - 1):
                raise DriverConflict(
                    f"somebody else changed who drives {mark.source}.", hint="Look, and run again."
                )
        self._marks.remove()
        return record

    def _end(self, mark: Mark, both: Sum) -> dict[str, Any]:
        wanted = _wanted(mark)
        result = {
            "source": mark.source,
            "target": mark.target,
            "count": both.count,
            "checksum": both.checksum,
            "carried": mark.carried,
            "driver": NOBODY if wanted is None else wanted.driver,
            "epoch": mark.target_epoch if wanted is None else wanted.epoch,
        }
        self._marks.save(replace(mark, result=result))
        return {**result, "already": False}


def _silent(record: DriverRecord | None) -> bool:
    return record is None or record.driver == NOBODY


def _wanted(mark: Mark) -> DriverRecord | None:
    if mark.driver is None or _silent(mark.driver):
        return None
    return replace(mark.driver, epoch=max(mark.source_epoch, mark.target_epoch) + 1)


def _drives(name: str, record: DriverRecord | None) -> MigrationRefused:
    told = "" if record is None else f" as {record.driver}, epoch {record.epoch}"
    return MigrationRefused(
        f"{name} is driven{told}: jobs carried into it would run at once.",
        hint="Is it the other way round? Else quiesce it first.",
        code="drives",
    )

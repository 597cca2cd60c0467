"""Planted defects: each breaks one thing that the promise rests on, and has to be found."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from emonk_ops.tick.engine import Limits
from emonk_ops.tick.jobs import Job
from emonk_ops.tick.storage import DueAfter, DuePage, Outcome, Verdict, Write
from tests.simulation.store import SimulatedServer, SimulatedStorage

TIGHT_SECONDS = 1.5


def _as_they_are(limits: Limits) -> Limits:
    return limits


@dataclass(frozen=True)
class Defect:
    """A broken collaborator in the place of a sound one."""

    storage: type[SimulatedStorage] = SimulatedStorage
    server: type[SimulatedServer] = SimulatedServer
    limits: Callable[[Limits], Limits] = _as_they_are


class FenceStands(SimulatedStorage):
    """A claim leaves the fence as it was."""

    async def write(self, batch: Sequence[Write]) -> tuple[Outcome, ...]:
        return await super().write(
            [
                write if write.job.lease is None else _with(write, fence=write.job.fence - 1)
                for write in batch
            ]
        )


class AttemptNotCounted(SimulatedStorage):
    """A claim leaves the attempt as it was: a job that kills its process is never given up."""

    async def write(self, batch: Sequence[Write]) -> tuple[Outcome, ...]:
        return await super().write(
            [
                write if write.job.lease is None else _with(write, attempt=write.job.attempt - 1)
                for write in batch
            ]
        )


class UnclearIsWon(SimulatedStorage):
    """A claim without an answer is taken for made; nothing is read back."""

    async def write(self, batch: Sequence[Write]) -> tuple[Outcome, ...]:
        return tuple(
            Outcome(Verdict.OK, "guessed") if _unclear_claim(write, outcome) else outcome
            for write, outcome in zip(batch, await super().write(batch), strict=True)
        )


class UnclearIsLost(SimulatedStorage):
    """A claim without an answer is taken for lost; its lease stays and nobody works under it."""

    async def write(self, batch: Sequence[Write]) -> tuple[Outcome, ...]:
        return tuple(
            Outcome(Verdict.CONFLICT) if _unclear_claim(write, outcome) else outcome
            for write, outcome in zip(batch, await super().write(batch), strict=True)
        )


class WallClockLease(SimulatedStorage):
    """The instance's wall clock in the place of the store's."""

    async def read_due(self, limit: int, after: DueAfter | None = None) -> DuePage:
        page = await super().read_due(limit, after)
        assert self.clock_of_instance is not None
        return replace(page, read_time=self.clock_of_instance.now())


class NoPrecondition(SimulatedServer):
    """The store takes every write, whatever it expects."""

    def admits(self, write: Write) -> bool:
        return True


class NoFenceOnResults(SimulatedServer):
    """A result is written whatever became of the lease it belongs to."""

    def admits(self, write: Write) -> bool:
        held = self.state.get(write.job.id)
        is_result = held is not None and bool(write.job.recent) and write.job.lease is None
        return super().admits(write) or is_result


def _tight(limits: Limits) -> Limits:
    """Leases hardly longer than what they are for: a claim that took its time leaves too little."""
    return replace(limits, lease_seconds=limits.handler_timeout_seconds + TIGHT_SECONDS)


def _without_a_check_before_the_start(limits: Limits) -> Limits:
    return replace(_tight(limits), margin_seconds=-1e6)


def _with(write: Write, **changes: int) -> Write:
    job: Job = replace(write.job, **changes)  # type: ignore[arg-type]
    return Write(job, write.version)


def _unclear_claim(write: Write, outcome: Outcome) -> bool:
    return outcome.verdict is Verdict.UNCLEAR and write.job.lease is not None


SOUND = Defect()
# No defect: the same leases, with the check.
TIGHT = Defect(limits=_tight)
PLANTED = {
    "the fence stands still": Defect(storage=FenceStands),
    "the attempt is not counted at the claim": Defect(storage=AttemptNotCounted),
    "the store ignores preconditions": Defect(server=NoPrecondition),
    "results are written without compare-and-set": Defect(server=NoFenceOnResults),
    "an unclear claim counts as won": Defect(storage=UnclearIsWon),
    "an unclear claim counts as lost": Defect(storage=UnclearIsLost),
    "leases by the instance's wall clock": Defect(storage=WallClockLease),
    "no lease check before the start": Defect(limits=_without_a_check_before_the_start),
}

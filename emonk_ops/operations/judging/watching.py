"""A shadow judged while it runs: each look reads what is new, and judges all that was read."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from statistics import median
from types import TracebackType
from typing import Self

from emonk_ops.clock import Stopwatch
from emonk_ops.errors import CloudError, NotOffered
from emonk_ops.operations.analysis.growing import GrowingSpool
from emonk_ops.operations.analysis.reading import TICKS
from emonk_ops.operations.analysis.records import CRON, LOOP, Decision, Record, Tick
from emonk_ops.operations.analysis.sweep import PAGE, Sweep, Swept
from emonk_ops.operations.job_definitions import known_jobs
from emonk_ops.operations.judging.comparison import compare, lease_of, query_of
from emonk_ops.operations.judging.ledger import SHADOW
from emonk_ops.operations.judging.samples import Sample
from emonk_ops.operations.judging.verdicts import Judgement
from emonk_ops.operations.judging.witnesses import ARRIVAL
from emonk_ops.operations.prerequisites import serving_revision
from emonk_ops.operations.service_env import default_driver
from emonk_ops.ports import LogEntry
from emonk_ops.settings import Environment
from emonk_ops.tick.jobs import Job
from emonk_ops.toolbox import Toolbox

LOOK_SECONDS = 15.0  # one list call of the sixty a minute that the project has
SPARE_SECONDS = 30.0  # an entry arrives so long behind the end of its request at the latest
JUDGING_SHARE = 0.1  # of the time, at most, goes into jobs asked for and records judged again
# One line a tick: the one that has its metrics.
ENDED_TICKS = tuple(message for message, kind in TICKS.items() if kind != "running")


@dataclass
class PathFigures:
    """What one path did so far. Lateness is in seconds behind the slot."""

    ticks: int = 0
    runs: int = 0
    failed: int = 0
    worst: float = 0.0
    lateness: Sample = field(default_factory=Sample)

    def note(self, told: Decision) -> None:
        if told.decision == "execute":
            self.runs += 1
            self.lateness.add(told.lateness_seconds)
            self.worst = max(self.worst, told.lateness_seconds)
        elif told.decision == "end":
            self.failed += told.outcome in ("failed", "stuck")

    @property
    def median(self) -> float | None:
        return median(self.lateness.values) if self.lateness.values else None


@dataclass(frozen=True)
class Look:
    """One look. `judgement` is None while nothing can be judged; `trouble` says what was not had.

    `ticks` are the lines that end a tick and were not there before. `wait_seconds` is how long
    the next look has to wait for what this one cost.
    """

    at: datetime
    begin: datetime
    read_until: datetime
    caught_up: bool
    judgement: Judgement | None
    paths: Mapping[str, PathFigures]
    ticks: tuple[LogEntry, ...]
    trouble: str
    wait_seconds: float


class Watching:
    """Watches from `begin` on; with `settle`, from the first tick at which both paths drove."""

    def __init__(
        self, tools: Toolbox, begin: datetime, *, settle: bool = False, page: int = PAGE
    ) -> None:
        self._tools = tools
        self.begin = begin
        self._settle = settle
        self._spool = GrowingSpool()
        late = tools.env.attempt_deadline_seconds + SPARE_SECONDS
        query = query_of(tools.env)
        self._sweep = Sweep(tools.logs, query, since=begin, late_seconds=late, page=page)
        self._jobs: tuple[Job, ...] | None = None
        self._judgement: Judgement | None = None
        self._rest = 0  # looks without a judgement, after one that took long
        self.paths = {CRON: PathFigures(), LOOP: PathFigures()}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._spool.__exit__(kind, error, trace)

    def look(self) -> Look:
        """Read what is new and judge. Raises CloudError where the log cannot be read."""
        now = self._tools.clock.now()
        swept = self._sweep.look(now)
        self._count(self._spool.add(swept.entries))
        trouble = self._judge(swept)
        return Look(
            at=now,
            begin=self.begin,
            read_until=swept.until,
            caught_up=swept.caught_up,
            judgement=self._judgement,
            paths=self.paths,
            ticks=tuple(one for one in swept.entries if one.message in ENDED_TICKS),
            trouble=trouble,
            wait_seconds=swept.calls * LOOK_SECONDS,
        )

    def _count(self, batch: Iterable[Record]) -> None:
        for told in batch:
            if isinstance(told, Decision):
                self.paths[CRON if told.path == CRON else LOOP].note(told)
            elif isinstance(told, Tick) and told.kind == "completed":
                if self._settle and told.driver == SHADOW:
                    self.begin, self._settle = told.at, False
                self.paths[CRON if told.path == CRON else LOOP].ticks += 1

    def _judge(self, swept: Swept) -> str:
        """Judge the window up to where nothing is still on its way. What was not had, in words."""
        if self._rest:
            self._rest -= 1
            return ""
        asking = Stopwatch()
        trouble = self._ask_for_jobs()
        until = swept.until - ARRIVAL
        if self._jobs is None or self._spool.span is None or until <= self.begin:
            return trouble
        env = self._tools.env
        self._judgement = compare(
            self._spool,
            self._jobs,
            env,
            since=self.begin,
            until=until,
            lease_seconds=lease_of(env),
            certified=False,
        ).judgement
        self._rest = math.floor(asking.seconds / (LOOK_SECONDS * JUDGING_SHARE))
        return trouble

    def _ask_for_jobs(self) -> str:
        """The definitions anew, for jobs come, change and end; the old ones where none come."""
        try:
            self._jobs = known_jobs(self._tools).jobs
        except NotOffered:
            raise
        except CloudError as error:
            kept = "those of an earlier look are used" if self._jobs is not None else "none yet"
            return f"the jobs could not be asked for ({kept}): {error.message}"
        return ""


def shadow_began(tools: Toolbox) -> datetime | None:
    """When the revision was made that both paths drive now; None while only one drives.

    A service without an admin API drives as the environment of its revision says.
    """
    try:
        state = tools.service.driver()
    except NotOffered:
        revision = serving_revision(tools)
        return revision.created_at if default_driver(revision.env) == SHADOW else None
    if state.driver != SHADOW:
        return None
    return tools.run.describe_revision(state.revision).created_at


def ticks_query(env: Environment) -> str:
    """The lines that end a tick, of either path."""
    service = env.service.name
    lines = " OR ".join(f'jsonPayload.message="{message}"' for message in ENDED_TICKS)
    own = f'resource.type="cloud_run_revision" AND resource.labels.service_name="{service}"'
    return f"{own} AND ({lines})"

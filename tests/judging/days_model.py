"""A service reviewed after days of it: its log made day by day as it is read, and its journal."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from functools import lru_cache
from pathlib import Path

from emonk_ops.monitoring_ports import Kind
from emonk_ops.operations.alerts.naming import labels
from emonk_ops.ports import LogEntry
from emonk_ops.rollout.book import Book, Heading
from emonk_ops.rollout.checks import Words
from emonk_ops.rollout.events import Silent
from emonk_ops.rollout.evidence import EvidenceFolder
from emonk_ops.rollout.identity import identify
from emonk_ops.rollout.journal import Journal
from emonk_ops.rollout.lock import Lock
from emonk_ops.rollout.review import ReviewReport, review
from emonk_ops.settings import Environment, Target
from emonk_ops.testing import InMemoryPorts, InMemoryWorld, ManualClock
from emonk_ops.testing.log_query import matcher
from emonk_ops.toolbox import Toolbox
from tests.judging.day_model import BEGIN, Day

DAY = timedelta(days=1)
SAID = {
    "team-comfortable": "all four have been on call with it",
    "documentation-complete": "read by Ann, corrected",
}


class SeededLogs:
    """See `emonk_ops.ports.Logs`. `planted` has the defect of a day by its number, 0 the first.

    `silent` are days of which the log has nothing any more.
    """

    def __init__(self, planted: Mapping[int, tuple[str, range]], silent: frozenset[int]) -> None:
        self._planted = planted
        self._silent = silent
        # Times whose ticks were asked for.
        self.asked: list[tuple[datetime, datetime]] = []

    def entries(
        self,
        query: str,
        *,
        since: datetime,
        until: datetime | None = None,
        newest_first: bool = False,
        limit: int | None = None,
    ) -> Iterator[LogEntry]:
        assert until is not None
        assert not newest_first
        if "severity" not in query:
            self.asked.append((since, until))
        matches = matcher(query)
        found = (one for one in self._between(since, until) if matches(one))
        return itertools.islice(found, limit)

    def tail(self, _query: str) -> Iterator[LogEntry]:
        return iter(())

    def _between(self, since: datetime, until: datetime) -> Iterator[LogEntry]:
        for number in range(max(0, (since - BEGIN) // DAY), (until - BEGIN) // DAY + 1):
            defect, at = self._planted.get(number, ("", range(0)))
            if number in self._silent:
                continue
            for one in _day(number, defect, at):
                if since <= one.timestamp < until:
                    yield one


@lru_cache(maxsize=6)
def _day(number: int, defect: str, at: range) -> list[LogEntry]:
    return Day(
        defect=defect,
        at=at,
        seed=number,
        begin=BEGIN + number * DAY,
        first=int(number > 0),
        instance=f"i{number}",
    ).entries()


def write_export(path: Path, begin: datetime, days: int) -> None:
    """So many healthy days from `begin` on as an export has them, one entry a line."""
    with path.open("w") as file:
        for number in range(days):
            day = Day(
                seed=number,
                begin=begin + number * DAY,
                first=int(number > 0),
                instance=f"i{number}",
            )
            for one in day.entries():
                file.write(json.dumps(_exported(one)) + "\n")


def _exported(entry: LogEntry) -> dict[str, object]:
    own = dict(entry.resource)
    told: dict[str, object] = {
        "insertId": entry.insert_id,
        "timestamp": entry.timestamp.isoformat(),
        "severity": entry.severity,
        "logName": f"projects/p/logs/{entry.log.replace('/', '%2F')}",
        "resource": {"type": own.pop("type"), "labels": own},
    }
    if entry.http:
        http = dict(entry.http)
        return {**told, "httpRequest": {"latency": f"{http.pop('latency_seconds')}s", **http}}
    return {**told, "jsonPayload": dict(entry.payload)}


class Service:
    """In production, cut over in time for a first whole day from `BEGIN` on."""

    def __init__(
        self,
        folder: Path,
        planted: Mapping[int, tuple[str, range]] | None = None,
        silent: frozenset[int] = frozenset(),
    ) -> None:
        self.world = InMemoryWorld(jobs=())
        ports = InMemoryPorts(self.world)
        self.logs = SeededLogs(planted or {}, silent)
        ports.logs = self.logs  # type: ignore[assignment]
        self.ports = ports
        self.env = Environment(
            "production", Target.SANDBOX, "p", cadence="* * * * *", time_zone="UTC"
        )
        self.clock = ManualClock(BEGIN - timedelta(hours=7))
        names = (f"run{number}" for number in itertools.count(1))
        self.book = Book(
            journal=Journal(folder / "journal.jsonl", clock=self.clock),
            lock=Lock(folder / "lock.json", clock=self.clock),
            who=identify({"EMONK_ACTOR": "ann"}, ("emonk-ops",)),
            new_run_id=lambda: f"{next(names)}-{len(self.book.journal.records())}",
        )
        self.evidence = EvidenceFolder(folder / "evidence")
        self.tools = Toolbox(self.env, ports, folder, evidence=self.evidence)
        self.policy = str(self._policy()["name"])

    def cut_over(self) -> None:
        """Stage 4 passes, seven hours before the first day."""
        with self.book.locked_run(Heading("stage", "stage 4", 4)):
            pass

    def validate(
        self, days: int, *, over: float | None = None, words: Mapping[str, str] = SAID
    ) -> ReviewReport:
        """When `over` days are over, and ten minutes; all of them by itself."""
        now = BEGIN + (days if over is None else over) * DAY + timedelta(minutes=10)
        self.clock.set(now)
        self.world.clock.set(now)
        return review(
            self.tools, self.book, days=days, since=None, words=Words(words), observer=Silent()
        )

    def _policy(self) -> Mapping[str, object]:
        return self.ports.monitoring.create(
            Kind.POLICY, {"displayName": "Scheduler lag", "userLabels": labels(self.env, "lag")}
        )

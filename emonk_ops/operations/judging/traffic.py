"""Requests to the other endpoints of the service, a bounded number of their latencies kept."""

from __future__ import annotations

import math
import random
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from urllib.parse import urlsplit

from emonk_ops.operations.analysis.reading import REQUESTS
from emonk_ops.ports import LogEntry, Logs
from emonk_ops.settings import OPERATOR_AGENT, Environment, ServiceSettings

MOST_KEPT = 400  # latencies of one endpoint and stretch of time
MOST_ENDPOINTS = 30
OTHERS = "others"
SHORTEST_SECONDS = 0.01  # below it a latency is the machine's noise
SLICES = 12
SLICE_LIMIT = 1_000  # one list call
# Parts of a path that name one thing of many: numbers, UUIDs, long hexadecimal names.
_NAMES_ONE = re.compile(r"\d+|[0-9a-fA-F-]{16,}")


@dataclass
class Reservoir:
    """An even choice of all values that were added."""

    values: list[float] = field(default_factory=list)
    n: int = 0

    def add(self, value: float, rng: random.Random) -> None:
        self.n += 1
        if len(self.values) < MOST_KEPT:
            self.values.append(value)
            return
        place = rng.randrange(self.n)
        if place < MOST_KEPT:
            self.values[place] = value


@dataclass
class Stretch:
    """The requests of one stretch of time: logarithms of their latencies by kind, and their sums.

    A kind is method, path and class of status. What failed with 5xx is counted, not timed.
    """

    begin: datetime
    end: datetime
    kinds: dict[str, Reservoir] = field(default_factory=dict)
    n: int = 0
    failed: int = 0

    def add(self, kind: str, latency_seconds: float, status: int, rng: random.Random) -> None:
        self.n += 1
        if status >= 500:
            self.failed += 1
            return
        if kind not in self.kinds and len(self.kinds) >= MOST_ENDPOINTS:
            kind = OTHERS
        kept = self.kinds.setdefault(kind, Reservoir())
        kept.add(math.log(max(latency_seconds, SHORTEST_SECONDS)), rng)


class Traffic:
    """Feed it entries of the request log, in any order; each belongs to the stretch of its time."""

    def __init__(self, service: ServiceSettings, stretches: Sequence[Stretch], seed: int) -> None:
        self._service = service
        self._stretches = stretches
        self._rng = random.Random(seed)
        self.left_out: Counter[str] = Counter()

    def feed(self, entries: Iterable[LogEntry]) -> None:
        for entry in entries:
            if entry.log != REQUESTS or not entry.http:
                continue
            at = entry.timestamp
            for stretch in self._stretches:
                if stretch.begin <= at < stretch.end:
                    self._put(entry, stretch)

    def _put(self, entry: LogEntry, stretch: Stretch) -> None:
        http = entry.http
        path = urlsplit(str(http.get("requestUrl", ""))).path
        why = self._why_left_out(path, str(http.get("userAgent", "")))
        if why:
            self.left_out[why] += 1
            return
        status = int(http.get("status", 0) or 0)
        kind = f"{http.get('requestMethod', '')} {_shape(path)} {status // 100}xx"
        stretch.add(kind, float(http.get("latency_seconds", 0.0)), status, self._rng)

    def _why_left_out(self, path: str, agent: str) -> str:
        service = self._service
        if path == service.tick_path:
            return "ticks"
        if path == service.admin_path or path.startswith(f"{service.admin_path}/"):
            return "admin"
        if agent == OPERATOR_AGENT:
            return "of emonk-ops"
        return "health probes" if path == service.health_path else ""


def requests_query(env: Environment) -> str:
    """The platform's request log of this service."""
    return (
        f'resource.type="cloud_run_revision" AND '
        f'resource.labels.service_name="{env.service.name}" AND log_id("{REQUESTS}")'
    )


def read_traffic(logs: Logs, query: str, begin: datetime, end: datetime) -> Iterable[LogEntry]:
    """The requests of a time; of a busy service the first thousand of each twelfth of it.

    So that it is read with twelve list calls of the sixty a minute, whatever the traffic is.
    """
    step = (end - begin) / SLICES
    for number in range(SLICES):
        since = begin + number * step
        until = end if number == SLICES - 1 else since + step
        yield from logs.entries(query, since=since, until=until, limit=SLICE_LIMIT)


def _shape(path: str) -> str:
    return "/".join("*" if _NAMES_ONE.fullmatch(part) else part for part in path.split("/"))

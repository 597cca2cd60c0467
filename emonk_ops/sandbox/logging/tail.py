"""TailLogEntries: new entries as they are written, buffered a little so that they come in order."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from google.cloud.logging_v2.types import TailLogEntriesResponse

from emonk_ops.sandbox.logging.entry_fields import nanoseconds
from emonk_ops.sandbox.logging.errors import exhausted, invalid
from emonk_ops.sandbox.logging.filter_match import Matcher, compile_filter
from emonk_ops.sandbox.logging.filter_parser import parse_filter
from emonk_ops.sandbox.logging.store import PAGE_BYTES, LogStore, project_of
from emonk_ops.sandbox.logging.subscription import Subscription
from emonk_ops.sandbox.logging.validation import projects_of

MAX_SESSIONS = 10
MAX_ENTRIES_A_MINUTE = 60_000
DEFAULT_BUFFER_SECONDS = 2.0
MAX_BUFFER_SECONDS = 60.0
RESPONSE_ENTRIES = 1000
_RAW: Any = TailLogEntriesResponse.pb()
_RATE_LIMIT, _NOT_CONSUMED = 1, 2  # TailLogEntriesResponse.SuppressionInfo.Reason


@dataclass(frozen=True)
class Wish:
    """What one tail request asks for; `buffer` in real seconds."""

    projects: tuple[str, ...]
    matches: Matcher
    buffer: float

    def admits(self, entry: Any) -> bool:
        return project_of(entry.log_name) in self.projects and self.matches(entry)


def wish_of(request: Any) -> Wish:
    """Read and check a raw TailLogEntriesRequest; raises Refusal."""
    buffer = DEFAULT_BUFFER_SECONDS
    if request.HasField("buffer_window"):
        buffer = nanoseconds(request.buffer_window) / 1e9
    if not 0 <= buffer <= MAX_BUFFER_SECONDS:
        raise invalid(f"buffer_window must be between 0 and {MAX_BUFFER_SECONDS:.0f} seconds")
    matches = compile_filter(parse_filter(request.filter))
    return Wish(tuple(projects_of(request.resource_names)), matches, buffer)


class _Quota:
    """How many entries one session may still get in this minute of the sandbox's clock."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now
        self._minute = now().replace(second=0, microsecond=0)
        self._spent = 0

    def admitted(self, wanted: int) -> int:
        minute = self._now().replace(second=0, microsecond=0)
        if minute != self._minute:
            self._minute, self._spent = minute, 0
        granted = min(wanted, MAX_ENTRIES_A_MINUTE - self._spent)
        self._spent += granted
        return granted


class TailSessions:
    """All open tails; at most ten a project, as on the platform."""

    def __init__(self, logs: LogStore, now: Callable[[], datetime]) -> None:
        self._logs = logs
        self._now = now
        self._open: Counter[str] = Counter()

    async def tail(self, requests: AsyncIterator[Any]) -> AsyncIterator[Any]:
        """Raw responses until the client goes; a later request replaces what is asked for."""
        first = await anext(requests, None)
        if first is None:
            raise invalid("A tail needs a first request with resource_names")
        wish = wish_of(first)
        crowded = [p for p in wish.projects if self._open[p] >= MAX_SESSIONS]
        if crowded:
            raise exhausted(f"Project '{crowded[0]}' already has {MAX_SESSIONS} open tail sessions")
        self._open.update(wish.projects)
        try:
            with self._logs.subscribe() as arrivals:
                async for response in self._responses(requests, wish, arrivals):
                    yield response
        finally:
            self._open.subtract(wish.projects)

    async def _responses(
        self, requests: AsyncIterator[Any], wish: Wish, arrivals: Subscription
    ) -> AsyncIterator[Any]:
        quota = _Quota(self._now)
        changed = asyncio.ensure_future(anext(requests, None))
        arrived = asyncio.ensure_future(arrivals.arrived())
        listening = {changed, arrived}
        try:
            while True:
                await asyncio.wait(listening, return_when=asyncio.FIRST_COMPLETED)
                if changed in listening and changed.done():
                    listening.discard(changed)
                    if (request := changed.result()) is not None:
                        wish = wish_of(request)
                        changed = asyncio.ensure_future(anext(requests, None))
                        listening.add(changed)
                if arrived.done():
                    await asyncio.sleep(wish.buffer)
                    listening.discard(arrived)
                    for response in _packed(*arrivals.take(), wish, quota):
                        yield response
                    arrived = asyncio.ensure_future(arrivals.arrived())
                    listening.add(arrived)
        finally:
            changed.cancel()
            arrived.cancel()


def _packed(entries: list[Any], dropped: int, wish: Wish, quota: _Quota) -> list[Any]:
    wanted = [entry for entry in entries if wish.admits(entry)]
    wanted.sort(key=lambda entry: (nanoseconds(entry.timestamp), entry.insert_id))
    granted = wanted[: quota.admitted(len(wanted))]
    responses: list[Any] = []
    weight = PAGE_BYTES
    for entry in granted:
        weight += entry.ByteSize()
        if weight > PAGE_BYTES or len(responses[-1].entries) == RESPONSE_ENTRIES:
            responses.append(_RAW())
            weight = entry.ByteSize()
        responses[-1].entries.append(entry)
    for reason, count in ((_RATE_LIMIT, len(wanted) - len(granted)), (_NOT_CONSUMED, dropped)):
        if count:
            responses = responses or [_RAW()]
            responses[-1].suppression_info.add(reason=reason, suppressed_count=count)
    return responses

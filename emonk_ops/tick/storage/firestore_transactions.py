"""One transaction a write: read under a lock, compare, commit. The guide's way, for comparison.

It asks three times as often as a batch does, and a rival waits for the lock instead of losing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from emonk_ops.tick.errors import StorageError
from emonk_ops.tick.storage import Outcome, Verdict
from emonk_ops.tick.storage.firestore_batches import Expectation
from emonk_ops.tick.storage.firestore_calls import FirestoreCalls
from emonk_ops.tick.storage.firestore_documents import version_of

TRIES = 5
AT_ONCE = 10
FIRST_PAUSE_SECONDS = 0.05


class Transactions:
    """Writes through transactions; at most `AT_ONCE` of one batch at a time."""

    def __init__(self, calls: FirestoreCalls) -> None:
        self._calls = calls

    async def write(self, writes: Sequence[Expectation]) -> list[Outcome]:
        """The outcome of each (Write message, expected version); none is raised."""
        room = asyncio.Semaphore(AT_ONCE)

        async def one(message: Any, version: str | None) -> Outcome:
            async with room:
                return await self._one(message, version)

        return await asyncio.gather(*(one(message, version) for message, version in writes))

    async def _one(self, message: Any, version: str | None) -> Outcome:
        code, retried = "ABORTED", b""
        for attempt in range(TRIES):
            if attempt:
                await self._calls.pause(FIRST_PAUSE_SECONDS * 2**attempt)
            try:
                retried, document = await self._calls.get_locked(message.update.name, retried)
                held = None if document is None else version_of(document.update_time)
                if held != version:
                    await self._give_up(retried)
                    return Outcome(Verdict.CONFLICT)
                done = await self._calls.commit([message], retried)
            except StorageError as error:
                code = error.code
                if code != "ABORTED":
                    # What never arrived would hold its lock for a minute.
                    await self._give_up(retried)
                    break
            else:
                return Outcome(Verdict.OK, version_of(done.write_results[0].update_time))
        return Outcome(Verdict.UNCLEAR, code=code)

    async def _give_up(self, transaction: bytes) -> None:
        if not transaction:
            return
        try:
            await self._calls.rollback(transaction)
        except StorageError:
            # It is over, or its locks end by themselves.
            return

"""Writes of one moment in one call: the claims of a round and the results of the last one."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Generic, TypeVar

from emonk_ops.tick.storage import Outcome

T = TypeVar("T")


@dataclass(slots=True)
class _Asked(Generic[T]):
    """The writes of one caller, who waits for their outcomes."""

    writes: Sequence[T]
    answer: asyncio.Future[list[Outcome]]


class Together(Generic[T]):
    """Callers of `write` at the same moment share a call of `make`, which gets all their writes.

    `make` gives the outcomes in order; what it raises, every caller of that moment gets.
    """

    def __init__(self, make: Callable[[Sequence[T]], Awaitable[Sequence[Outcome]]]) -> None:
        self._make = make
        self._asked: list[_Asked[T]] = []
        self._under_way: set[asyncio.Task[None]] = set()

    async def write(self, writes: Sequence[T]) -> list[Outcome]:
        """The outcomes of these writes, in order."""
        loop = asyncio.get_running_loop()
        if not self._asked:
            loop.call_soon(self._begin)
        asked = _Asked(writes, loop.create_future())
        self._asked.append(asked)
        return await asked.answer

    def _begin(self) -> None:
        asked, self._asked = self._asked, []
        task = asyncio.get_running_loop().create_task(self._answer(asked))
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)

    async def _answer(self, asked: Sequence[_Asked[T]]) -> None:
        # The answer of a caller that was cancelled is done already.
        try:
            made = await self._make([write for one in asked for write in one.writes])
        except Exception as error:
            for one in asked:
                if not one.answer.done():
                    one.answer.set_exception(error)
            return
        outcomes = iter(made)
        for one in asked:
            own = list(islice(outcomes, len(one.writes)))
            if not one.answer.done():
                one.answer.set_result(own)

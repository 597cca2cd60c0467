"""Instants of the store in whole microseconds since 1970, and their Timestamps."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from emonk_ops.sandbox.firestore.errors import invalid


class CommitClock:
    """The world's time, made strictly monotonic: no commit shares its microsecond with another,
    or with a read that did not see it.
    """

    def __init__(self, now_nanoseconds: Callable[[], int]) -> None:
        self._now = now_nanoseconds
        self.last = 0

    def read(self) -> int:
        """The moment of a read: every later commit is later than this."""
        self.last = max(self.last, self._now() // 1000)
        return self.last

    def commit(self) -> int:
        """The moment of a commit, after all reads and commits before it."""
        self.last = max(self.last + 1, self._now() // 1000)
        return self.last

    def seen(self, moment: int) -> None:
        """Nothing that is stored may be later than what comes."""
        self.last = max(self.last, moment)


def put_stamp(stamp: Any, moment: int) -> None:
    """Set a Timestamp."""
    seconds, rest = divmod(moment, 1_000_000)
    stamp.seconds = seconds
    stamp.nanos = rest * 1000


def moment_of(stamp: Any) -> int:
    """Of a Timestamp that a client sent. Raises Refusal for what is finer than a microsecond."""
    if stamp.nanos % 1000:
        raise invalid("timestamp cannot have more than microseconds precision")
    return int(stamp.seconds) * 1_000_000 + int(stamp.nanos) // 1000

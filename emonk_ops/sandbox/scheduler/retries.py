"""When a failed execution is tried again (RetryConfig of google.cloud.scheduler.v1)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any


def backoff_before(retry: Any, count: int) -> timedelta:
    """The pause before retry number `count` (from 0) of a raw RetryConfig.

    It doubles `max_doublings` times, then grows by the same step, up to the maximum.
    """
    shortest = _seconds(retry.min_backoff_duration)
    doublings = min(count, retry.max_doublings)
    pause = shortest * 2**doublings * (count - doublings + 1)
    return timedelta(seconds=min(pause, _seconds(retry.max_backoff_duration)))


def may_retry(retry: Any, count: int, elapsed: timedelta) -> bool:
    """Whether retry number `count` (from 0) is still due, `elapsed` after the first attempt.

    With a count and a duration both limits must be reached before it ends.
    """
    limit = _seconds(retry.max_retry_duration)
    in_time = limit > 0 and elapsed.total_seconds() < limit
    return bool(count < retry.retry_count) or in_time


def _seconds(duration: Any) -> float:
    return float(duration.seconds + duration.nanos / 1e9)

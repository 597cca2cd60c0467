"""Asking again until it is so, on the environment's clock."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import TypeVar

from emonk_ops.clock import Clock, sleep

T = TypeVar("T")


def ask_until(
    clock: Clock,
    ask: Callable[[], T],
    good: Callable[[T], bool],
    *,
    seconds: float,
    every: float = 0.5,
) -> T:
    """The first answer that is good, or the last one when `seconds` have passed."""
    deadline = clock.now() + timedelta(seconds=seconds)
    while True:
        answer = ask()
        if good(answer) or clock.now() >= deadline:
            return answer
        sleep(clock, every)

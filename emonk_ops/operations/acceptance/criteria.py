"""The thresholds of the day after a cutover: the guide's, where it names them."""

from __future__ import annotations

from dataclasses import dataclass

STRETCH_LEAST_SECONDS = 300.0
STRETCH_TICKS = 3


@dataclass(frozen=True)
class Criteria:
    """Rates are shares of 1, times are seconds. The second block is for one stretch of the soak."""

    error_rate: float = 0.01
    latency_p99_seconds: float = 2.0
    storage_error_rate: float = 0.001

    burst_failures: int = 2  # failed ticks or jobs in one stretch, and
    burst_rate: float = 0.05  # their share
    slow_ticks: int = 2  # ticks slower than latency_p99_seconds in one stretch
    stretch_storage_error_rate: float = 0.01


def stretch_seconds(interval_seconds: float) -> float:
    """How long a look's stretch is: the same for who waits and for who comes back after hours."""
    return max(STRETCH_LEAST_SECONDS, STRETCH_TICKS * interval_seconds)

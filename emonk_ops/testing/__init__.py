"""The ports in memory, for tests of whatever is built on them: one small world a test.

They pass the contract that the adapters to Google Cloud pass (`tests/contract/test_ports.py`).
"""

from __future__ import annotations

from emonk_ops.testing.clock import ManualClock
from emonk_ops.testing.ports import InMemoryPorts
from emonk_ops.testing.world import BROKEN_IMAGE, ILL_IMAGE, SERVICE_ENV, InMemoryWorld

__all__ = [
    "BROKEN_IMAGE",
    "ILL_IMAGE",
    "SERVICE_ENV",
    "InMemoryPorts",
    "InMemoryWorld",
    "ManualClock",
]

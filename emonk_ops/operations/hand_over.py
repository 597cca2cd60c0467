"""From one revision to the next where both share one store: nothing is carried."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from emonk_ops.errors import NotOffered
from emonk_ops.operations.activation import activated, persistently
from emonk_ops.operations.carry import wait_for_health
from emonk_ops.toolbox import Toolbox


def hand_over(tools: Toolbox, switch: Callable[[], str], *, driver_after: str) -> dict[str, Any]:
    """The old revision drives until the new one serves, is healthy, and takes the next epoch.

    What the old one has in hand it may finish under its leases; it begins nothing more.
    """
    try:
        before = tools.service.driver()
    except NotOffered:
        return {"revision": switch(), "carried": False, "why": "the service has no admin API"}
    revision = switch()
    wait_for_health(tools, revision)
    state = persistently(tools, lambda: activated(tools, driver_after, before.epoch + 1))
    return {
        "revision": revision,
        "shared": True,
        "driver": state.driver,
        "epoch": state.epoch,
        "driver_before": before.driver,
    }

"""Who drives, brought about: through a moment's trouble, and safe to repeat."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any, TypeVar

from emonk_ops.clock import sleep
from emonk_ops.errors import Conflict, NotOffered, Unreachable
from emonk_ops.operations import between
from emonk_ops.ports import DriverState
from emonk_ops.toolbox import Toolbox

T = TypeVar("T")
TROUBLE_SECONDS = 30.0


def ensure_driver(tools: Toolbox, driver: str, *, at_least: int = 0) -> dict[str, Any] | None:
    """The serving revision drives as `driver`; None when it already did.

    Its jobs are the true ones from then on: an export that an interrupted run left is only a
    record, and must never be imported later.
    """
    state = tools.service.driver()
    if _drives(state, driver):
        between.settle(tools)
        return None
    after = _activate(tools, driver, state, at_least)
    between.settle(tools)
    return {"driver": after.driver, "epoch": after.epoch, "before": state.driver}


def ensure_driver_if_offered(tools: Toolbox, driver: str) -> dict[str, Any] | None:
    """The same; None also where the service has no admin API, and its variables alone decide."""
    try:
        return ensure_driver(tools, driver)
    except NotOffered:
        return None


def activated(tools: Toolbox, driver: str, at_least: int) -> DriverState:
    """Safe to repeat when an answer was lost: an epoch that is there already is not passed."""
    state = tools.service.driver()
    if _drives(state, driver, at_least):
        return state
    return _activate(tools, driver, state, at_least)


def _activate(tools: Toolbox, driver: str, state: DriverState, at_least: int) -> DriverState:
    """A tick that came between may have made the revision take the drive on by itself."""
    try:
        return tools.service.activate(driver, expected_epoch=state.epoch, at_least=at_least)
    except Conflict:
        now = tools.service.driver()
        if _drives(now, driver, at_least):
            return now
        raise


def _drives(state: DriverState, driver: str, at_least: int = 0) -> bool:
    return state.driver == driver and state.role == "driving" and state.epoch >= at_least


def persistently(tools: Toolbox, call: Callable[[], T]) -> T:
    """A call that is safe to repeat, through a moment's trouble. Raises Unreachable after it."""
    deadline = tools.clock.now() + timedelta(seconds=TROUBLE_SECONDS)
    while True:
        try:
            return call()
        except Unreachable:
            if tools.clock.now() >= deadline:
                raise
            sleep(tools.clock, 1.0)

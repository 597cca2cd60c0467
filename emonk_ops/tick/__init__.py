"""The tick service: jobs that run when a tick says so.

    from emonk_ops.tick import CronScheduler, TickService, declare, handler, routes

Names are loaded when first used, so that the vocabulary (`jobs`, `ticks`) costs next to nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from emonk_ops.tick.app import routes
    from emonk_ops.tick.handlers import HandlerContext, HandlerRegistry, declare, handler
    from emonk_ops.tick.scheduler import CronScheduler
    from emonk_ops.tick.service import TickService

__all__ = [
    "CronScheduler",
    "HandlerContext",
    "HandlerRegistry",
    "TickService",
    "declare",
    "handler",
    "routes",
]

_HOMES = {
    "CronScheduler": "scheduler",
    "HandlerContext": "handlers",
    "HandlerRegistry": "handlers",
    "TickService": "service",
    "declare": "handlers",
    "handler": "handlers",
    "routes": "app",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)

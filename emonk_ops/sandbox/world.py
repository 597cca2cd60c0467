"""What every API of the sandbox shares: one clock, one store, one log, one identity provider."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Coroutine
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from emonk_ops.sandbox.clock import WorldClock
from emonk_ops.sandbox.log_store import LogStore
from emonk_ops.sandbox.oidc import Issuer
from emonk_ops.sandbox.store import Store

if TYPE_CHECKING:
    import grpc
    import httpx

    from emonk_ops.sandbox.doors import Doors
    from emonk_ops.sandbox.iam.access import Access
    from emonk_ops.sandbox.iam.policies import Policies

HOLD_HEADER = "x-emonk-hold"
"""Request header that lends a clock hold to the front (value: `Hold.token`)."""

_log = logging.getLogger(__name__)


class Api(Protocol):
    """One Google API of the sandbox: made by `routes.register(world)` of its folder."""

    def handlers(self) -> list[grpc.GenericRpcHandler[Any, Any]]:
        """What the gRPC server answers with; called once before `start`."""
        ...

    async def start(self) -> None:
        """Take up what was left in the store and start background work."""
        ...

    async def stop(self) -> None:
        """End background work; what must survive is in the store already."""
        ...

    async def reset(self) -> None:
        """Forget everything, as on the first start of an empty directory."""
        ...


@dataclass
class World:
    """Handed to each API. `grpc_address` and `http_url` are known before any API starts."""

    directory: Path
    clock: WorldClock
    store: Store
    logs: LogStore
    oidc: Issuer
    rng: random.Random
    http: httpx.AsyncClient
    http_url: str = ""
    grpc_address: str = ""
    doors: Doors | None = None
    access: Access | None = None
    policies: Policies | None = None
    _tasks: set[asyncio.Task[Any]] = field(default_factory=set)

    async def address_of(self, account: str) -> str:
        """Where a caller is `account`: host:port of its own gRPC door, else the common one."""
        if self.doors is None or not account:
            return self.grpc_address
        return await self.doors.address(account)

    def spawn(self, work: Coroutine[Any, Any, Any], name: str) -> asyncio.Task[Any]:
        """Run `work` beside; a failure is logged, and the task ends with the sandbox."""
        task = asyncio.get_running_loop().create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (failure := task.exception()) is not None:
            _log.error("background task %s failed", task.get_name(), exc_info=failure)

    async def cancel_tasks(self) -> None:
        """Cancel what is still running beside and wait for it to end."""
        tasks = [task for task in self._tasks if task is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

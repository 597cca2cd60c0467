"""Handlers: the code that jobs run, registered by type, and the jobs a module declares."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from emonk_ops.tick.clock import Clock
from emonk_ops.tick.errors import InvalidJob, UnknownHandler
from emonk_ops.tick.logs import Log
from emonk_ops.tick.schedules import Schedule


@dataclass(frozen=True)
class HandlerContext:
    """What a handler may know of the run it is in.

    `idempotency_key` is the same for every attempt at a slot; `fence` grows with every claim of
    the job, so a target that remembers the highest one can turn away a run that outlived its
    lease. `deadline` is when the handler is cancelled. `await once(effect)` is True the first
    time it is asked for that effect in this slot, and False in every later attempt.
    """

    job_id: str
    job_type: str
    payload: Mapping[str, Any]
    slot: datetime
    fence: int
    attempt: int
    idempotency_key: str
    deadline: datetime
    clock: Clock
    log: Log
    once: Callable[[str], Awaitable[bool]]


Handler = Callable[[HandlerContext], Awaitable[Mapping[str, Any] | None]]


@dataclass(frozen=True)
class DeclaredJob:
    """A job that is to exist wherever its module is loaded."""

    id: str
    type: str
    schedule: Schedule
    payload: Mapping[str, Any] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)


class HandlerRegistry:
    """Handlers by job type, and the declared jobs."""

    def __init__(self) -> None:
        self._handlers: dict[str, Handler] = {}
        self._declared: dict[str, DeclaredJob] = {}

    def handler(self, job_type: str) -> Callable[[Handler], Handler]:
        """Register a coroutine function for `job_type`. Raises InvalidJob for another function."""

        def register(function: Handler) -> Handler:
            if not inspect.iscoroutinefunction(function):
                raise InvalidJob(
                    f"the handler of '{job_type}' is not an async function.",
                    hint="Write 'async def'; hand blocking calls to asyncio.to_thread.",
                )
            known = self._handlers.get(job_type)
            if known is not None and _name(known) != _name(function):
                raise InvalidJob(
                    f"two handlers for '{job_type}': {_name(known)} and {_name(function)}.",
                    hint="Give one of them another job type.",
                )
            self._handlers[job_type] = function
            return function

        return register

    def declare(
        self,
        job_id: str,
        *,
        type: str,  # noqa: A002 - the word of the job's own description
        schedule: Mapping[str, Any],
        payload: Mapping[str, Any] | None = None,
        **options: Any,
    ) -> DeclaredJob:
        """Have a job `job_id` exist. Raises InvalidSchedule; `options` are fields of Job."""
        job = DeclaredJob(job_id, type, Schedule.from_dict(schedule), payload or {}, options)
        self._declared[job_id] = job
        return job

    def include(self, other: HandlerRegistry) -> None:
        """Take over the other registry's handlers and declared jobs."""
        self._handlers.update(other._handlers)
        self._declared.update(other._declared)

    def get(self, job_type: str) -> Handler:
        """The handler. Raises UnknownHandler naming those there are."""
        if job_type not in self._handlers:
            raise UnknownHandler(
                f"no handler for the job type '{job_type}'.",
                hint=f"Known here: {', '.join(self.types)}. Handlers come from SCHEDULER_HANDLERS.",
            )
        return self._handlers[job_type]

    def knows(self, job_type: str) -> bool:
        return job_type in self._handlers

    @property
    def types(self) -> tuple[str, ...]:
        """The known job types, sorted."""
        return tuple(sorted(self._handlers))

    @property
    def declared(self) -> Iterable[DeclaredJob]:
        """The declared jobs, in the order of their declaration."""
        return tuple(self._declared.values())


REGISTRY = HandlerRegistry()
handler = REGISTRY.handler
declare = REGISTRY.declare


def load_handlers(module: str, registry: HandlerRegistry = REGISTRY) -> HandlerRegistry:
    """Import the handlers module, whose decorators fill `registry`; "" loads none.

    Raises UnknownHandler when the module cannot be imported, with the error that it raised.
    """
    if module:
        try:
            importlib.import_module(module)
        except Exception as error:
            raise UnknownHandler(
                f"SCHEDULER_HANDLERS={module} cannot be imported: {type(error).__name__}: {error}.",
                hint="Is it on PYTHONPATH, or in the working directory of the service?",
            ) from error
    return registry


def _name(function: Handler) -> str:
    return f"{function.__module__}.{getattr(function, '__qualname__', function)}"

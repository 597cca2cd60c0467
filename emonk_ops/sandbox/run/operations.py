"""Long-running operations: kept in the store, awaited by WaitOperation."""

from __future__ import annotations

import asyncio
import contextlib
import uuid

from google.longrunning.operations_pb2 import Operation
from google.protobuf.any_pb2 import Any as AnyMessage

from emonk_ops.sandbox.run.errors import not_found
from emonk_ops.sandbox.run.state import RunState


class OperationLog:
    """Begins, ends and finds operations; `parent` is projects/P/locations/L."""

    def __init__(self, state: RunState) -> None:
        self._state = state
        self._ended: dict[str, asyncio.Event] = {}

    def begin(self, parent: str, metadata: AnyMessage) -> Operation:
        operation = Operation(name=f"{parent}/operations/{uuid.uuid4()}", metadata=metadata)
        self._state.put_operation(operation)
        self._ended[operation.name] = asyncio.Event()
        return operation

    def done(self, parent: str, result: AnyMessage) -> Operation:
        """An operation that was over before it was answered."""
        name = f"{parent}/operations/{uuid.uuid4()}"
        operation = Operation(name=name, metadata=result, response=result, done=True)
        self._state.put_operation(operation)
        return operation

    def succeed(self, name: str, result: AnyMessage) -> None:
        operation = self.get(name)
        operation.metadata.CopyFrom(result)
        operation.response.CopyFrom(result)
        self._end(operation)

    def fail(self, name: str, code: int, message: str) -> None:
        """`code` is a google.rpc code number."""
        operation = self.get(name)
        operation.error.code = code
        operation.error.message = message
        self._end(operation)

    def _end(self, operation: Operation) -> None:
        operation.done = True
        self._state.put_operation(operation)
        if (event := self._ended.pop(operation.name, None)) is not None:
            event.set()

    def get(self, name: str) -> Operation:
        operation = self._state.operation(name)
        if operation is None:
            raise not_found("Operation", name)
        return operation

    def under(self, parent: str) -> list[Operation]:
        return list(self._state.operations(f"{parent}/operations/"))

    async def wait(self, name: str, seconds: float) -> Operation:
        """The operation once it is done, or as it is after `seconds` of real time."""
        self.get(name)
        event = self._ended.get(name)
        if event is not None:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(event.wait(), seconds)
        return self.get(name)

    def abandon_unfinished(self) -> None:
        """What a sandbox that was killed left half done will not be finished under its name."""
        for operation in self._state.operations(""):
            if not operation.done:
                self.fail(operation.name, 10, "The sandbox was stopped while this was going on.")

"""What the rest of the sandbox needs of Cloud Logging: a place to write entries to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

# google.logging.v2 LogEntry as the plain protobuf message (`types.LogEntry.pb(...)`), whose class
# is made at run time and has no static type.
LogEntryMessage = Any


class LogStore(Protocol):
    """Implemented by the Logging API's own folder."""

    def write(self, entries: Sequence[LogEntryMessage]) -> None:
        """Keep the entries at once, without awaiting. Each has its `log_name`
        (`projects/P/logs/...`) and `resource`; a missing `insert_id` or `timestamp` is given,
        `receive_timestamp` is the world's now. Subscribers of a tail see them in this order.
        """
        ...

    def clear(self) -> None:
        """Forget every entry (`sandbox reset`)."""
        ...

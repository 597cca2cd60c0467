"""What the rest of the sandbox needs of Cloud Logging: a place to write entries to."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Protocol

# google.logging.v2 LogEntry as the plain protobuf message (`types.LogEntry.pb(...)`), whose class
# is made at run time and has no static type.
LogEntryMessage = Any


class LogStore(Protocol):
    """Implemented by the Logging API's own folder."""

    def write(self, entries: Iterable[LogEntryMessage]) -> int:
        """Keep the entries at once, without awaiting; answers how many were new. Each has its
        `log_name` (`projects/P/logs/...`) and `resource`; a missing `insert_id` or `timestamp` is
        given, `receive_timestamp` is the world's now. A tail sees them in this order.
        """
        ...

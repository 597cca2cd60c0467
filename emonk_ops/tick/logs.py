"""Log lines: one JSON object each, with the special fields of Cloud Logging.

A message is a constant, its data are fields. Every line is flushed before the call returns, so
that nobody who waits for the service can be ahead of what it said.
"""

from __future__ import annotations

import json
import logging
import sys
import traceback
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from emonk_ops.tick.clock import Clock
from emonk_ops.tick.instants import to_text
from emonk_ops.tick.texts import encodable, said_by

STORAGE_READY = "Scheduler storage initialized"
AGENT_CREATED = "Agent Core created"
TICK_RUNNING = "Running scheduler tick"
TICK_COMPLETED = "Scheduler tick completed"
TICK_FAILED = "Scheduler tick failed"
TICK_NOT_EXECUTED = "Scheduler tick not executed"
EXECUTING_JOB = "Executing job {id}"
JOB_SUCCEEDED = "Job succeeded"
JOB_FAILED = "Job failed"
JOB_DEAD = "Job dead"
JOB_RELEASED = "Job released"
JOB_RESCUED = "Job rescued"
JOB_SKIPPED = "Job slots skipped"
JOB_COALESCED = "Job slots coalesced"
JOB_UNRESOLVED = "Job type unknown"
JOB_UNREADABLE = "Job unreadable"
LEASE_LOST = "Lease lost"
STALE_COMPLETION = "Stale completion dropped"
STORAGE_FAILED = "Scheduler storage error"
DRIVER_CHANGED = "Scheduler driver changed"
LOOP_STARTED = "Legacy scheduler loop started"
LOOP_STOPPED = "Legacy scheduler loop stopped"
CANARY_EFFECT = "Canary effect"
FAIL_POINT = "Fail point: the instance ends here"
UNSAFE_SETTING = "Unsafe setting"
TICK_REFUSED = "Tick refused"
DECISION = "Scheduler decision"
WEBHOOK_REFUSED = "Webhook refused"
SHUTTING_DOWN = "Service shutting down"
SHUT_DOWN = "Service stopped"


def write_line(line: str) -> None:
    """To standard output, at once."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


class Log:
    """Writes entries by `write`, timed by `clock`, each with the `constant` fields."""

    def __init__(
        self,
        clock: Clock,
        write: Callable[[str], None] = write_line,
        constant: Mapping[str, Any] | None = None,
    ) -> None:
        self._clock = clock
        self._write = write
        self._constant = dict(constant or {})

    def bind(self, **constant: Any) -> Log:
        """A log whose entries carry these fields too."""
        return Log(self._clock, self._write, {**self._constant, **constant})

    def info(self, message: str, **fields: Any) -> None:
        self._entry("INFO", message, fields)

    def notice(self, message: str, **fields: Any) -> None:
        self._entry("NOTICE", message, fields)

    def warning(self, message: str, **fields: Any) -> None:
        self._entry("WARNING", message, fields)

    def error(self, message: str, exception: BaseException | None = None, /, **fields: Any) -> None:
        """`exception` adds its type and, for one that was not foreseen, its stack trace."""
        if exception is not None:
            fields.setdefault("error_type", type(exception).__name__)
            fields.setdefault("error", said_by(exception))
            fields.setdefault("stack_trace", "".join(traceback.format_exception(exception)))
        self._entry("ERROR", message, fields)

    def _entry(self, severity: str, message: str, fields: Mapping[str, Any]) -> None:
        entry = {
            "severity": severity,
            "message": message,
            "time": to_text(self._clock.now()),
            **self._constant,
            **fields,
        }
        self._write(encodable(ENCODER.encode(entry)))


class NumberedLog:
    """The lines by which ticks are judged: `sequence` counts those of one instance from 1.

    So a reader can tell whether a line is missing; `instance` is the name behind the last slash.
    """

    def __init__(self, log: Log, instance: str) -> None:
        self._log = log.bind(instance=instance.rpartition("/")[2])
        self.last = 0

    def info(self, message: str, **fields: Any) -> None:
        self._log.info(message, sequence=self._next(), **fields)

    def error(self, message: str, **fields: Any) -> None:
        self._log.error(message, sequence=self._next(), **fields)

    def _next(self) -> int:
        self.last += 1
        return self.last


class StandardLogs(logging.Handler):
    """Entries of the standard `logging` module, from libraries, in the form of our own."""

    def __init__(self, log: Log) -> None:
        super().__init__()
        self._log = log

    def emit(self, record: logging.LogRecord) -> None:
        say = self._log.error if record.levelno >= logging.ERROR else self._log.warning
        fields: dict[str, Any] = {"logger": record.name}
        if record.exc_info and record.exc_info[1] is not None:
            lines = traceback.format_exception(record.exc_info[1])
            fields["stack_trace"] = "".join(lines)
        say(record.getMessage(), **fields)


def _plain(value: object) -> str:
    return to_text(value) if isinstance(value, datetime) else str(value)


# One for all lines: to make an encoder takes a fifth of the time of a line.
ENCODER = json.JSONEncoder(default=_plain, ensure_ascii=False)

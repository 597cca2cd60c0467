"""A request to stop that never cuts a journal write in two."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from emonk_ops.errors import ExitCode, Interrupted


class Interruption:
    """Signals become `Interrupted`, raised in the main thread, at once or after a shielded write.

    A second request while the first is being dealt with calls `give_up`, which ends the process.
    """

    def __init__(self, give_up: Callable[[ExitCode], None]) -> None:
        self._give_up = give_up
        self._shields = 0
        self._pending: int | None = None
        self._raised = False

    def request(self, signum: int, _frame: object = None) -> None:
        """The signal handler."""
        if self._raised:
            self._give_up(_exit_code(signum))
            return
        self._pending = signum
        if not self._shields:
            self._raise()

    @contextmanager
    def shield(self) -> Iterator[None]:
        """Within, a request waits."""
        self._shields += 1
        try:
            yield
        finally:
            self._shields -= 1
        if not self._shields and self._pending is not None:
            self._raise()

    @contextmanager
    def listening(self) -> Iterator[None]:
        """SIGINT, SIGTERM and SIGHUP mean a request, until the end of the block."""
        wanted = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
        before = {signum: signal.signal(signum, self.request) for signum in wanted}
        try:
            yield
        finally:
            for signum, handler in before.items():
                signal.signal(signum, handler)

    def _raise(self) -> None:
        signum, self._pending, self._raised = self._pending, None, True
        stopped = Interrupted(f"stopped by {signal.Signals(signum or signal.SIGINT).name}")
        stopped.exit_code = _exit_code(signum or signal.SIGINT)
        raise stopped


def _exit_code(signum: int) -> ExitCode:
    return ExitCode.INTERRUPTED if signum == signal.SIGINT else ExitCode.TERMINATED

"""Ends the sandbox's children when the sandbox dies, however it dies.

Run as a script of its own with the read end of a pipe as standard input. Lines `+PID` and `-PID`
name process groups to end and to forget; the end of the input means that the sandbox is gone.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys


def reap() -> None:
    groups: set[int] = set()
    for line in sys.stdin:
        number = int(line[1:])
        if line[0] == "+":
            groups.add(number)
        else:
            groups.discard(number)
    for group in groups:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(group, signal.SIGKILL)


if __name__ == "__main__":
    # A Ctrl-C in the terminal is the sandbox's to act on.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    reap()

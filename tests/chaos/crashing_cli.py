"""The command line, killed with SIGKILL at its n-th journal event (before or after a write).

Usage: crashing_cli.py N ARGS…   N = 0 lets it live and prints how many events there were.
"""

from __future__ import annotations

import os
import signal
import sys

from emonk_ops.__main__ import main


class Killer:
    def __init__(self, at: int) -> None:
        self.at = at
        self.seen = 0

    def __call__(self, phase: str, sequence: int) -> None:
        self.seen += 1
        if self.seen == self.at:
            os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    killer = Killer(int(sys.argv[1]))
    code = main(sys.argv[2:], journal_listener=killer)
    sys.stderr.write(f"journal events: {killer.seen}\n")
    sys.exit(code)

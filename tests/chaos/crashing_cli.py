"""The command line, killed with SIGKILL at its n-th event of a kind: before or after it happens.

Usage: crashing_cli.py POINT ARGS…   POINT is N or journal:N for writes of the journal, call:N for
calls that change something in the cloud; each has two events. With 0 it lives; in the end it
prints how many events of each kind there were.
"""

from __future__ import annotations

import os
import signal
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from functools import wraps
from typing import Any, cast

from emonk_ops.cli.app import app
from emonk_ops.cli.collaborators import Collaborators, open_toolbox
from emonk_ops.rollout.guarded import CHANGES
from emonk_ops.toolbox import Ports, Toolbox

JOURNAL = "journal"
CALL = "call"


class Killer:
    def __init__(self, point: str) -> None:
        kind, _, number = point.rpartition(":")
        self._at = (kind or JOURNAL, int(number))
        self.seen: Counter[str] = Counter()

    def passes(self, kind: str, what: str) -> None:
        self.seen[kind] += 1
        if (kind, self.seen[kind]) == self._at:
            os.write(2, f"killed {what}\n".encode())
            os.kill(os.getpid(), signal.SIGKILL)

    def journal(self, phase: str, sequence: int) -> None:
        self.passes(JOURNAL, f"{phase} record {sequence}")


class _Watched:
    """A port whose changing calls are heard of, before and after."""

    def __init__(self, name: str, port: object, killer: Killer) -> None:
        self._name = name
        self._port = port
        self._killer = killer

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._port, name)
        if name not in CHANGES:
            return found

        @wraps(found)
        def change(*args: Any, **named: Any) -> Any:
            self._killer.passes(CALL, f"before {self._name}.{name}")
            answer = found(*args, **named)
            self._killer.passes(CALL, f"after {self._name}.{name}")
            return answer

        return change


class WatchedPorts:
    def __init__(self, ports: Ports, killer: Killer) -> None:
        self._ports = ports
        self._killer = killer

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._ports, name)
        return found if name == "clock" else _Watched(name, found, self._killer)


def watched(killer: Killer) -> Callable[..., Toolbox]:
    def open_watched(*args: Any, **named: Any) -> Toolbox:
        tools = open_toolbox(*args, **named)
        return replace(tools, ports=cast("Ports", WatchedPorts(tools.ports, killer)))

    return open_watched


def main() -> int:
    killer = Killer(sys.argv[1])
    os.environ.setdefault("TYPER_USE_RICH", "0")
    with_ = Collaborators(
        open_toolbox=watched(killer),
        journal_listener=killer.journal,
        argv=tuple(sys.argv[2:]),
    )
    try:
        app(args=sys.argv[2:], prog_name="emonk-ops", obj=with_)
    except SystemExit as ended:
        code = int(ended.code or 0)
    sys.stderr.write(f"journal events: {killer.seen[JOURNAL]}\n")
    sys.stderr.write(f"call events: {killer.seen[CALL]}\n")
    return code


if __name__ == "__main__":
    sys.exit(main())

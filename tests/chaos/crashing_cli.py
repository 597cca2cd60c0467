"""The command line, killed with SIGKILL at its n-th event of a kind: before or after it happens.

Usage: crashing_cli.py POINT ARGS…   POINT is N or journal:N for writes of the journal, call:N for
calls that change something in the cloud; each has two events. inside:N is the N-th call, killed a
moment after it was sent. local:N is the N-th act on the folder `agent`, killed right before it: a
command there, a file opened for writing, renamed, removed; running:N is the N-th such command
that is more than a question to git, killed while it runs. @WORDS is the first event that is told in
these words. With 0 it lives; in the end it prints how many events of each kind there were.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import wraps
from pathlib import Path
from typing import Any, cast

from emonk_ops.cli.app import app
from emonk_ops.cli.collaborators import Collaborators, open_toolbox
from emonk_ops.rollout.guarded import CHANGES
from emonk_ops.toolbox import Ports, Toolbox

JOURNAL = "journal"
CALL = "call"
INSIDE = "inside"
LOCAL = "local"
RUNNING = "running"
KINDS = (JOURNAL, CALL, INSIDE, LOCAL, RUNNING)
SOURCE = "agent"
ONLY_ASKS = ("rev-parse", "symbolic-ref", "status")  # what git is asked changes nothing
ON_ITS_WAY_SECONDS = 0.03  # sent, and mostly not answered yet; whichever it is must be borne


class Killer:
    def __init__(self, point: str) -> None:
        self._told = point[1:] if point.startswith("@") else ""
        kind, _, number = point.rpartition(":")
        self._at = (kind or JOURNAL, 0 if self._told else int(number))
        self.seen: Counter[str] = Counter()

    def passes(self, kind: str, what: str) -> None:
        self.seen[kind] += 1
        if (kind, self.seen[kind]) == self._at or (self._told and self._told in what):
            _die(what)

    @contextmanager
    def calling(self, what: str) -> Iterator[None]:
        self.passes(CALL, f"before {what}")
        self.seen[INSIDE] += 1
        inside = (INSIDE, self.seen[INSIDE]) == self._at
        if inside:
            threading.Timer(ON_ITS_WAY_SECONDS, _die, (f"inside {what}",)).start()
        yield
        if inside:
            _die(f"inside {what}, answered")
        self.passes(CALL, f"after {what}")

    def audited(self, event: str, args: tuple[Any, ...]) -> None:
        """What is about to be done to the folder of the source."""
        if event == "subprocess.Popen" and _in_source(args[2]):
            what = " ".join(str(word) for word in args[1][:3])
            self.passes(LOCAL, f"before {what}")
            if args[1][1] in ONLY_ASKS:
                return
            self.seen[RUNNING] += 1
            if (RUNNING, self.seen[RUNNING]) == self._at:
                threading.Timer(ON_ITS_WAY_SECONDS, _die, (f"while {what} ran",)).start()
        elif event == "os.rename" and _in_source(args[1]):
            self.passes(LOCAL, f"before renaming to {args[1]}")
        elif event == "os.remove" and _in_source(args[0]):
            self.passes(LOCAL, f"before removing {args[0]}")
        elif event == "open" and args[2] & (os.O_WRONLY | os.O_RDWR) and _in_source(args[0]):
            self.passes(LOCAL, f"before writing {args[0]}")

    def journal(self, phase: str, sequence: int) -> None:
        self.passes(JOURNAL, f"{phase} record {sequence}")


def _die(what: str) -> None:
    os.write(2, f"killed {what}\n".encode())
    os.kill(os.getpid(), signal.SIGKILL)


def _in_source(path: object) -> bool:
    if not isinstance(path, str | os.PathLike):
        return False
    return Path(path).absolute().is_relative_to(Path.cwd() / SOURCE)


def changes(name: str, args: tuple[Any, ...]) -> bool:
    """The end of a fault, and a tick that is asked for, change something too."""
    return name in CHANGES or name == "end" or (name == "probe" and args[:1] == ("POST",))


class _Watched:
    """A port whose changing calls are heard of, before and after."""

    def __init__(self, name: str, port: object, killer: Killer) -> None:
        self._name = name
        self._port = port
        self._killer = killer

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._port, name)
        if not callable(found):
            return found

        @wraps(found)
        def call(*args: Any, **named: Any) -> Any:
            if not changes(name, args):
                return found(*args, **named)
            with self._killer.calling(f"{self._name}.{name}"):
                return found(*args, **named)

        return call


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
    sys.addaudithook(killer.audited)
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
    for kind in KINDS:
        sys.stderr.write(f"{kind} events: {killer.seen[kind]}\n")
    return code


if __name__ == "__main__":
    sys.exit(main())

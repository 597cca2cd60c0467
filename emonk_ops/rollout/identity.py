"""Who runs this, and from where: on every record and on the lock."""

from __future__ import annotations

import getpass
import os
import socket
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Identity:
    """The actor of a run. `machine` tells whether a process id of it means anything here."""

    actor: str
    host: str
    machine: str
    pid: int
    terminal: bool
    ci_url: str
    argv: tuple[str, ...]

    def as_facts(self) -> dict[str, Any]:
        facts: dict[str, Any] = {
            "actor": self.actor,
            "host": self.host,
            "pid": self.pid,
            "tty": self.terminal,
        }
        return {**facts, "ci_url": self.ci_url} if self.ci_url else facts


def identify(environ: Mapping[str, str], argv: Sequence[str]) -> Identity:
    """EMONK_ACTOR names a person or pipeline; otherwise user@host."""
    host = socket.gethostname()
    return Identity(
        actor=environ.get("EMONK_ACTOR") or f"{_user()}@{host}",
        host=host,
        machine=f"{host} {_process_space()}".strip(),
        pid=os.getpid(),
        terminal=sys.stdin is not None and sys.stdin.isatty(),
        ci_url=_ci_url(environ),
        argv=tuple(argv),
    )


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"uid-{os.getuid()}"


def _process_space() -> str:
    """Two containers may share a host name; their process ids do not mean the same."""
    try:
        return os.readlink("/proc/self/ns/pid")
    except OSError:
        return ""


def _ci_url(environ: Mapping[str, str]) -> str:
    if environ.get("GITHUB_RUN_ID"):
        server = environ.get("GITHUB_SERVER_URL", "https://github.com")
        repository = environ.get("GITHUB_REPOSITORY", "")
        return f"{server}/{repository}/actions/runs/{environ['GITHUB_RUN_ID']}"
    return environ.get("CI_JOB_URL") or environ.get("BUILD_URL", "")

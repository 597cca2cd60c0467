"""Snapshots of a sandbox's directory: what is stored, and the clock's page."""

from __future__ import annotations

import re
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

from emonk_ops.sandbox import launcher
from emonk_ops.sandbox.endpoint import Endpoint, SandboxError, is_locked, read_endpoint

FOLDER = "snapshots"
STATE = "state.sqlite"
CLOCK = "clock"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


def names(directory: Path) -> list[str]:
    """The snapshots there are, sorted."""
    return sorted(one.name for one in (directory / FOLDER).glob("*") if (one / STATE).is_file())


def save(directory: Path, name: str) -> Path:
    """Keep the world under `name`, running or not; one of that name is replaced whole.

    Raises SandboxError for a name that cannot be one, or where there is no world.
    """
    if not _NAME.fullmatch(name):
        raise SandboxError(f"'{name}' cannot name a snapshot: letters, digits and . _ - may")
    if not (directory / STATE).is_file():
        raise SandboxError(f"{directory} holds no sandbox; start one with: emonk-ops sandbox up")
    kept, fresh = directory / FOLDER / name, directory / FOLDER / f".{name}.new"
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(parents=True)
    # The database's own copy: whole at one moment, whoever writes meanwhile.
    with (
        closing(sqlite3.connect(directory / STATE)) as source,
        closing(sqlite3.connect(fresh / STATE)) as copy,
    ):
        source.backup(copy)
    if (directory / CLOCK).is_file():
        shutil.copyfile(directory / CLOCK, fresh / CLOCK)
    shutil.rmtree(kept, ignore_errors=True)
    fresh.rename(kept)
    return kept


def restore(directory: Path, name: str) -> Endpoint | None:
    """Put a snapshot in the place of the world; one that ran runs again, on its addresses.

    Raises SandboxError naming the snapshots there are.
    """
    kept = directory / FOLDER / name
    if name not in names(directory):
        there = ", ".join(names(directory)) or "none"
        raise SandboxError(f"there is no snapshot '{name}'; there are: {there}")
    ran = read_endpoint(directory) if is_locked(directory) else None
    launcher.end(directory)
    for suffix in ("", "-wal", "-shm"):
        (directory / f"{STATE}{suffix}").unlink(missing_ok=True)
    shutil.copyfile(kept / STATE, directory / STATE)
    if (kept / CLOCK).is_file():
        shutil.copyfile(kept / CLOCK, directory / CLOCK)
    if ran is None:
        return None
    endpoint = launcher.launch(
        directory,
        clock=ran.clock,
        grpc_port=int(ran.grpc.rpartition(":")[2]),
        http_port=int(ran.http.rpartition(":")[2]),
    )
    launcher.wait_for_services(endpoint)
    return endpoint

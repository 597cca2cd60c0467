"""The servers that the benchmarks start beside themselves, and what to install for each."""

from __future__ import annotations

import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from emonk_ops.sandbox import launcher
from emonk_ops.tick.emulator import Emulator, EmulatorMissing

PEERS = ".venv/bin/pip install -e '.[bench]'"
PROGRAMS = ("initdb", "postgres", "createdb", "pg_isready")
USER = "postgres"
POSTGRES_FOLDERS = "/usr/lib/postgresql/*/bin"
STARTS_WITHIN_SECONDS = 30.0
PAUSE_SECONDS = 0.05


@dataclass
class Postgres:
    """A cluster of its own on a socket in a temporary folder, with PostgreSQL's own settings."""

    folder: str
    programs: Path
    pid: int = 0

    def __post_init__(self) -> None:
        self._numbers = count()

    def new_database(self) -> str:
        """An empty database; how to connect to it."""
        name = f"bench{next(self._numbers)}"
        argv = [str(self.programs / "createdb"), "-h", self.folder, "-U", "postgres", name]
        subprocess.run(argv, check=True, capture_output=True)
        return f"host={self.folder} user=postgres dbname={name}"


@contextmanager
def emulator() -> Iterator[Emulator | None]:
    """Google's Firestore emulator; None, and a line, where it is not installed."""
    try:
        running = Emulator().__enter__()
    except EmulatorMissing:
        leave_out(
            "Google's Firestore emulator", "gcloud components install cloud-firestore-emulator"
        )
        yield None
        return
    try:
        yield running
    finally:
        running.__exit__(None, None, None)


@dataclass(frozen=True)
class Embedded:
    """The sandbox's own Firestore: where it listens, and the process that serves it."""

    address: str
    pid: int


@contextmanager
def sandbox() -> Iterator[Embedded]:
    """An empty sandbox on the real clock."""
    with tempfile.TemporaryDirectory(prefix="bench-sandbox-") as folder:
        endpoint = launcher.launch(Path(folder) / "world", clock="real", empty=True)
        try:
            yield Embedded(endpoint.grpc, endpoint.pid)
        finally:
            launcher.end(Path(folder) / "world")


@contextmanager
def postgres() -> Iterator[Postgres | None]:
    """PostgreSQL; None, and a line, where it is not installed."""
    programs = _programs()
    if programs is None:
        leave_out("PostgreSQL", "apt-get install postgresql")
        yield None
        return
    with tempfile.TemporaryDirectory(prefix="bench-pg-") as folder:
        user = USER if os.getuid() == 0 else None
        if user is not None:
            os.chown(folder, pwd.getpwnam(user).pw_uid, -1)
        data = Path(folder) / "data"
        initdb = [str(programs / "initdb"), "-D", str(data), "-U", "postgres", "-A", "trust"]
        subprocess.run([*initdb, "--no-sync"], check=True, capture_output=True, user=user, cwd="/")
        server = subprocess.Popen(
            [str(programs / "postgres"), "-D", str(data), "-k", folder, "-c", "listen_addresses="],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            user=user,
            cwd="/",
        )
        try:
            _wait_for(programs, folder)
            yield Postgres(folder, programs, server.pid)
        finally:
            server.send_signal(signal.SIGINT)
            server.wait()


def installed(name: str, *modules: str) -> bool:
    """Whether the peer's modules are there; a line says so where they are not."""
    missing = [module for module in modules if importlib.util.find_spec(module) is None]
    if missing:
        leave_out(name, PEERS)
    return not missing


def leave_out(name: str, command: str) -> None:
    """Say what is missing and how to get it."""
    print(f"left out: {name}; it needs: {command}")


def _programs() -> Path | None:
    found = shutil.which("initdb")
    folders = [Path(found).parent] if found else []
    folders += sorted(Path("/").glob(POSTGRES_FOLDERS.lstrip("/")), reverse=True)
    for folder in folders:
        if all((folder / name).exists() for name in PROGRAMS) and _has_user():
            return folder
    return None


def _has_user() -> bool:
    """PostgreSQL refuses to run as root; its package brings a user for it."""
    return os.getuid() != 0 or USER in {entry.pw_name for entry in pwd.getpwall()}


def _wait_for(programs: Path, folder: str) -> None:
    give_up = time.monotonic() + STARTS_WITHIN_SECONDS
    ready = [str(programs / "pg_isready"), "-q", "-h", folder, "-U", "postgres"]
    while subprocess.run(ready, check=False).returncode:
        if time.monotonic() > give_up:
            raise RuntimeError(f"PostgreSQL did not answer within {STARTS_WITHIN_SECONDS:g} s.")
        time.sleep(PAUSE_SECONDS)

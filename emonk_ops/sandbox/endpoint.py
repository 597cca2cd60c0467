"""The directory of a sandbox: its lock, and the file that says where a running one listens."""

from __future__ import annotations

import fcntl
import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

DEFAULT_DIRECTORY = Path(".emonk-sandbox")
ENDPOINT_FILE = "endpoint.json"
LOCK_FILE = "lock"
OUTPUT_FILE = "sandbox.log"


class SandboxError(Exception):
    """The sandbox cannot do what was asked; the message names the thing and the next command."""


class AlreadyUp(SandboxError):
    """Another process runs a sandbox on this directory."""


class NotUp(SandboxError):
    """No sandbox runs on this directory."""


@dataclass(frozen=True)
class Endpoint:
    """Where a running sandbox listens. `grpc` is host:port, `http` is a URL."""

    directory: str
    pid: int
    grpc: str
    http: str
    clock: str


class DirectoryLock:
    """Held by the process that runs the sandbox; the system frees it when that process dies."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self._path = directory / LOCK_FILE
        self._directory = directory
        self._handle: int | None = None

    def acquire(self) -> None:
        handle = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(handle, 32).decode(errors="replace").strip() or "unknown"
            os.close(handle)
            raise AlreadyUp(
                f"{self._directory} is in use by the sandbox with process id {holder};"
                f" end it with: emonk-ops sandbox down --dir {self._directory}"
            ) from None
        os.ftruncate(handle, 0)
        os.pwrite(handle, f"{os.getpid()}\n".encode(), 0)
        self._handle = handle

    def release(self) -> None:
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None


def is_locked(directory: Path) -> bool:
    """True while a process runs a sandbox on `directory`."""
    try:
        handle = os.open(directory / LOCK_FILE, os.O_RDWR)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(handle)
    return False


def write_endpoint(directory: Path, endpoint: Endpoint) -> None:
    path = directory / ENDPOINT_FILE
    draft = path.with_suffix(".new")
    draft.write_text(json.dumps(asdict(endpoint), indent=2) + "\n")
    draft.replace(path)


def remove_endpoint(directory: Path) -> None:
    (directory / ENDPOINT_FILE).unlink(missing_ok=True)


def read_endpoint(directory: Path) -> Endpoint:
    """The address of the sandbox that runs on `directory`; NotUp when none does."""
    if is_locked(directory):
        try:
            return Endpoint(**json.loads((directory / ENDPOINT_FILE).read_text()))
        except (OSError, ValueError, TypeError):
            pass  # it is still starting, or already stopping
    raise NotUp(
        f"no sandbox runs on {directory}; start one with:"
        f" emonk-ops sandbox up --detach --dir {directory}"
    )

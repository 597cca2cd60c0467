"""Writes a file of somebody's work tree whole or not at all, and keeps its mode."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable
from pathlib import Path

from emonk_ops.errors import OpsError

BESIDE = ".emonk-ops-cleanup-"  # what a killed write leaves begins with this
NEW_FILE, OWNERS_FILE = 0o644, 0o600


def write(path: Path, content: bytes | None, new_mode: int = NEW_FILE) -> None:
    """None removes the file. Raises OpsError."""
    try:
        if content is None:
            path.unlink(missing_ok=True)
        else:
            _replace(path, content, new_mode)
    except OSError as error:
        raise OpsError(
            f"{path} cannot be written: {error.strerror}", hint="Check the folder's permissions"
        ) from error


def _replace(path: Path, content: bytes, new_mode: int) -> None:
    mode = path.stat().st_mode & 0o7777 if path.exists() else new_mode
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=BESIDE)
    with os.fdopen(handle, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    Path(name).chmod(mode)
    Path(name).replace(path)


def sweep(folders: Iterable[Path]) -> None:
    """Remove what writes left that were killed before they were whole."""
    for folder in set(folders):
        for path in folder.glob(f"{BESIDE}*"):
            path.unlink(missing_ok=True)

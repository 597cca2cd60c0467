"""The exported jobs on the operator's disk, while they are between two revisions."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from emonk_ops.errors import StateDamaged, StepFailed

FILE = "carry.json"
LAST_FILE = "carried-last.json"
CAPTURED_FILE = "captured-jobs.json"  # as a capture found them


@dataclass(frozen=True)
class Carried:
    """What was taken from a revision and has not been confirmed in another yet."""

    from_revision: str
    driver_before: str
    driver_after: str
    epoch: int
    quiesced_at: str
    document: Mapping[str, Any]
    as_of: str = ""  # of an older export, that stands in for a store which cannot be read


def save(keep: Path, carried: Carried, name: str = FILE) -> None:
    """Written beside and renamed, so that a crash leaves the old file or the new one.

    For the owner only: a job's payload may be confidential. Raises StepFailed.
    """
    try:
        _write(keep, carried, name)
    except OSError as error:
        raise StepFailed(
            f"the exported jobs could not be saved in {keep}: {error.strerror or error}",
            hint="Make room there, or set [state] dir, and run the same command again",
        ) from error


def _write(keep: Path, carried: Carried, name: str) -> None:
    keep.mkdir(parents=True, exist_ok=True)
    beside = keep / f"{name}.new"
    beside.unlink(missing_ok=True)
    handle = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w") as file:
        json.dump(asdict(carried), file)
        file.flush()
        os.fsync(file.fileno())
    beside.replace(keep / name)
    _keep_name(keep)


def _keep_name(folder: Path) -> None:
    """A rename is durable once its folder is."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def load(keep: Path) -> Carried | None:
    """None when nothing is between two revisions."""
    return _read(keep / FILE)


def load_last(keep: Path) -> Carried | None:
    """What was carried last, and arrived."""
    return _read(keep / LAST_FILE)


def all_kept(keep: Path) -> tuple[Carried, ...]:
    """Every export that this machine has."""
    found = (_read(keep / name) for name in (FILE, LAST_FILE, CAPTURED_FILE))
    return tuple(one for one in found if one is not None)


def _read(path: Path) -> Carried | None:
    try:
        text = path.read_text()
    except FileNotFoundError:
        return None
    try:
        return Carried(**json.loads(text))
    except (ValueError, TypeError) as error:
        raise StateDamaged(
            f"{path} is damaged: {error}",
            hint=f"It holds exported jobs. Look at it, then move it away: mv {path} {path}.damaged",
        ) from error


def settle(keep: Path) -> None:
    """Keep the last confirmed document as a record, under another name."""
    path = keep / FILE
    if path.exists():
        path.replace(keep / LAST_FILE)

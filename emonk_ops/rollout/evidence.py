"""Evidence: what a verdict was reached by, kept beside the journal, named there with its sum."""

from __future__ import annotations

import hashlib
import os
import re
from pathlib import Path

from emonk_ops.errors import NotFound, StateDamaged

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,120}")


class EvidenceFolder:
    """See `emonk_ops.toolbox.Evidence`. One file a name; written beside and renamed."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def save(self, name: str, blob: bytes) -> str:
        """Its SHA-256. Raises ValueError for a wrong name, StateDamaged without room."""
        path = self._path(name)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            beside = path.with_name(f"{path.name}.new")
            with open(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
                file.write(blob)
                file.flush()
                os.fsync(file.fileno())
            beside.replace(path)
        except OSError as error:
            raise StateDamaged(
                f"the evidence {name} could not be saved in {self._folder}: "
                f"{error.strerror or error}",
                hint="Make room there, or set [state] dir, and run the same command again",
            ) from error
        return hashlib.sha256(blob).hexdigest()

    def load(self, name: str) -> bytes:
        """Raises NotFound."""
        try:
            return self._path(name).read_bytes()
        except FileNotFoundError:
            raise NotFound(
                f"there is no evidence {name} in {self._folder}",
                hint="It is where the run was made: the same [state], or that machine",
            ) from None

    def _path(self, name: str) -> Path:
        if not NAME.fullmatch(name):
            raise ValueError(f"no name of evidence: {name!r}")
        return self._folder / name

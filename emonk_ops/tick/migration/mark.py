"""How far a migration has come, in a file that outlives the process."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from emonk_ops.tick.errors import TickError
from emonk_ops.tick.migration.sides import MigrationRefused
from emonk_ops.tick.storage import DriverRecord

FORMAT = "emonk-migration/1"


@dataclass(frozen=True, slots=True)
class Mark:
    """`driver` drove the source before, and shall drive the target (None: nobody ever said).

    `after` is the last id of the batch that arrived last. The epochs are those while nobody drives
    either side. `result` holds the facts of a migration that ended.
    """

    source: str
    target: str
    driver: DriverRecord | None
    quiesced_at: str = ""
    after: str = ""
    carried: int = 0
    source_epoch: int = 0
    target_epoch: int = 0
    result: dict[str, Any] = field(default_factory=dict)

    @property
    def ended(self) -> bool:
        return bool(self.result)


class MarkFile:
    """Written beside and renamed, so that a crash leaves the old mark or the new one."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def load(self) -> Mark | None:
        """None where no migration was begun. Raises MigrationRefused for a damaged file."""
        try:
            data = json.loads(self.path.read_text())
            if data.pop("format") != FORMAT:
                raise ValueError(f"format '{data}', expected '{FORMAT}'")
            driver = data.pop("driver")
            return Mark(**data, driver=None if driver is None else DriverRecord(**driver))
        except FileNotFoundError:
            return None
        except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
            raise MigrationRefused(
                f"{self.path} is damaged: {error}.",
                hint="Nothing was changed. Move it away; the source then has to be activated "
                "by hand if nobody drives it.",
                code="mark",
            ) from error

    def save(self, mark: Mark) -> None:
        """On the disk before this returns. Raises TickError."""
        beside = self.path.with_name(self.path.name + ".new")
        text = json.dumps({"format": FORMAT, **asdict(mark)}, indent=1)
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            handle = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(handle, "w") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            beside.replace(self.path)
            folder = os.open(self.path.parent, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
        except OSError as error:
            raise TickError(
                f"{self.path} could not be written: {error.strerror or error}.",
                hint="Make room there and run the same command again.",
            ) from error

    def remove(self) -> None:
        self.path.unlink(missing_ok=True)

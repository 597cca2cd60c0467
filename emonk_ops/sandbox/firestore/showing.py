"""Documents as they are answered: whole, or the masked fields only."""

from __future__ import annotations

from typing import Any

from emonk_ops.sandbox.firestore.collection import Stored
from emonk_ops.sandbox.firestore.disk import Document
from emonk_ops.sandbox.firestore.field_paths import NAME, Path, masked


def shown(stored: Stored, mask: tuple[Path, ...] | None) -> Any:
    """The Document itself where all of it is wanted."""
    return stored.message if mask is None else cut(stored.message, mask)


def cut(message: Any, mask: tuple[Path, ...] | None) -> Any:
    """A copy with the masked fields only."""
    if mask is None:
        return message
    part = Document(name=message.name)
    if message.HasField("create_time"):
        part.create_time.CopyFrom(message.create_time)
        part.update_time.CopyFrom(message.update_time)
    masked(message.fields, [path for path in mask if path != NAME], part.fields)
    return part

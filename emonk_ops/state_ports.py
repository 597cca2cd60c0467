"""The port of a database that keeps an environment's state: documents, compared and set."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

FieldValue = str | int | bytes | datetime
Fields = Mapping[str, FieldValue]


@dataclass(frozen=True)
class Document:
    """A document as it was read. `version` is the instant of its last write, by the database."""

    id: str
    fields: Fields
    version: datetime


class Documents(Protocol):
    """The documents of one environment. Paths are below its own: `journal/000000000001`.

    A write is tried again by itself where its answer was lost, so a Conflict may also speak of an
    earlier try of the same call: whoever gets one reads and looks whether it is their own.
    Raises CloudError: Unreachable, NotFound without a database, PermissionMissing, …
    """

    @property
    def where(self) -> str:
        """The place as in the settings: `firestore:PROJECT/DATABASE`."""
        ...

    def read(self, path: str) -> tuple[Document | None, datetime]:
        """The document, if it is there, and the database's time when it was read."""
        ...

    def read_from(self, collection: str, first: str) -> tuple[tuple[Document, ...], datetime]:
        """Documents with ids from `first` on, in the ids' order, and the database's time."""
        ...

    def create(self, path: str, fields: Fields) -> datetime:
        """The instant of the commit. Raises Conflict where the document is there already."""
        ...

    def replace(self, path: str, fields: Fields, version: datetime) -> datetime:
        """The instant of the commit. Raises Conflict where it is not of that version any more."""
        ...

    def put(self, path: str, fields: Fields) -> datetime:
        """Write it whatever is there; the instant of the commit."""
        ...

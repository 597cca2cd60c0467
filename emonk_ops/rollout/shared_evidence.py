"""Evidence in the database that several machines share, with a copy here."""

from __future__ import annotations

import hashlib
from contextlib import suppress
from pathlib import Path

from emonk_ops.errors import NotFound, StateDamaged, Unreachable
from emonk_ops.rollout.evidence import NAME, EvidenceFolder
from emonk_ops.state_ports import Document, Documents, Fields

COLLECTION = "evidence"
CHUNKS = "chunks"
CHUNK_BYTES = 400_000  # Firestore takes documents of 1 MiB; a slow line has to get it through


class SharedEvidence:
    """See `emonk_ops.toolbox.Evidence`.

    The chunks are named by what they hold, and the document of the name is written last: who reads
    finds the old evidence or the new one. What cannot be sent waits in a folder of its own.
    """

    def __init__(self, documents: Documents, folder: Path) -> None:
        self._documents = documents
        self._here = EvidenceFolder(folder)
        self._waiting = folder.with_name(f"{folder.name}-waiting")

    def save(self, name: str, blob: bytes) -> str:
        """Its SHA-256. Raises ValueError for a wrong name, StateDamaged without room."""
        digest = self._here.save(name, blob)
        EvidenceFolder(self._waiting).save(name, b"")
        with suppress(Unreachable):
            self.send_waiting()
        return digest

    def load(self, name: str) -> bytes:
        """Raises NotFound, StateDamaged for a copy that is not whole, and Unreachable."""
        try:
            here: bytes | None = self._here.load(name)
        except NotFound:
            here = None
        try:
            found, _ = self._documents.read(f"{COLLECTION}/{name}")
        except Unreachable:
            if here is None:
                raise
            return here
        if here is not None and (found is None or self._is_waiting(name)):
            return here
        if found is None:
            raise NotFound(
                f"there is no evidence {name} in {self._documents.where}",
                hint="What waits to be sent is on the machine where the run was made",
            )
        if here is not None and _digest(here) == found.fields["sha256"]:
            return here
        blob = self._whole(name, found)
        self._here.save(name, blob)
        return blob

    def send_waiting(self) -> None:
        """Send what could not be sent. Raises Unreachable."""
        for mark in sorted(self._waiting.glob("*")):
            if not NAME.fullmatch(mark.name) or mark.name.endswith(".new"):
                continue
            with suppress(NotFound):  # somebody removed it here: there is nothing to send
                self._send(mark.name, self._here.load(mark.name))
            mark.unlink(missing_ok=True)

    def _is_waiting(self, name: str) -> bool:
        return (self._waiting / name).exists()

    def _send(self, name: str, blob: bytes) -> None:
        digest = _digest(blob)
        starts = range(0, len(blob), CHUNK_BYTES)
        for number, start in enumerate(starts):
            piece = blob[start : start + CHUNK_BYTES]
            self._documents.put(f"{CHUNKS}/{digest}-{number:04d}", {"data": piece})
        fields: Fields = {"sha256": digest, "size": len(blob), "chunks": len(starts)}
        self._documents.put(f"{COLLECTION}/{name}", fields)

    def _whole(self, name: str, found: Document) -> bytes:
        digest, count = str(found.fields["sha256"]), int(str(found.fields["chunks"]))
        pieces: list[bytes] = []
        for number in range(count):
            piece, _ = self._documents.read(f"{CHUNKS}/{digest}-{number:04d}")
            data = piece.fields.get("data") if piece is not None else None
            pieces.append(data if isinstance(data, bytes) else b"")
        blob = b"".join(pieces)
        if _digest(blob) != digest:
            raise StateDamaged(
                f"the evidence {name} in {self._documents.where} is damaged: its sum is not "
                f"{digest}",
                hint="Bring the database back from a backup; the verdict it led to stays in the "
                "journal",
            )
        return blob


def _digest(blob: bytes) -> str:
    return hashlib.sha256(blob).hexdigest()

"""Services, revisions, images and operations, each kept in the store as it changes."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

from google.longrunning.operations_pb2 import Operation

from emonk_ops.sandbox.run.messages import Revision, Service, types
from emonk_ops.sandbox.run.spec import Image
from emonk_ops.sandbox.store import Store

BUNDLED_IMAGE = "emonk-agent"


class RunState:
    """What Cloud Run remembers. Getters return fresh messages; `put_*` keeps them."""

    def __init__(self, store: Store) -> None:
        self._store = store

    # -- services --------------------------------------------------------------------------

    def service(self, name: str) -> Service | None:
        raw = self._store.get("run.service", name)
        return None if raw is None else types.Service.deserialize(raw)

    def services(self, prefix: str = "") -> Iterator[Service]:
        for _, raw in self._store.list("run.service", prefix):
            yield types.Service.deserialize(raw)

    def locations(self, project: str) -> set[str]:
        """Where the project has services."""
        names = [name for name, _ in self._store.list("run.service", f"projects/{project}/")]
        return {name.split("/")[3] for name in names}

    def put_service(self, service: Service) -> None:
        self._store.put("run.service", service.name, types.Service.serialize(service))

    def delete_service(self, name: str) -> None:
        self._store.delete("run.service", name)
        for revision in list(self.revisions(f"{name}/revisions/")):
            self.delete_revision(revision.name)

    # -- revisions -------------------------------------------------------------------------

    def revision(self, name: str) -> Revision | None:
        raw = self._store.get("run.revision", name)
        return None if raw is None else types.Revision.deserialize(raw)

    def revisions(self, prefix: str = "") -> Iterator[Revision]:
        for _, raw in self._store.list("run.revision", prefix):
            yield types.Revision.deserialize(raw)

    def put_revision(self, revision: Revision) -> None:
        self._store.put("run.revision", revision.name, types.Revision.serialize(revision))

    def delete_revision(self, name: str) -> None:
        self._store.delete("run.revision", name)

    # -- operations ------------------------------------------------------------------------

    def operation(self, name: str) -> Operation | None:
        raw = self._store.get("run.operation", name)
        return None if raw is None else Operation.FromString(raw)

    def operations(self, prefix: str) -> Iterator[Operation]:
        for _, raw in self._store.list("run.operation", prefix):
            yield Operation.FromString(raw)

    def put_operation(self, operation: Operation) -> None:
        self._store.put("run.operation", operation.name, operation.SerializeToString())

    # -- ports -----------------------------------------------------------------------------

    def port(self, front: str) -> int:
        """The port that a front had last time, by its service's name (`#tag`); 0 for none."""
        return int(self._store.get("run.port", front) or b"0")

    def put_port(self, front: str, port: int) -> None:
        self._store.put("run.port", front, str(port).encode())

    # -- images ----------------------------------------------------------------------------

    def add_image(self, name: str, image: Image) -> None:
        content = {"command": image.command, "source": str(image.source) if image.source else None}
        self._store.put("run.image", name, json.dumps(content).encode())

    def images(self) -> dict[str, Image]:
        """All images by name, the bundled service among them."""
        found = {BUNDLED_IMAGE: Image((sys.executable, "-m", "emonk_ops.sandbox.agent"))}
        for name, raw in self._store.list("run.image"):
            content = json.loads(raw)
            source = Path(content["source"]) if content["source"] else None
            found[name] = Image(tuple(content["command"]), source)
        return found

    def image(self, reference: str) -> Image | None:
        """By the whole reference, else by its last part without tag and digest."""
        images = self.images()
        if reference in images:
            return images[reference]
        short = reference.rpartition("/")[2].partition("@")[0].partition(":")[0]
        return images.get(short)

"""Cloud Monitoring in memory: it keeps what it is given, and fires nothing by itself."""

from __future__ import annotations

import copy
from typing import Any

from emonk_ops.errors import Conflict, NotFound
from emonk_ops.monitoring_ports import Document, Incident, Kind
from emonk_ops.testing.world import InMemoryWorld

PROJECT = "projects/emonk-qa"
COLLECTIONS = {
    Kind.POLICY: "alertPolicies",
    Kind.CHANNEL: "notificationChannels",
    Kind.DASHBOARD: "dashboards",
}


class InMemoryMonitoring:
    """See `emonk_ops.monitoring_ports.Monitoring`. A test adds the incidents."""

    def __init__(self, world: InMemoryWorld) -> None:
        self._world = world
        self._kept: dict[Kind, dict[str, dict[str, Any]]] = {kind: {} for kind in Kind}
        self._made = 0
        self.happened: list[Incident] = []

    def listed(self, kind: Kind) -> tuple[Document, ...]:
        return tuple(copy.deepcopy(one) for one in self._kept[kind].values())

    def create(self, kind: Kind, document: Document) -> Document:
        kept = copy.deepcopy(dict(document))
        if kind is Kind.METRIC:
            if kept["name"] in self._kept[kind]:
                raise Conflict(f"metric {kept['name']} already exists")
        else:
            self._made += 1
            kept["name"] = f"{PROJECT}/{COLLECTIONS[kind]}/{self._made}"
        return self._put(f"create {kind}", kind, kept)

    def update(self, kind: Kind, document: Document) -> Document:
        before = self._existing(kind, str(document["name"]))
        if document.get("etag", before.get("etag")) != before.get("etag"):
            raise Conflict(f"{document['name']} was changed in between")
        return self._put(f"update {kind}", kind, copy.deepcopy(dict(document)))

    def delete(self, kind: Kind, name: str) -> None:
        self._existing(kind, name)
        users = self._kept[Kind.POLICY].values() if kind is Kind.CHANNEL else ()
        if any(name in one.get("notificationChannels", ()) for one in users):
            raise Conflict(f"{name} is used by a policy")
        with self._world.change(f"delete {kind}"):
            del self._kept[kind][name]

    def incidents(self) -> tuple[Incident, ...]:
        return tuple(self.happened[::-1])

    def write_entry(self, payload: Document) -> None:
        fields = {name: value for name, value in payload.items() if name != "message"}
        self._world.write(str(payload["message"]), severity="NOTICE", **fields)

    def _existing(self, kind: Kind, name: str) -> dict[str, Any]:
        if name not in self._kept[kind]:
            raise NotFound(f"there is no {kind} {name}")
        return self._kept[kind][name]

    def _put(self, call: str, kind: Kind, kept: dict[str, Any]) -> Document:
        with self._world.change(call):
            self._made += 1
            if kind is Kind.DASHBOARD:
                kept["etag"] = str(self._made)
            if kind in (Kind.POLICY, Kind.CHANNEL):
                kept.setdefault("enabled", True)
            self._kept[kind][kept["name"]] = kept
        return copy.deepcopy(kept)


class InMemoryStorageFaults:
    """See `emonk_ops.monitoring_ports.StorageFaults`. It keeps those in force, and hurts nobody."""

    def __init__(self, world: InMemoryWorld) -> None:
        self._world = world
        self._made = 0
        self.in_force: dict[str, tuple[str, str, str]] = {}  # method, code, account

    def begin(self, method: str, code: str, *, account: str, seconds: float) -> str:
        self._made += 1
        name = f"fault-{self._made}"
        with self._world.change("begin fault"):
            self.in_force[name] = (method, code, account)
        return name

    def end(self, fault: str) -> None:
        with self._world.change("end fault"):
            self.in_force.pop(fault, None)

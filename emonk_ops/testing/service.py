"""The running service in memory, as the operations reach it over HTTP."""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from emonk_ops.errors import CloudError, Conflict
from emonk_ops.ports import Answer, DriverState, Quiesced
from emonk_ops.testing.service_jobs import InMemoryServiceJobs
from emonk_ops.testing.world import InMemoryWorld

FORMAT = "emonk-jobs/1"


class InMemoryTickService(InMemoryServiceJobs):
    """See `emonk_ops.ports.TickService`. Without ADMIN_USERS there is no admin API."""

    def __init__(self, world: InMemoryWorld) -> None:
        super().__init__(world)

    def probe(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        *,
        tick_token: bool = False,
        operator_token: bool = False,
        audience: str = "",
    ) -> Answer:
        meant_for_it = not audience
        identified = (tick_token or operator_token) and meant_for_it
        answer = self._answered(method, path, tick_token and meant_for_it, identified)
        return replace(answer, at=self._world.clock.now())

    def _answered(self, method: str, path: str, tick_token: bool, identified: bool) -> Answer:
        if self._world.private and not identified:
            return replace(_answer(403, {}), text="<h1>Error: Forbidden</h1>", by="platform")
        if self._world.ill:
            return _answer(503, {"status": "broken"})
        match method, path:
            case "GET", "/health":
                return _answer(200, self._health())
            case "POST", "/cron/tick" if tick_token:
                return _answer(200, self._world.tick("emonk-ops"))
            case "POST", "/cron/tick" | "/webhook":
                return _answer(401, {"error": {"code": "unauthorized"}})
        return _answer(404, {"error": {"code": "not_found"}})

    def driver(self) -> DriverState:
        self._require_admin("GET /admin/driver")
        driver, epoch = self._world.record() or ("", 0)
        serving = self._world.serving
        by = (self._world.store.by or serving) if driver else ""
        return DriverState(driver, epoch, by, serving, self._world.role, 0, 0)

    def activate(self, driver: str, *, expected_epoch: int, at_least: int = 0) -> DriverState:
        state = self.driver()
        if driver in ("legacy", "shadow") and not self._world.has_loop():
            raise CloudError(f"driver {driver!r} needs the legacy loop")
        if state.epoch != expected_epoch:
            raise Conflict(f"the driver's epoch is {state.epoch}, not {expected_epoch}")
        with self._world.change("activate"):
            self._world.store.record = (driver, max(expected_epoch + 1, at_least))
            self._world.store.by = self._world.serving
        return self.driver()

    def quiesce(self, *, wait_seconds: float) -> Quiesced:
        state = self.driver()
        if state.driver != "nobody":
            with self._world.change("quiesce"):
                self._world.store.record = ("nobody", state.epoch + 1)
        return Quiesced(self.driver().epoch, state.driver, True, 0, 0)

    def export_jobs(self, *, seconds: float = 60.0) -> Mapping[str, Any]:
        self._require_admin("GET /admin/export")
        store = self._world.store
        jobs = [copy.deepcopy(store.jobs[name]) for name in sorted(store.jobs)]
        checksum = _checksum(jobs)
        return {
            "format": FORMAT,
            "checksum": checksum,
            "count": len(jobs),
            "held": [job["id"] for job in jobs if self._is_held(job)],
            "jobs": jobs,
        }

    def _is_held(self, job: Mapping[str, Any]) -> bool:
        until = job.get("lease_until")
        return until is not None and datetime.fromisoformat(until) > self._world.clock.now()

    def import_jobs(self, document: Mapping[str, Any]) -> Mapping[str, Any]:
        """A stored job stays where it has the higher fence."""
        self._require_admin("POST /admin/import")
        if document.get("checksum") != _checksum(document["jobs"]):
            raise Conflict(f"the checksum is {document.get('checksum')}, the jobs give another")
        counts = {"imported": 0, "unchanged": 0, "kept_newer": 0}
        store = self._world.store
        with self._world.change("import"):
            for job in document["jobs"]:
                kind = _kind(job, store.jobs.get(job["id"]))
                counts[kind] += 1
                if kind == "imported":
                    store.jobs[job["id"]] = copy.deepcopy(job)
        after = self.export_jobs()
        return {**counts, "count": after["count"], "checksum": after["checksum"]}

    def _health(self) -> dict[str, Any]:
        state = self._world.record() or ("", 0)
        serving = self._world.serving
        env = self._world.revision(serving).env
        return {
            "status": "ok",
            "revision": serving,
            "storage": {"kind": env.get("SCHEDULER_STORAGE"), "ok": True},
            "driver": {"driver": state[0], "epoch": state[1]},
            "paths": {"legacy_loop": self._world.has_loop(), "cron_tick": True},
        }


def _kind(job: Mapping[str, Any], stored: Mapping[str, Any] | None) -> str:
    if stored is None:
        return "imported"
    if stored == job:
        return "unchanged"
    return "kept_newer" if stored.get("fence", 0) > job.get("fence", 0) else "imported"


def _checksum(jobs: Sequence[Mapping[str, Any]]) -> str:
    text = json.dumps(jobs, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


def _answer(status: int, body: Mapping[str, Any]) -> Answer:
    return Answer(status=status, body=body, text=json.dumps(body), seconds=0.01, by="app")

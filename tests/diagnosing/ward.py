"""A service in the sandbox's virtual time, into which faults are planted and healed again."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from emonk_ops.access_ports import Binding
from emonk_ops.operations.diagnosing.diagnosis import Diagnosis, diagnose
from emonk_ops.operations.diagnosing.model import Issue
from emonk_ops.operations.diagnosing.seen import look
from emonk_ops.operations.tick_job import ensure_enabled, ensure_job
from emonk_ops.ports import DeployRequest, LogEntry, TrafficShare
from tests.rehearsal.injecting import ROOT, Operator, on_firestore, sandbox
from tests.rehearsal.log_lines import write_like

IMAGE = "night"
WINDOW = timedelta(minutes=16)  # three ticks of the cadence
EVERY_TICK = {"cron": "*/5 * * * *", "tz": "UTC"}
FIRESTORE = "google.firestore.v1.Firestore/"
OPERATOR = "user:operator@example.com"


class Ward:
    """Plants, waits and looks. `jobs` and `faults` are taken away by `clear`."""

    def __init__(self, operator: Operator) -> None:
        self.operator = operator
        self.tools = operator.tools
        self._jobs: list[str] = []
        self._faults: list[str] = []
        self.well = self.tools.run.describe_service().serving_revision
        self._access = self.tools.access.policy()
        self._door = self.tools.invokers.policy()

    def passes(self, time: timedelta) -> None:
        clock = self.tools.clock
        clock.sleep_until(clock.now() + time)

    def to_slot(self, seconds_after: float) -> None:
        """Until so many seconds behind the next tick."""
        now = self.tools.clock.now()
        slot = now.replace(minute=now.minute - now.minute % 5, second=0, microsecond=0)
        self.tools.clock.sleep_until(slot + timedelta(minutes=5, seconds=seconds_after))

    def diagnosis(self, window: timedelta = WINDOW) -> Diagnosis:
        """As the command does it, without its process."""
        seen = look(self.tools, window.total_seconds())
        return diagnose(seen, tuple(Issue))

    def types(self, *words: str) -> tuple[int, dict[str, Any]]:
        """The exit code, and the data of the envelope."""
        with self.operator.start(*words) as process:
            out, _err = process.communicate(timeout=120)
        return process.returncode, json.loads(out)["data"]

    def says(self, *words: str) -> tuple[int, str]:
        """The exit code, and the end of what was said."""
        with self.operator.start(*words) as process:
            out, err = process.communicate(timeout=120)
        return process.returncode, f"{err}{out}"[-500:]

    def repairs_in_journal(self) -> list[str]:
        """Ids of the repairs that changed something, of the newest run with one."""
        (path,) = (self.operator.folder / ".emonk-ops").glob("qa-*/journal.jsonl")
        records = [json.loads(line) for line in path.read_text().splitlines()]
        ended = [one for one in records if one["kind"] == "repair.step.ended"]
        newest = ended[-1]["run"] if ended else ""
        return [
            one["body"]["id"] for one in ended if one["run"] == newest and one["body"]["changed"]
        ]

    def job(
        self, job_id: str, kind: str, payload: dict[str, Any] | None = None, **more: Any
    ) -> None:
        wanted = {"id": job_id, "type": kind, "payload": payload or {}, "schedule": EVERY_TICK}
        self.tools.service.schedule_job({**wanted, "allow_unknown": True, **more})
        self._jobs.append(job_id)

    def fault(self, method: str, code: str = "", **more: Any) -> None:
        found = self.operator.control("faults", method=method, code=code, **more)
        self._faults.append(found["id"])

    def respecify(self, **changes: Any) -> None:
        job = self.tools.jobs.describe()
        assert job is not None
        self.tools.jobs.update(replace(job.spec, **changes))

    def serve(self, **request: Any) -> None:
        self.operator.serve(**request)

    def deploy(self, **request: Any) -> None:
        """A revision that nobody lets drive."""
        self.tools.run.deploy(DeployRequest(**request), timeout_seconds=60.0)

    def route(self, revision: str) -> None:
        share = TrafficShare(revision, 100)
        self.tools.run.route((share,), timeout_seconds=60.0)

    def image(self, name: str, *words: str) -> None:
        self.operator.control(
            "images", name=name, command=[sys.executable, *words], source=str(ROOT)
        )

    def shut_door(self, *members: str) -> None:
        """Only these may call the service."""
        policy = self.tools.invokers.policy()
        binding = Binding("roles/run.invoker", members)
        kept = (binding,) if members else ()
        self.tools.invokers.set_policy(replace(policy, bindings=kept))

    def revoke(self, role: str) -> None:
        policy = self.tools.access.policy()
        kept = tuple(one for one in policy.bindings if one.role != role)
        self.tools.access.set_policy(replace(policy, bindings=kept))

    def kill(self) -> None:
        revision = self.tools.run.describe_service().serving_revision
        self.operator.control("instances/kill", revision=revision)

    def newest(self, message: str, job_id: str = "") -> LogEntry:
        since = self.tools.clock.now() - timedelta(hours=1)
        query = f'jsonPayload.message="{message}"'
        if job_id:
            query += f' AND jsonPayload.job_id="{job_id}"'
        return next(iter(self.tools.logs.entries(query, since=since, newest_first=True, limit=1)))

    def write_like(self, like: LogEntry, *, at: datetime | None = None, **changes: Any) -> None:
        stamped = like if at is None else replace(like, timestamp=at - timedelta(seconds=1))
        write_like(self.tools, stamped, **changes)

    def clear(self) -> None:
        """The service as it was; what was planted is out of the window afterwards."""
        if self._faults:
            self.operator.control("faults/clear", ids=self._faults)
            self._faults = []
        self.tools.access.set_policy(replace(self._access, etag=self.tools.access.policy().etag))
        self.tools.invokers.set_policy(replace(self._door, etag=self.tools.invokers.policy().etag))
        self._serve_again()
        for one in self._jobs:
            self.tools.service.cancel_job(one)
        self._jobs = []
        ensure_job(self.tools)
        ensure_enabled(self.tools)
        self.passes(WINDOW + timedelta(minutes=5))

    def _serve_again(self) -> None:
        service = self.tools.run.describe_service()
        if {service.serving_revision, service.latest_created} != {self.well} or service.pinned:
            self.tools.run.route((TrafficShare("", 100),), timeout_seconds=60.0)
            env = {**SOUND, "TICK_AUDIENCE": service.uri}
            self.serve(image=IMAGE, min_instances=1, max_instances=1, env=env)
            self.well = self.tools.run.describe_service().serving_revision
        state = self.tools.service.driver()
        if state.driver != "cloud" or state.role != "driving":
            self.tools.service.activate("cloud", expected_epoch=state.epoch)


SOUND: dict[str, str | None] = {
    "SCHEDULER_STORAGE": "firestore",
    "SCHEDULER_HANDLERS": "tests.diagnosing.night_handlers",
    "SCHEDULER_LEASE_SECONDS": None,
    "SCHEDULER_CONCURRENCY": None,
    "SCHEDULER_LEGACY_LOOP": "false",
    "TICK_INVOKER": "emonk-scheduler@emonk-qa.iam.gserviceaccount.com",
}


@contextmanager
def ward(folder: Path, settle: Sequence[str] = (), *, stays: bool = False) -> Iterator[Ward]:
    """On Firestore, driven by Cloud Scheduler alone, ticks of a quarter of an hour behind it."""
    with sandbox(folder, stays=stays) as operator:
        on_firestore(operator)
        operator.control(
            "images",
            name=IMAGE,
            command=[sys.executable, "-m", "emonk_ops.sandbox.agent"],
            source=str(ROOT),
        )
        operator.serve(image=IMAGE, min_instances=1, max_instances=1, env=dict(SOUND))
        for job in operator.tools.service.list_jobs():
            if job["id"] in settle:
                operator.tools.service.cancel_job(str(job["id"]))
        found = Ward(operator)
        found.passes(WINDOW)
        yield found

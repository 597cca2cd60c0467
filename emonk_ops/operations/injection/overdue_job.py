"""A job in the past, one due now, one in the future, and an instant without a zone.

The clock of an instance cannot be set from outside: what skew does to a schedule is that a job
turns up late, or early, or with an instant that means something else.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import ClassVar

from emonk_ops.errors import CloudError
from emonk_ops.operations.injection import canary, expectations
from emonk_ops.operations.injection.injection import Injection
from emonk_ops.operations.injection.model import Facts, Observation, Plan, Radius
from emonk_ops.operations.injection.scene import PATIENCE, Scene
from emonk_ops.operations.injection.sightings import began, effects, executions, job_lines

VARIANTS = ("past", "now", "future")
SKEWS = ("10m", "1m", "1h", "1d")
SECONDS = {"10m": 600, "1m": 60, "1h": 3600, "1d": 86400}


class OverdueJob(Injection):
    name = "overdue-job"
    does = "schedules canaries 10 minutes in the past, now and in the future, and a naive instant"
    expects = "the overdue one runs on the next tick, once; the future one not before its time"
    choices: ClassVar[Mapping[str, tuple[str, ...]]] = {"skew": SKEWS}

    def plan(self, scene: Scene) -> Plan:
        return Plan(
            radius=Radius.CANARY,
            touches="three canary jobs",
            fault_seconds=(2 * scene.period + PATIENCE).total_seconds(),
            restore_seconds=10.0,
            heals="the canaries run and are finished",
            undo=tuple(canary.undo(self._id(scene, one)) for one in (*VARIANTS, "naive")),
        )

    def inject(self, scene: Scene) -> Facts:
        now = scene.now()
        first, second = scene.slots(now, 2)
        due = {
            "past": now - timedelta(seconds=SECONDS[scene.options["skew"]]),
            "now": now,
            "future": first + (second - first) / 2,
        }
        for variant, at in due.items():
            canary.once(scene.tools, self._id(scene, variant), at)
        return {
            "at": now.isoformat(),
            "due": {variant: at.isoformat() for variant, at in due.items()},
            "ticks": [first.isoformat(), second.isoformat()],
            "naive": self._naive(scene, now),
        }

    def landed(self, scene: Scene) -> Facts:
        """It lies in the store with an instant that has passed, or has run already."""
        job = scene.tools.service.job(self._id(scene, "past"))
        slot = datetime.fromisoformat(str(job["slot"]))
        if slot >= datetime.fromisoformat(scene.evidence["injected"]["at"]):
            scene.evidence["missed"] = f"the store has it at {slot.isoformat()}, not in the past"
            return {}
        return {"slot": str(job["slot"]), "state": job["state"], "due_at": job["due_at"]}

    def observe(self, scene: Scene) -> Facts:
        second = datetime.fromisoformat(scene.evidence["injected"]["ticks"][1])
        scene.wait(second + PATIENCE)
        return {"lines": job_lines(scene.tools, scene.canary, scene.began)}

    def judge(self, evidence: Facts) -> tuple[Observation, ...]:
        lines = evidence.get("observed", {}).get("lines", [])
        injected, name = evidence["injected"], evidence["canary"]
        first = datetime.fromisoformat(injected["ticks"][0])
        early = datetime.fromisoformat(injected["due"]["future"])
        past, now, future = (f"{name}-{one}" for one in VARIANTS)
        ran_early = [one for one in executions(lines, future) if began(one) < early]
        caught_up = "Job executes on next tick (catch-up logic works)"
        return (
            expectations.in_time(
                "catch-up", caught_up, effects(lines, past), first + PATIENCE, "its effect"
            ),
            expectations.ran_once("once", "An overdue job runs once", lines, past),
            expectations.ran_once("due-now", "A job due now runs once", lines, now),
            expectations.told(
                "never-early",
                "A job of the future does not run before its time",
                not ran_early,
                f"due {early:%H:%M:%S}Z, executions before: {len(ran_early)}",
            ),
            expectations.told(
                "naive-refused",
                "An instant without a time zone is refused",
                bool(injected["naive"]),
                injected["naive"] or "it was taken",
            ),
        )

    def _id(self, scene: Scene, variant: str) -> str:
        return f"{scene.canary}-{variant}"

    def _naive(self, scene: Scene, now: datetime) -> str:
        """How the service refuses it; "" when it does not."""
        wanted = {
            "id": self._id(scene, "naive"),
            "type": canary.TYPE,
            "schedule_at": (now + timedelta(days=1)).replace(tzinfo=None).isoformat(),
        }
        try:
            scene.tools.service.schedule_job(wanted)
        except CloudError as error:
            return error.message
        return ""

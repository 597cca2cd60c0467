"""Two ticks that never come: Cloud Scheduler is paused, and goes on afterwards."""

from __future__ import annotations

from datetime import datetime

from emonk_ops.operations.injection import canary, expectations
from emonk_ops.operations.injection.injection import Injection
from emonk_ops.operations.injection.model import Facts, Observation, Plan, Radius
from emonk_ops.operations.injection.scene import PATIENCE, Scene
from emonk_ops.operations.injection.sightings import began, effects, job_lines, requests

MISSED = 2


class MissedTicks(Injection):
    name = "missed-ticks"
    does = "pauses the Cloud Scheduler job for two ticks: every job of the service runs later"
    expects = "what came due meanwhile runs on the first tick after it, each slot once"

    def plan(self, scene: Scene) -> Plan:
        seconds = (MISSED + 1) * scene.period.total_seconds() + PATIENCE.total_seconds()
        job = scene.tools.env.service.job
        return Plan(
            radius=Radius.TICKS,
            touches="all jobs: none runs while the Cloud Scheduler job is paused",
            fault_seconds=seconds,
            restore_seconds=10.0,
            heals="",
            undo=({"kind": "scheduler-job", "job": job}, canary.undo(scene.canary)),
            permissions=("cloudscheduler.jobs.pause", "cloudscheduler.jobs.enable"),
        )

    def inject(self, scene: Scene) -> Facts:
        canary.at_every_tick(scene.tools, scene.canary)
        scene.tools.jobs.pause()
        paused = scene.now()
        slots = scene.slots(paused, MISSED)
        scene.wait(slots[-1] + min(PATIENCE, scene.period / 2))
        return {"paused_at": paused.isoformat(), "slots": [one.isoformat() for one in slots]}

    def landed(self, scene: Scene) -> Facts:
        """No tick of Cloud Scheduler arrived in the slots."""
        first = datetime.fromisoformat(scene.evidence["injected"]["slots"][0])
        found = [
            one
            for one in requests(scene.tools, scene.began)
            if one["by_scheduler"] and began(one) >= first
        ]
        job = scene.tools.jobs.describe()
        if found or job is None or job.state != "PAUSED":
            state = "missing" if job is None else job.state
            scene.evidence["missed"] = f"{len(found)} ticks came all the same; the job is {state}"
            return {}
        return {"ticks_in_slots": 0, "state": job.state}

    def recover(self, scene: Scene) -> Facts:
        (following,) = scene.slots(scene.now(), 1)
        scene.wait(following + PATIENCE)
        return {
            "tick": following.isoformat(),
            "lines": job_lines(scene.tools, scene.canary, scene.began),
        }

    def judge(self, evidence: Facts) -> tuple[Observation, ...]:
        seen = evidence.get("recovered", {})
        slots, lines = evidence["injected"]["slots"], seen.get("lines", [])
        name = evidence["canary"]
        if not seen:
            return (expectations.unknown("catch-up", "Missed slots are caught up", "not observed"),)
        missed = {datetime.fromisoformat(one) for one in slots}
        late = [one for one in effects(lines, name) if _slot(one) in missed]
        until = datetime.fromisoformat(seen["tick"]) + PATIENCE
        return (
            expectations.in_time(
                "catch-up", "Missed slots are caught up on the next tick", late, until, "an effect"
            ),
            expectations.every_slot_once(
                "each-once", "Each missed slot runs once", lines, name, slots
            ),
            expectations.none_lost(evidence),
        )


def _slot(line: Facts) -> datetime:
    return datetime.fromisoformat(str(line["slot"]))

"""The first three of the guide's tests after a deployment in QA: nothing is broken in them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from emonk_ops.operations.injection import canary, expectations, triggers
from emonk_ops.operations.injection.injection import Injection
from emonk_ops.operations.injection.model import Facts, Observation, Plan, Radius
from emonk_ops.operations.injection.scene import PATIENCE, Scene
from emonk_ops.operations.injection.sightings import Line, job_lines, requests

DURATION_SECONDS = 15.0
ANOTHER_SECONDS = 5.0


class _Basic(Injection):
    """One canary and one tick that is asked for."""

    duration = 0.0

    def plan(self, scene: Scene) -> Plan:
        return Plan(
            radius=Radius.CANARY,
            touches="one canary job, and one extra tick (which also runs what else is due)",
            fault_seconds=self.duration + PATIENCE.total_seconds(),
            restore_seconds=10.0,
            heals="there is nothing to heal",
            undo=(canary.undo(scene.canary),),
            permissions=(triggers.PERMISSION,),
        )

    def inject(self, scene: Scene) -> Facts:
        now = scene.now()
        canary.once(scene.tools, scene.canary, now, duration_seconds=self.duration)
        triggers.trigger(scene.tools)
        return {"at": now.isoformat(), **self.meanwhile(scene)}

    def meanwhile(self, scene: Scene) -> Facts:
        return {}

    def landed(self, scene: Scene) -> Facts:
        """A tick of Cloud Scheduler arrived after it was asked for."""
        seconds = self.duration + PATIENCE.total_seconds()

        def ticks() -> list[Line]:
            found = requests(scene.tools, scene.began)
            return [one for one in found if one["by_scheduler"]]

        found = scene.ask(ticks, bool, seconds)
        if not found:
            scene.evidence["missed"] = "no tick of Cloud Scheduler arrived"
        return {"ticks": [dict(one) for one in found]} if found else {}

    def observe(self, scene: Scene) -> Facts:
        scene.settle()
        return {
            "lines": job_lines(scene.tools, scene.canary, scene.began),
            "job": dict(scene.tools.service.job(scene.canary)),
        }


class ManualTrigger(_Basic):
    name = "manual-trigger"
    does = "runs the Cloud Scheduler job by hand"
    expects = "the tick arrives and is answered with success"

    def judge(self, evidence: Facts) -> tuple[Observation, ...]:
        ticks = evidence["landed"]["ticks"]
        return (expectations.answered_well("manual-trigger", "Manual scheduler trigger", ticks),)


class JobExecution(_Basic):
    name = "job-execution"
    does = "has a canary due now, and asks for a tick"
    expects = "it runs once, leaves its effect, and is recorded as succeeded"

    def judge(self, evidence: Facts) -> tuple[Observation, ...]:
        seen = evidence.get("observed", {})
        state = seen.get("job", {}).get("state")
        return (
            expectations.ran_once(
                "job-execution",
                "Job execution verification",
                seen.get("lines", []),
                evidence["canary"],
            ),
            expectations.told(
                "recorded", "It is recorded as succeeded", state == "succeeded", f"it is {state}"
            ),
        )


class LeaseCycle(_Basic):
    name = "lease-cycle"
    does = "looks at a canary of 15 s while it runs, and after it"
    expects = "it is leased until a time to come while it runs, and by nobody after it"
    duration = DURATION_SECONDS

    def meanwhile(self, scene: Scene) -> Facts:
        """Half-way through."""

        def leased() -> dict[str, Any]:
            facts = scene.tools.service.job_facts(scene.canary)
            job = facts["job"]
            return {
                "now": facts["now"],
                "state": job["state"],
                "lease_until": job["lease_until"],
                "fence": job["fence"],
            }

        scene.wait(scene.now() + timedelta(seconds=ANOTHER_SECONDS))
        during = scene.ask(leased, lambda one: bool(one["lease_until"]), DURATION_SECONDS)
        scene.wait(scene.now() + timedelta(seconds=DURATION_SECONDS))
        return {"during": during}

    def judge(self, evidence: Facts) -> tuple[Observation, ...]:
        during = evidence["injected"]["during"]
        job = evidence.get("observed", {}).get("job", {})
        until = during["lease_until"]
        return (
            expectations.told(
                "lease-claim",
                "Lease claim verification",
                bool(until) and str(until) > str(during["now"]),
                f"{during['state']} until {until}, fence {during['fence']}",
            ),
            expectations.told(
                "lease-release",
                "Lease release verification",
                bool(job) and job.get("lease_until") is None and job.get("state") == "succeeded",
                f"{job.get('state')}, lease until {job.get('lease_until')}",
            ),
        )

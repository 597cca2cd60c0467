"""A tick that takes half a minute, and another one meanwhile."""

from __future__ import annotations

from datetime import timedelta

from emonk_ops.operations.injection import canary, expectations, triggers
from emonk_ops.operations.injection.injection import Injection
from emonk_ops.operations.injection.model import Facts, Observation, Plan, Radius
from emonk_ops.operations.injection.scene import PATIENCE, Scene
from emonk_ops.operations.injection.sightings import began, ended, job_lines, requests

DURATION_SECONDS = 30.0
MEANWHILE_SECONDS = 8.0


class SlowTick(Injection):
    name = "slow-tick"
    does = (
        "runs a canary of 30 s, and asks for another tick while it runs (the latency alert fires)"
    )
    expects = "the slow tick succeeds, the other one is not held up by it, the canary runs once"

    def obstacle(self, scene: Scene) -> str:
        limit = float(scene.revision.env.get("SCHEDULER_HANDLER_TIMEOUT_SECONDS") or 50.0)
        if limit > DURATION_SECONDS:
            return ""
        return f"handlers are stopped after {limit:.0f} s here, so no tick can be that slow"

    def plan(self, scene: Scene) -> Plan:
        return Plan(
            radius=Radius.CANARY,
            touches="one canary job, and two extra ticks (which also run what else is due)",
            fault_seconds=DURATION_SECONDS + PATIENCE.total_seconds(),
            restore_seconds=DURATION_SECONDS,
            heals="the canary ends",
            undo=(canary.undo(scene.canary),),
            permissions=(triggers.PERMISSION,),
        )

    def inject(self, scene: Scene) -> Facts:
        now = scene.now()
        canary.once(scene.tools, scene.canary, now, duration_seconds=DURATION_SECONDS)
        triggers.trigger(scene.tools)
        scene.wait(now + timedelta(seconds=MEANWHILE_SECONDS))
        meanwhile = scene.now()
        triggers.trigger(scene.tools)
        scene.wait(now + timedelta(seconds=DURATION_SECONDS + MEANWHILE_SECONDS))
        return {"at": now.isoformat(), "meanwhile": meanwhile.isoformat()}

    def landed(self, scene: Scene) -> Facts:
        """A tick request as long as the canary."""

        def slow() -> list[dict[str, object]]:
            found = requests(scene.tools, scene.began)
            return [dict(one) for one in found if one["seconds"] >= DURATION_SECONDS * 0.9]

        found = scene.ask(slow, bool, PATIENCE.total_seconds())
        if not found:
            scene.evidence["missed"] = f"no tick took {DURATION_SECONDS:.0f} s"
        return {"slow": found} if found else {}

    def observe(self, scene: Scene) -> Facts:
        scene.settle()
        return {
            "lines": job_lines(scene.tools, scene.canary, scene.began),
            "requests": requests(scene.tools, scene.began),
        }

    def judge(self, evidence: Facts) -> tuple[Observation, ...]:
        seen = evidence.get("observed", {})
        slow = evidence["landed"]["slow"]
        first = min(slow, key=began)
        other = [
            one
            for one in seen.get("requests", [])
            if began(first) < began(one) < ended(first) and one not in slow
        ]
        free = "Another tick meanwhile is not held up"
        longest = max((one["seconds"] for one in other), default=0.0)
        return (
            expectations.ran_once(
                "no-second-run", "It runs once", seen.get("lines", []), evidence["canary"]
            ),
            expectations.answered_well("slow-answers", "The slow tick succeeds", slow),
            expectations.told(
                "not-held-up", free, longest < DURATION_SECONDS / 2, f"it took {longest:.1f} s"
            )
            if other
            else expectations.unknown("not-held-up", free, "none arrived in time"),
        )

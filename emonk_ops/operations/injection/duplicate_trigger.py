"""Two ticks at once over one due job: the second one must find its lease taken."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import ClassVar

from emonk_ops.operations.injection import canary, expectations, triggers
from emonk_ops.operations.injection.injection import Injection
from emonk_ops.operations.injection.model import Facts, Observation, Plan, Radius
from emonk_ops.operations.injection.scene import PATIENCE, Scene
from emonk_ops.operations.injection.sightings import Line, began, job_lines, overlapping, requests

DURATION_SECONDS = 20.0
SETTLE = timedelta(seconds=10)
TURNED_AWAY = (401, 403, 404)


class DuplicateTrigger(Injection):
    name = "duplicate-trigger"
    does = "has two ticks arrive at once while a canary is due that takes 20 s"
    expects = "the canary runs once: the second tick finds its lease taken and skips it"
    choices: ClassVar[Mapping[str, tuple[str, ...]]] = {"via": (triggers.SCHEDULER, triggers.HTTP)}

    def plan(self, scene: Scene) -> Plan:
        scheduler = scene.options["via"] == triggers.SCHEDULER
        return Plan(
            radius=Radius.CANARY,
            touches="one canary job, and two extra ticks (which also run what else is due)",
            fault_seconds=DURATION_SECONDS + PATIENCE.total_seconds(),
            restore_seconds=10.0,
            heals="there is nothing to heal: two ticks are an ordinary event",
            undo=(canary.undo(scene.canary),),
            permissions=(triggers.PERMISSION,) if scheduler else (),
        )

    def inject(self, scene: Scene) -> Facts:
        now = scene.now()
        canary.once(scene.tools, scene.canary, now, duration_seconds=DURATION_SECONDS)
        errors = triggers.trigger(scene.tools, scene.options["via"], count=2)
        scene.wait(now + timedelta(seconds=DURATION_SECONDS) + SETTLE)
        return {"at": now.isoformat(), "via": scene.options["via"], "errors": errors}

    def landed(self, scene: Scene) -> Facts:
        """Two requests of which one began before the other ended, by the platform's own log.

        What was turned away at the door was no tick.
        """

        def pair() -> tuple[Line, Line] | None:
            ticks = requests(scene.tools, scene.began)
            return overlapping([one for one in ticks if one["status"] not in TURNED_AWAY])

        found = scene.ask(
            pair,
            lambda pair: pair is not None,
            PATIENCE.total_seconds() * 2,
        )
        if found is None:
            scene.evidence["missed"] = "the request log shows no two ticks at the same time"
            return {}
        return {"overlap": [dict(one) for one in found]}

    def observe(self, scene: Scene) -> Facts:
        scene.settle()
        return {
            "lines": job_lines(scene.tools, scene.canary, scene.began),
            "requests": requests(scene.tools, scene.began),
        }

    def judge(self, evidence: Facts) -> tuple[Observation, ...]:
        pair = evidence["landed"]["overlap"]
        lines = evidence.get("observed", {}).get("lines", [])
        return (
            expectations.ran_once(
                "second-skips",
                "Second execution skips jobs (lease already claimed)",
                lines,
                evidence["canary"],
            ),
            expectations.answered_well(
                "both-answer", "Both ticks are answered with success", sorted(pair, key=began)
            ),
            expectations.none_lost(evidence),
        )

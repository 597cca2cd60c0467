"""Ticks by strangers: without a token, and with a token of somebody who may not tick."""

from __future__ import annotations

from typing import Any

from emonk_ops.operations.injection import expectations
from emonk_ops.operations.injection.injection import Injection
from emonk_ops.operations.injection.model import Facts, Observation, Plan, Radius
from emonk_ops.operations.injection.scene import Scene
from emonk_ops.ports import Answer

REFUSED = (401, 403)
WORDS = {"no-token": "no token", "operator-token": "the operator's own token"}


class BadAuth(Injection):
    name = "bad-auth"
    does = "posts to the tick endpoint without a token, and with the operator's own token"
    expects = "both are refused with 401 or 403, and no tick runs"

    def plan(self, scene: Scene) -> Plan:
        return Plan(
            radius=Radius.CANARY,
            touches="nothing: two requests that must be refused",
            fault_seconds=30.0,
            restore_seconds=0.0,
            heals="there is nothing to heal",
        )

    def inject(self, scene: Scene) -> Facts:
        path, service = scene.tools.env.service.tick_path, scene.tools.service
        answers = {
            "no-token": service.probe("POST", path),
            "operator-token": service.probe("POST", path, operator_token=True),
        }
        return {"answers": {name: _plain(answer) for name, answer in answers.items()}}

    def landed(self, scene: Scene) -> Facts:
        """The endpoint is there: it is the service or its platform that answered."""
        answers = scene.evidence["injected"]["answers"]
        absent = [name for name, one in answers.items() if one["status"] in (404, 405)]
        if absent:
            scene.evidence["missed"] = "there is no tick endpoint at that path"
            return {}
        return {"answered_by": {name: one["by"] for name, one in answers.items()}}

    def judge(self, evidence: Facts) -> tuple[Observation, ...]:
        return tuple(
            expectations.told(
                f"refused-{name}",
                f"A tick with {WORDS[name]} is refused",
                one["status"] in REFUSED,
                f"{one['status']} by the {one['by']}",
            )
            for name, one in evidence["injected"]["answers"].items()
        )


def _plain(answer: Answer) -> dict[str, Any]:
    return {"status": answer.status, "by": answer.by}

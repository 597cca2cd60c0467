"""Ticks by strangers: without a token, with one of somebody else, with one for somebody else."""

from __future__ import annotations

from typing import Any

from emonk_ops.errors import CredentialsMissing, PermissionMissing
from emonk_ops.operations.injection import expectations
from emonk_ops.operations.injection.injection import Injection
from emonk_ops.operations.injection.model import Facts, Observation, Plan, Radius
from emonk_ops.operations.injection.scene import Scene
from emonk_ops.ports import Answer

REFUSED = (401, 403)
ELSEWHERE = "https://another-service.example.com"
WORDS = {
    "no-token": "no token",
    "operator-token": "the operator's own token",
    "wrong-audience": "the invoker's token for another service",
}


class BadAuth(Injection):
    name = "bad-auth"
    does = "posts ticks without a token, with the operator's, and with one for another service"
    expects = "all three are refused with 401 or 403, and no tick runs"

    def plan(self, scene: Scene) -> Plan:
        return Plan(
            radius=Radius.CANARY,
            touches="nothing: three requests that must be refused",
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
        found = {name: _plain(answer) for name, answer in answers.items()}
        try:
            answer = service.probe("POST", path, tick_token=True, audience=ELSEWHERE)
        except (CredentialsMissing, PermissionMissing) as error:
            return {"answers": found, "not_tried": {"wrong-audience": error.message}}
        return {"answers": {**found, "wrong-audience": _plain(answer)}}

    def landed(self, scene: Scene) -> Facts:
        """The endpoint is there: it is the service or its platform that answered."""
        answers = scene.evidence["injected"]["answers"]
        absent = [name for name, one in answers.items() if one["status"] in (404, 405)]
        if absent:
            scene.evidence["missed"] = "there is no tick endpoint at that path"
            return {}
        return {"answered_by": {name: one["by"] for name, one in answers.items()}}

    def judge(self, evidence: Facts) -> tuple[Observation, ...]:
        injected = evidence["injected"]
        tried = tuple(
            expectations.told(
                f"refused-{name}",
                _expected(name),
                one["status"] in REFUSED,
                f"{one['status']} by the {one['by']}",
            )
            for name, one in injected["answers"].items()
        )
        return tried + tuple(
            expectations.unknown(f"refused-{name}", _expected(name), f"not tried: {why}")
            for name, why in injected.get("not_tried", {}).items()
        )


def _expected(name: str) -> str:
    return f"A tick with {WORDS[name]} is refused"


def _plain(answer: Answer) -> dict[str, Any]:
    return {"status": answer.status, "by": answer.by}

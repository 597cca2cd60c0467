"""The service without its storage: its access taken away, or its calls failing as if by chance.

The first is PERMISSION_DENIED, which no client retries; the second is UNAVAILABLE, which every
client does. They are two different experiments.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any, ClassVar

from emonk_ops.operations.injection import access, canary, expectations, triggers
from emonk_ops.operations.injection.injection import Injection
from emonk_ops.operations.injection.model import Facts, Observation, Plan, Radius
from emonk_ops.operations.injection.preflight import require_same_time
from emonk_ops.operations.injection.restore import PROPAGATION_SECONDS
from emonk_ops.operations.injection.scene import PATIENCE, Scene
from emonk_ops.operations.injection.sightings import (
    effects,
    job_lines,
    requests,
    starts,
    storage_errors,
)
from emonk_ops.operations.server_time import server_now
from emonk_ops.settings import Target

IAM, TRANSIENT = "iam", "transient"
CODES = {IAM: "PERMISSION_DENIED", TRANSIENT: "UNAVAILABLE"}
METHODS = "google.firestore.v1.Firestore/*"
POKE_SECONDS = 30.0
LANDS_SECONDS = 60.0  # a fault that takes effect at once; access changes take longer
POLICY = ("resourcemanager.projects.getIamPolicy", "resourcemanager.projects.setIamPolicy")


class FirestoreOutage(Injection):
    name = "firestore-outage"
    does = "takes Firestore from the service: its role until an instant, or its calls fail"
    expects = (
        "ticks fail with an error in the log, the service stays up, no slot is lost or doubled"
    )
    choices: ClassVar[Mapping[str, tuple[str, ...]]] = {"mode": (IAM, TRANSIENT)}
    breaks_storage = True

    def obstacle(self, scene: Scene) -> str:
        if scene.storage != "firestore":
            return f"the service keeps its jobs in {scene.storage}, which has no fail point"
        if scene.options["mode"] == TRANSIENT:
            real = scene.tools.env.target is not Target.SANDBOX
            return "the real Firestore cannot be told to fail; only --mode iam can" if real else ""
        policy, member = scene.tools.access.policy(), _member(scene)
        if not access.has_always(policy, member):
            return f"{member} has no unconditional {access.ROLE} that could be taken away"
        if others := access.other_ways(policy, member):
            return f"{member} would keep its access through {', '.join(others)}"
        return ""

    def plan(self, scene: Scene) -> Plan:
        iam = scene.options["mode"] == IAM
        landing = PROPAGATION_SECONDS if iam else LANDS_SECONDS
        seconds = landing + scene.period.total_seconds() + 2 * PATIENCE.total_seconds()
        return Plan(
            radius=Radius.SERVICE,
            touches="all jobs: none runs while the service has no Firestore"
            + ("; others with this service account have none either" if iam else ""),
            fault_seconds=seconds,
            restore_seconds=PROPAGATION_SECONDS if iam else 30.0,
            heals="the platform ends it at the instant in the condition"
            if iam
            else "the fail point ends by itself",
            undo=(self._undo(scene, seconds), canary.undo(scene.canary)),
            permissions=(*POLICY, triggers.PERMISSION) if iam else (triggers.PERMISSION,),
        )

    def inject(self, scene: Scene) -> Facts:
        action, tools = scene.evidence["undo"], scene.tools
        canary.at_every_tick(tools, scene.canary)
        facts: dict[str, Any] = {"at": scene.now().isoformat(), "until": action["until"]}
        if action["kind"] == "iam":
            before = tools.access.policy()
            access.change(tools, access.withheld, action)
            return {**facts, "policy_before": access.snapshot(before)}
        left = datetime.fromisoformat(action["until"]) - scene.now()
        fault = tools.storage_faults.begin(
            METHODS,
            CODES[TRANSIENT],
            account=scene.revision.service_account,
            seconds=max(1.0, left.total_seconds()),
        )
        return {**facts, "fault": fault}

    def landed(self, scene: Scene) -> Facts:
        """The service logs the code, or dies of it; ticks are asked for, so that it has reason."""
        code = CODES[scene.options["mode"]]
        iam = scene.options["mode"] == IAM
        at = datetime.fromisoformat(scene.evidence["injected"]["at"])
        poke = _poker(scene)

        def look() -> list[dict[str, Any]]:
            poke()
            said = [one for one in storage_errors(scene.tools, at) if code in str(one["code"])]
            return [dict(one) for one in said] or _died(scene, at)

        found = scene.ask(look, bool, PROPAGATION_SECONDS if iam else LANDS_SECONDS)
        if not found:
            scene.evidence["missed"] = f"the service logged no {code}"
            return {}
        return {"code": code, "first": found[0]["at"], "died": found[0].get("died", False)}

    def observe(self, scene: Scene) -> Facts:
        """One tick of the cadence at least falls into it."""
        first = datetime.fromisoformat(scene.evidence["landed"]["first"])
        (slot,) = scene.slots(max(first, scene.now()), 1)
        scene.wait(slot + min(PATIENCE, scene.period / 2))
        return {
            "slot": slot.isoformat(),
            "errors": storage_errors(scene.tools, first)[:50],
            "requests": requests(scene.tools, first),
            "starts": starts(scene.tools, first),
        }

    def recover(self, scene: Scene) -> Facts:
        (following,) = scene.slots(scene.now(), 1)
        scene.wait(following + PATIENCE)
        first = datetime.fromisoformat(scene.evidence["landed"]["first"])
        return {
            "tick": following.isoformat(),
            "slots": [one.isoformat() for one in _slots_in(scene, first)],
            "lines": job_lines(scene.tools, scene.canary, scene.began),
            "starts": starts(scene.tools, first),
        }

    def judge(self, evidence: Facts) -> tuple[Observation, ...]:
        seen, after = evidence.get("observed", {}), evidence.get("recovered", {})
        return (
            _graceful(seen),
            _logged_without_crash(evidence, seen, after),
            _retried(evidence, after),
            expectations.every_slot_once(
                "each-once",
                "No slot is lost, and none runs twice",
                after.get("lines", []),
                evidence["canary"],
                after.get("slots", []),
            ),
            expectations.none_lost(evidence),
        )

    def _undo(self, scene: Scene, seconds: float) -> dict[str, Any]:
        require_same_time(scene.tools)
        until = server_now(scene.tools) + timedelta(seconds=seconds)
        if scene.options["mode"] == IAM:
            action = access.undo(_member(scene), scene.id, until)
        else:
            action = {"kind": "storage-fault", "until": until.isoformat()}
        scene.evidence["undo"] = action
        return action


def _died(scene: Scene, at: datetime) -> list[dict[str, Any]]:
    """Ticks that the platform had to answer, while instances of the same revision came anew."""
    again = [one for one in starts(scene.tools, at) if one["revision"] == scene.revision.name]
    cut = [one for one in requests(scene.tools, at) if one["status"] >= 500]
    return [{"at": cut[0]["at"], "died": True}] if again and cut else []


def _member(scene: Scene) -> str:
    return f"serviceAccount:{scene.revision.service_account}"


def _poker(scene: Scene) -> Callable[[], None]:
    """Asks for a tick now and then."""
    state = {"next": scene.now()}

    def poke() -> None:
        if scene.now() >= state["next"]:
            state["next"] = scene.now() + timedelta(seconds=POKE_SECONDS)
            triggers.trigger(scene.tools)

    return poke


def _slots_in(scene: Scene, first: datetime) -> list[datetime]:
    """The canary's slots between the first refusal and the restore."""
    end = datetime.fromisoformat(scene.evidence["restored_at"])
    found: list[datetime] = []
    slot = first
    while True:
        (slot,) = scene.slots(slot, 1)
        if slot > end:
            return found
        found.append(slot)


def _graceful(seen: Facts) -> Observation:
    """Each tick got an answer of the service, 2xx or 503: none died on the way."""
    expected, codes = "Graceful error handling", [one["status"] for one in seen.get("requests", [])]
    if not codes:
        return expectations.unknown("graceful", expected, "no tick arrived during the fault")
    good = all(code < 500 or code == 503 for code in codes) and not seen.get("starts")
    said = ", ".join(map(str, codes[:10]))
    return expectations.told("graceful", expected, good, f"{len(codes)} ticks answered: {said}")


def _logged_without_crash(evidence: Facts, seen: Facts, after: Facts) -> Observation:
    expected = "Error logged but doesn't crash service"
    crashed = after.get("starts") or seen.get("starts") or []
    errors = len(seen.get("errors", []))
    told = f"{evidence['landed']['code']} logged {errors} times, instances started: {len(crashed)}"
    if not seen:
        return expectations.unknown("logged-no-crash", expected, "not observed")
    return expectations.told("logged-no-crash", expected, bool(errors) and not crashed, told)


def _retried(evidence: Facts, after: Facts) -> Observation:
    expected = "Jobs retry on next tick"
    if not after:
        return expectations.unknown("retry-next-tick", expected, "not observed after the restore")
    slots = {datetime.fromisoformat(one) for one in after["slots"]}
    late = [
        one
        for one in effects(after["lines"], evidence["canary"])
        if datetime.fromisoformat(str(one["slot"])) in slots
    ]
    until = datetime.fromisoformat(after["tick"]) + PATIENCE
    if not slots:
        return expectations.unknown("retry-next-tick", expected, "no slot fell into the fault")
    return expectations.in_time("retry-next-tick", expected, late, until, "an effect of its slots")

"""The service restarted in the middle of a job: drained by a deployment, or killed.

A deployment lets requests in flight run to their end, so it never cuts a tick off; only an
instance that dies leaves a lease behind.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, ClassVar

from emonk_ops.operations import carry
from emonk_ops.operations.activation import ensure_driver
from emonk_ops.operations.injection import canary, expectations, triggers
from emonk_ops.operations.injection.injection import Injection
from emonk_ops.operations.injection.model import Facts, Observation, Plan, Radius
from emonk_ops.operations.injection.restore import MARK, shape_of
from emonk_ops.operations.injection.scene import PATIENCE, Scene
from emonk_ops.operations.injection.sightings import (
    Line,
    began,
    effects,
    ended,
    executions,
    job_lines,
    requests,
)
from emonk_ops.operations.traffic import to_latest
from emonk_ops.ports import DeployRequest

DRAIN, KILL = "drain", "kill"
DURATION = {DRAIN: 25.0, KILL: 5.0}
JSON_SECONDS = 10.0  # a JSON service is quiesced before it is replaced, which waits for the run
DEPLOY_SECONDS = 600.0


class Restart(Injection):
    name = "restart"
    does = (
        "restarts the service while a canary runs: by a deployment, or by the death of an instance"
    )
    expects = "drained, it ends where it began; killed, it runs again once its lease expired; once"
    choices: ClassVar[Mapping[str, tuple[str, ...]]] = {"mode": (DRAIN, KILL)}

    def obstacle(self, scene: Scene) -> str:
        if scene.options["mode"] == KILL and scene.storage != "firestore":
            return f"jobs in {scene.storage} die with their instance: a kill would lose all of them"
        return ""

    def plan(self, scene: Scene) -> Plan:
        undo = canary.undo(scene.canary)
        if scene.options["mode"] == KILL:
            return Plan(
                radius=Radius.INSTANCE,
                touches="one instance dies: its other jobs run again when their leases expire",
                fault_seconds=self._watch(scene).total_seconds(),
                restore_seconds=60.0,
                heals="the platform starts another instance",
                undo=(undo,),
                permissions=(triggers.PERMISSION,),
            )
        service = scene.tools.run.describe_service()
        revision = {
            "kind": "revision",
            "driver": "cloud",
            "pinned": service.pinned,
            "shape": shape_of(scene.revision),
        }
        return Plan(
            radius=Radius.INSTANCE,
            touches=f"a new revision, equal but for the variable {MARK}, takes over",
            fault_seconds=DURATION[DRAIN] + DEPLOY_SECONDS,
            restore_seconds=DEPLOY_SECONDS,
            heals="",
            undo=(revision, undo),
            permissions=(triggers.PERMISSION, "run.services.update", "iam.serviceAccounts.actAs"),
        )

    def inject(self, scene: Scene) -> Facts:
        mode, tools, now = scene.options["mode"], scene.tools, scene.now()
        canary.once(
            tools,
            scene.canary,
            now,
            duration_seconds=JSON_SECONDS if scene.storage == "json" else DURATION[mode],
            exit_on_attempt=1 if mode == KILL else 0,
        )
        triggers.trigger(tools)
        facts: dict[str, Any] = {"at": now.isoformat(), "mode": mode}
        if mode == KILL:
            scene.wait(now + timedelta(seconds=DURATION[KILL] + 5))
            return facts
        scene.ask(lambda: self._running(scene), bool, PATIENCE.total_seconds())
        restarted = scene.now()
        switched = self._switch(scene)
        return {**facts, "restarted_at": restarted.isoformat(), "revision": switched}

    def landed(self, scene: Scene) -> Facts:
        return self._killed(scene) if scene.options["mode"] == KILL else self._drained(scene)

    def observe(self, scene: Scene) -> Facts:
        """Until the run is over; of a killed one, until its lease has expired and a tick came."""
        watch = self._watch(scene)
        until = datetime.fromisoformat(scene.evidence["injected"]["at"]) + watch
        scene.ask(
            lambda: effects(job_lines(scene.tools, scene.canary, scene.began), scene.canary),
            bool,
            max(1.0, (until - scene.now()).total_seconds()),
        )
        scene.settle()
        return {
            "lines": job_lines(scene.tools, scene.canary, scene.began),
            "job": dict(scene.tools.service.job(scene.canary)),
        }

    def judge(self, evidence: Facts) -> tuple[Observation, ...]:
        lines = evidence.get("observed", {}).get("lines", [])
        leases = (
            _lease_expired(evidence, lines)
            if evidence["options"]["mode"] == KILL
            else _lease_given_back(evidence)
        )
        return (
            leases,
            _retried(evidence, lines),
            expectations.one_effect("one-effect", "No lost jobs", lines, evidence["canary"]),
            expectations.none_lost(evidence),
        )

    def _watch(self, scene: Scene) -> timedelta:
        if scene.options["mode"] == DRAIN:
            return timedelta(seconds=DURATION[DRAIN]) + scene.period + 2 * PATIENCE
        lease = timedelta(seconds=scene.lease_seconds)
        return lease + scene.period + 2 * PATIENCE

    def _running(self, scene: Scene) -> list[Line]:
        return executions(job_lines(scene.tools, scene.canary, scene.began), scene.canary)

    def _switch(self, scene: Scene) -> str:
        tools = scene.tools
        request = DeployRequest(env={MARK: scene.id})

        def deploy() -> str:
            service = tools.run.deploy(request, timeout_seconds=DEPLOY_SECONDS)
            return to_latest(tools, service).serving_revision

        if scene.storage == "json":
            return str(carry.carry_over(tools, deploy, driver_after="cloud")["revision"])
        revision = deploy()
        ensure_driver(tools, "cloud")
        return revision

    def _drained(self, scene: Scene) -> Facts:
        """It ran when the deployment began, and another revision serves now."""
        ran = self._running(scene)
        injected = scene.evidence["injected"]
        restarted = datetime.fromisoformat(injected["restarted_at"])
        lines = job_lines(scene.tools, scene.canary, scene.began)
        over = [one for one in effects(lines, scene.canary) if began(one) < restarted]
        if not ran or began(ran[0]) > restarted or over:
            scene.evidence["missed"] = "the canary did not run when the deployment began"
            return {}
        if injected["revision"] in ("", scene.revision.name):
            scene.evidence["missed"] = f"{scene.revision.name} still serves"
            return {}
        return {"execution": dict(ran[0]), "from": scene.revision.name, "to": injected["revision"]}

    def _killed(self, scene: Scene) -> Facts:
        """An execution without effect, whose tick the platform had to answer with an error."""

        def cut() -> dict[str, Any]:
            lines = job_lines(scene.tools, scene.canary, scene.began)
            ran = executions(lines, scene.canary)
            if not ran or effects(lines, scene.canary):
                return {}
            first = ran[0]
            for one in requests(scene.tools, scene.began):
                if one["status"] >= 500 and began(one) <= began(first) <= ended(one):
                    return {"execution": dict(first), "request": dict(one)}
            return {}

        found = scene.ask(cut, bool, PATIENCE.total_seconds())
        if not found:
            scene.evidence["missed"] = "no execution of the canary was cut off"
        return found


def _lease_expired(evidence: Facts, lines: list[Line]) -> Observation:
    """The second run begins when the first one's lease is over, and not before."""
    expected = f"Leases expire after {evidence['lease_seconds'] / 60:g} minutes"
    ran = executions(lines, evidence["canary"])
    if len(ran) < 2:
        return expectations.told("leases-expire", expected, False, "it was never taken over")
    waited = (began(ran[1]) - began(ran[0])).total_seconds()
    least = evidence["lease_seconds"] - 2
    return expectations.told(
        "leases-expire", expected, waited >= least, f"taken over after {waited:.0f} s"
    )


def _lease_given_back(evidence: Facts) -> Observation:
    expected = "No lease is left behind (leases expire only where an instance dies: --mode kill)"
    job = evidence.get("observed", {}).get("job")
    if job is None:
        return expectations.unknown("leases-given-back", expected, "not observed")
    good = job.get("lease_until") is None and job.get("state") == "succeeded"
    told = f"the job is {job.get('state')}, lease until {job.get('lease_until')}"
    return expectations.told("leases-given-back", expected, good, told)


def _retried(evidence: Facts, lines: list[Line]) -> Observation:
    """By the first tick behind the end of the lease; a drained one ends by itself."""
    expected = "Jobs retry on next tick"
    at = datetime.fromisoformat(evidence["landed"]["execution"]["at"])
    period = timedelta(seconds=evidence["period_seconds"])
    if evidence["options"]["mode"] == KILL:
        until = at + timedelta(seconds=evidence["lease_seconds"]) + period + 2 * PATIENCE
        again = executions(lines, evidence["canary"])[1:]
        return expectations.in_time("retry-next-tick", expected, again, until, "run again")
    until = at + timedelta(seconds=DURATION[DRAIN]) + period + 2 * PATIENCE
    done = effects(lines, evidence["canary"])
    return expectations.in_time("retry-next-tick", expected, done, until, "finished")

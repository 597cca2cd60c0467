"""The nine phases: preflight, baseline, intent, inject, landed, observe, restore, proof, judge."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from emonk_ops.errors import Interrupted, LockLost, OpsError, RestoreIncomplete
from emonk_ops.operations.injection import guard
from emonk_ops.operations.injection.ending import record, summary_of
from emonk_ops.operations.injection.injection import Injection
from emonk_ops.operations.injection.model import (
    Observation,
    Outcome,
    Plan,
    Undo,
    Verdict,
    judged,
)
from emonk_ops.operations.injection.preflight import (
    require_allowed,
    require_permissions,
    require_sound,
)
from emonk_ops.operations.injection.restore import Restored, healthy_again, restore
from emonk_ops.operations.injection.scene import Scene, scene_of
from emonk_ops.toolbox import Toolbox


def run_injection(
    injection: Injection,
    tools: Toolbox,
    options: Mapping[str, str],
    *,
    reason: str = "",
    number: int = 1,
) -> Outcome:
    """Go through the phases. Raises Refused, and whatever happens before the intent is written.

    After it everything ends in the outcome, save Interrupted, LockLost and a restore that was
    broken off: their intent stays open in the journal.
    """
    scene = scene_of(tools, f"{injection.name}-{number}", options)
    tools.say("preflight: could it land, and could it be undone?")
    require_sound(scene)
    if obstacle := injection.obstacle(scene):
        return _not_exercised(injection, scene, obstacle)
    plan = injection.plan(scene)
    require_allowed(tools, plan)
    require_permissions(tools, plan)
    return _Attempt(injection, scene, plan).go(reason)


class _Attempt:
    """From the baseline on."""

    def __init__(self, injection: Injection, scene: Scene, plan: Plan) -> None:
        self._injection = injection
        self._scene = scene
        self._tools = scene.tools
        self._undo: list[Undo] = list(plan.undo)
        self._plan = plan
        self._evidence = scene.evidence
        scene.guard = guard.watch(scene, storage_is_broken=injection.breaks_storage)

    def go(self, reason: str) -> Outcome:
        self._tools.say("baseline: what is there before")
        self._evidence |= self._baseline()
        self._write_intent(reason)
        stopped = self._through(self._fault)
        restored, stopped = self._back(stopped)
        if stopped is None and restored.complete:
            stopped = self._through(self._recovered)
        cleared, stopped = self._clear(stopped)
        outcome = self._end(restored, cleared, stopped)
        if isinstance(stopped, Interrupted) and outcome.verdict is not Verdict.RESTORE_FAILED:
            raise _told(stopped, outcome)
        return outcome

    def _baseline(self) -> dict[str, Any]:
        scene = self._scene
        return {
            "injection": self._injection.name,
            "options": dict(scene.options),
            "canary": scene.canary,
            "began": scene.began.isoformat(),
            "revision": scene.revision.name,
            "storage": scene.storage,
            "lease_seconds": scene.lease_seconds,
            "period_seconds": scene.period.total_seconds(),
            "jobs_before": self._job_ids(),
        }

    def _job_ids(self) -> list[str]:
        return [str(job["id"]) for job in self._tools.service.list_jobs() if _is_real(job)]

    def _write_intent(self, reason: str) -> None:
        self._tools.note(
            "injection.intent",
            {
                "id": self._scene.id,
                "injection": self._injection.name,
                "options": dict(self._scene.options),
                "plan": self._plan.to_data(),
                "undo": [dict(one) for one in self._undo],
                "reason": reason,
            },
        )

    def _through(self, part: Callable[[], None]) -> OpsError | None:
        """Do it; what stops it is returned, since the way back comes first. A bug is no excuse."""
        try:
            part()
        except OpsError as error:
            self._evidence["error"] = error.message
            return error
        except Exception as error:
            found = OpsError(f"{type(error).__name__}: {error}")
            self._evidence["error"] = found.message
            return found
        return None

    def _fault(self) -> None:
        scene, injection = self._scene, self._injection
        self._tools.say(f"inject: {injection.does}")
        self._evidence["injected"] = dict(injection.inject(scene))
        if name := self._evidence["injected"].get("fault"):
            self._undo = [
                {**one, "fault": name} if one["kind"] == "storage-fault" else one
                for one in self._undo
            ]
        self._tools.note("injection.injected", {"id": scene.id, "undo": self._undo})
        self._tools.say("prove landed: did it really happen?")
        self._evidence["landed"] = dict(injection.landed(scene))
        if not self._evidence["landed"]:
            return
        self._tools.note("injection.landed", {"id": scene.id, "proof": self._evidence["landed"]})
        self._tools.say("observe")
        self._evidence["observed"] = dict(injection.observe(scene))

    def _recovered(self) -> None:
        if not self._evidence.get("landed"):
            return
        self._evidence["recovered"] = dict(self._injection.recover(self._scene))

    def _back(self, stopped: OpsError | None) -> tuple[Restored, OpsError | None]:
        """Undo the fault, not the canary; a request to stop waits until that is done."""
        self._tools.say("restore")
        fault = [one for one in self._undo if one["kind"] != "canary"]
        while True:
            try:
                restored = restore(self._tools, fault)
                self._tools.say("prove restored: as it was, and healthy")
                ill = healthy_again(self._tools, fault)
                break
            except Interrupted as error:
                stopped = stopped or error
            except LockLost as error:
                raise self._broken_off(error) from error
        if ill:
            status = f"emonk-ops status --env {self._tools.env.name}"
            restored = Restored(restored.done, (*restored.left, ill), (*restored.commands, status))
        self._evidence["restored_at"] = self._scene.now().isoformat()
        return restored, stopped

    def _clear(self, stopped: OpsError | None) -> tuple[Restored, OpsError | None]:
        canaries = [one for one in self._undo if one["kind"] == "canary"]
        while True:
            try:
                return restore(self._tools, canaries), stopped
            except Interrupted as error:
                stopped = stopped or error
            except LockLost as error:
                raise self._broken_off(error) from error

    def _broken_off(self, error: OpsError) -> RestoreIncomplete:
        return RestoreIncomplete(
            f"the fault may still be there, and this run may change nothing more: {error.message}",
            hint=f"emonk-ops inject restore --all --env {self._tools.env.name}",
        )

    def _end(self, restored: Restored, cleared: Restored, stopped: OpsError | None) -> Outcome:
        self._tools.say("judge")
        evidence, left = self._evidence, (*restored.left, *cleared.left)
        evidence["restored"] = [*restored.done, *cleared.done]
        evidence["left"] = list(left)
        evidence["interrupted"] = isinstance(stopped, Interrupted)
        evidence["guard"] = stopped.message if isinstance(stopped, guard.GuardTripped) else ""
        evidence["jobs_lost"] = self._lost() if not left and not evidence["interrupted"] else []
        commands = (*restored.commands, *cleared.commands)
        verdict, observations = verdict_of(self._injection, evidence)
        outcome = Outcome(
            id=self._scene.id,
            name=self._injection.name,
            verdict=verdict,
            summary=summary_of(verdict, evidence, observations, commands),
            observations=observations,
            left=commands,
            evidence=f"injection-{self._scene.id}.json",
        )
        record(self._tools, outcome, evidence)
        # Behind its verdict: what is closed has one, wherever this is killed.
        body = {"id": self._scene.id, "ok": not left, "left": list(left), "commands": commands}
        self._tools.note("injection.restored", body)
        return outcome

    def _lost(self) -> list[str]:
        try:
            there = {str(job["id"]) for job in self._tools.service.list_jobs()}
        except OpsError:
            return []
        return sorted(set(self._evidence["jobs_before"]) - there)


def verdict_of(
    injection: Injection, evidence: Mapping[str, Any]
) -> tuple[Verdict, tuple[Observation, ...]]:
    """By the evidence alone: the same again offline, from the file that was kept."""
    observations: tuple[Observation, ...] = ()
    if evidence.get("landed"):
        observations = injection.judge(evidence)
        if evidence.get("guard"):
            tripped = Observation("guard", "No harm to real jobs", Verdict.FAIL, evidence["guard"])
            observations = (*observations, tripped)
    return judged(evidence, observations), observations


def _not_exercised(injection: Injection, scene: Scene, obstacle: str) -> Outcome:
    name = f"injection-{scene.id}.json"
    outcome = Outcome(scene.id, injection.name, Verdict.NOT_EXERCISED, obstacle, evidence=name)
    evidence = {"injection": injection.name, "options": dict(scene.options), "obstacle": obstacle}
    record(scene.tools, outcome, evidence)
    return outcome


def _told(stopped: Interrupted, outcome: Outcome) -> Interrupted:
    told = Interrupted(f"{stopped.message}; INTERRUPTED {outcome.name}: {outcome.summary}")
    told.exit_code = stopped.exit_code
    return told


def _is_real(job: Mapping[str, Any]) -> bool:
    ended = job.get("state") in ("succeeded", "skipped", "dead", "cancelled")
    return not ended and not str(job["id"]).startswith("emonk-inject-")

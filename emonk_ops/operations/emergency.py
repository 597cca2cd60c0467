"""The emergency rollback's steps: what misbehaves is stopped first, and asked questions later.

No build and no gate. Each step is safe to repeat, and the next call goes on where one broke.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from emonk_ops.clock import sleep
from emonk_ops.errors import (
    CloudError,
    Conflict,
    NotFound,
    NotOffered,
    StateDamaged,
    StepFailed,
)
from emonk_ops.operations import (
    activation,
    between,
    carried_file,
    carry,
    driver,
    left_behind,
    old_jobs,
    traffic,
)
from emonk_ops.operations import rollback as usual
from emonk_ops.operations.carried_file import Carried
from emonk_ops.operations.prerequisites import serving_revision
from emonk_ops.operations.service_env import default_driver
from emonk_ops.rollout.model import Step, StepResult
from emonk_ops.settings import Environment
from emonk_ops.toolbox import Toolbox

Facts = Mapping[str, Any]
STOPPED_SECONDS = 5.0  # from Enter until nothing new is begun
MOVED_SECONDS = 30.0  # from Enter until the captured revision answers
DRAIN_SECONDS = 2.0
EXPORT_SECONDS = 10.0
ANSWER_SECONDS = 20.0
# Longer than a change may take that somebody who lost the lock had sent before (gcp.calls: 9 s).
WATCH_SECONDS = 10.0
TRIES = 5
QUIESCED = "emergency.quiesced"
UNREADABLE = "emergency.unreadable"
UNKNOWN = "(unknown)"


def first_steps(env: Environment) -> tuple[Step, ...]:
    """Before the journal, the lock, or anything else is read. None of them needs the others."""
    return (
        Step("pause-job", f"Pause {env.service.job}", _pause, budget_seconds=STOPPED_SECONDS),
        Step(
            "quiesce",
            "The service claims nothing more; its driver's epoch moves on",
            _quiesce,
            budget_seconds=STOPPED_SECONDS,
        ),
    )


def next_steps(env: Environment, captured: Facts) -> tuple[Step, ...]:
    """Back to the captured revision, with the jobs, and one driver."""
    revision, drives = str(captured["revision"]), driver_after(captured)

    def with_captured(act: Callable[[Toolbox, Facts], StepResult]) -> Callable[..., StepResult]:
        return lambda tools: act(tools, captured)

    job = "stays paused" if drives != "cloud" else "ticks again, as captured"
    return (
        Step("save-jobs", "The jobs, saved here", with_captured(_save), budget_seconds=15.0),
        Step(
            "traffic",
            f"All traffic to {revision}, which answers",
            with_captured(_move),
            budget_seconds=MOVED_SECONDS,
        ),
        Step(
            "carry-back",
            f"The jobs on {revision}; {drives} drives",
            with_captured(_bring),
            budget_seconds=30.0,
        ),
        Step(
            "scheduler-job",
            f"{env.service.job} {job}",
            with_captured(_settle_job),
            budget_seconds=10.0,
        ),
        Step(
            "one-driver",
            f"Exactly one driver, {drives}, and still after {WATCH_SECONDS:.0f} s; healthy",
            with_captured(_watch),
            budget_seconds=30.0,
        ),
    )


def driver_after(captured: Facts) -> str:
    """The loop alone wherever the captured revision has it: what is paused drives nothing."""
    if "loop" in captured:
        loop = bool(captured["loop"])
    else:
        loop = default_driver(captured.get("env", {})) != "cloud"
    return "legacy" if loop else "cloud"


def _pause(tools: Toolbox) -> StepResult:
    """The pause itself, without a look before it. Its answer also has the service's address."""
    try:
        job = tools.jobs.pause()
    except NotFound:
        return StepResult(False, f"already so: there is no {tools.env.service.job}")
    if job.state == driver.ENABLED:
        raise StepFailed(f"{job.name} was paused and is {job.state}")
    return StepResult(True, f"{job.name} is {job.state}")


def _quiesce(tools: Toolbox) -> StepResult:
    try:
        found = tools.service.quiesce(wait_seconds=DRAIN_SECONDS)
    except NotOffered as error:
        tools.memo[UNREADABLE] = error
        return StepResult(False, f"not offered: {error.message}")
    except CloudError as error:
        tools.memo[UNREADABLE] = error
        raise
    tools.memo[QUIESCED] = found
    running = f"; {found.live_leases} leases are live" if found.live_leases else ""
    before = found.driver_before or "nobody"
    facts = {"driver_before": before, "epoch": found.epoch, "live_leases": found.live_leases}
    return StepResult(True, f"{before} drove; nobody does (epoch {found.epoch}){running}", facts)


def _save(tools: Toolbox, captured: Facts) -> StepResult:
    """As their store has them; where that cannot be read, as the newest export has them."""
    if left := _in_between(tools):
        return StepResult(False, f"already so: the jobs of {left.from_revision} are saved here")
    try:
        return _export(tools, captured)
    except NotOffered:
        return StepResult(False, "the service has no admin API: its jobs cannot be carried")
    except CloudError as error:
        return _fall_back(tools, captured, error)


def _in_between(tools: Toolbox) -> Carried | None:
    """What an interrupted carriage left: never to be overwritten by the store it did not reach."""
    try:
        return carry.unfinished(tools)
    except CloudError:
        return between.load(tools)


def _export(tools: Toolbox, captured: Facts) -> StepResult:
    if UNREADABLE in tools.memo:
        raise tools.memo[UNREADABLE]  # what did not answer then is not waited for twice
    found = tools.memo[QUIESCED]
    now = tools.clock.now()
    state = tools.service.driver()
    document = dict(tools.service.export_jobs(seconds=EXPORT_SECONDS))
    saved = Carried(
        from_revision=state.this_revision,
        driver_before=found.driver_before,
        driver_after=driver_after(captured),
        epoch=max(found.epoch, state.epoch),
        quiesced_at=now.isoformat(),
        document=document,
    )
    between.save(tools, saved)
    held = list(document.get("held", []))
    told = f"{document['count']} jobs of {state.this_revision}"
    told += f"; {len(held)} held until their leases end" if held else ""
    return StepResult(True, told, {"jobs": document["count"], "held": held})


def _fall_back(tools: Toolbox, captured: Facts, error: CloudError) -> StepResult:
    """The export that is known is made fit, and lies ready as if it had been taken now."""
    serving = _serving(tools)
    if serving == UNKNOWN:
        return StepResult(
            False, f"nobody knows what serves, and nothing was saved: {error.message}"
        )
    if serving == captured["revision"]:
        return StepResult(False, f"{serving} serves already and keeps its jobs ({error.message})")
    try:
        old = old_jobs.newest(tools)
    except StateDamaged as damaged:
        old, error = None, CloudError(f"{error.message}; {damaged.message}")
    why = f"the jobs cannot be read ({error.message})"
    if old is None:
        left_behind.note(tools, left_behind.EVERYTHING)
        return StepResult(True, f"NOT CARRIED: {why}; {old_jobs.NONE_KNOWN}", {"lost": True})
    carried_file.save(
        tools.keep, old.as_carried(serving, driver_after(captured), tools.clock.now())
    )
    return StepResult(True, f"{why}; {old.sentence()}", {"lost": True, **old.facts()})


def _serving(tools: Toolbox) -> str:
    try:
        return serving_revision(tools).name
    except CloudError:
        return UNKNOWN


def _move(tools: Toolbox, captured: Facts) -> StepResult:
    wanted = str(captured["revision"])
    service = tools.run.describe_service()
    changed = service.serving_revision != wanted or not service.pinned
    if changed:
        _route(tools, wanted)
    status, reached = carry.answers(tools, wanted, seconds=ANSWER_SECONDS)
    if (status, reached) != (200, wanted):
        raise StepFailed(
            f"{wanted} has the traffic and does not answer: {status or 'nothing'}"
            f"{f' from {reached}' if reached else ''}",
            hint=f"emonk-ops logs errors --env {tools.env.name}",
        )
    told = f"{wanted} serves (PINNED) and answers"
    return StepResult(changed, told if changed else f"already so: {told}")


def _route(tools: Toolbox, wanted: str) -> None:
    """Somebody's deployment may be under way: who changed the service in between is outrun."""
    for left in reversed(range(TRIES)):
        try:
            traffic.to_revision(tools, wanted)
            return
        except (Conflict, StepFailed):
            if not left:
                raise


def _bring(tools: Toolbox, captured: Facts) -> StepResult:
    wanted, drives = str(captured["revision"]), driver_after(captured)
    saved = carry.unfinished(tools)
    if saved is not None and not carry.arrived(tools, saved):
        facts = carry.bring(tools, replace(saved, driver_after=drives), wanted)
        told = f"{facts['jobs']} jobs carried back{carry.held(facts)}; {drives} drives"
        told += f" (epoch {facts['epoch']}); nobody drove for {facts['nobody_drove_seconds']:.1f} s"
        return StepResult(True, told, facts)
    try:
        driven = activation.persistently(
            tools, lambda: activation.ensure_driver(tools, drives, at_least=_epoch(tools, saved))
        )
    except NotOffered as error:
        return StepResult(False, f"jobs not carried: {error.message}")
    if driven is None:
        return StepResult(False, f"already so: {drives} drives with the jobs of {wanted}")
    return StepResult(True, f"{drives} drives with the jobs of {wanted}", driven)


def _epoch(tools: Toolbox, saved: Carried | None) -> int:
    """Above every epoch that this machine knows."""
    quiesced = tools.memo.get(QUIESCED)
    known = [one.epoch for one in (quiesced, saved) if one is not None]
    return max(known, default=0) + 1


def _settle_job(tools: Toolbox, captured: Facts) -> StepResult:
    if driver_after(captured) == "cloud":
        return usual.restore_job(tools, captured)
    job = tools.jobs.describe()
    if job is None or job.state != driver.ENABLED:
        state = "absent" if job is None else job.state
        return StepResult(False, f"already so: {tools.env.service.job} is {state}")
    return _pause(tools)


def _watch(tools: Toolbox, captured: Facts) -> StepResult:
    """Now, and once what somebody else had under way must have arrived."""
    drove = {**captured, "driver": driver_after(captured)}
    usual.look(tools, drove)
    sleep(tools.clock, WATCH_SECONDS)
    return usual.look(tools, drove)

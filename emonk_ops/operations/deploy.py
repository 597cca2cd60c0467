"""A revision with both paths, deployed, serving, and read back."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from emonk_ops.errors import DeployFailed, NotOffered, StepFailed
from emonk_ops.operations import activation, carry, service_env
from emonk_ops.operations.clean_service import legacy_traces
from emonk_ops.operations.hand_over import hand_over
from emonk_ops.operations.prerequisites import serving_revision
from emonk_ops.operations.probes import last_lines
from emonk_ops.operations.service_env import Shape
from emonk_ops.operations.traffic import to_latest
from emonk_ops.ports import DeployRequest, Revision, Service
from emonk_ops.rollout.model import StepResult
from emonk_ops.settings import Argv
from emonk_ops.toolbox import Toolbox

DEPLOY_SECONDS = 600.0
Differences = dict[str, list[str]]


def ensure_legacy_revision(tools: Toolbox) -> StepResult:
    """Stage 1: both paths exist, and the legacy loop drives."""
    return _ensure(tools, service_env.LEGACY, tools.env.commands.deploy)


def preview_legacy_revision(tools: Toolbox) -> StepResult:
    return _preview(tools, service_env.LEGACY, tools.env.commands.deploy)


def ensure_cloud_revision(tools: Toolbox) -> StepResult:
    """Stage 2, Cloud Scheduler as the only driver: a restart must not bring the loop back.

    Through the API only: the image that stage 1 brought stays, and nothing is built.
    """
    return _ensure(tools, service_env.CLOUD)


def preview_cloud_revision(tools: Toolbox) -> StepResult:
    return _preview(tools, service_env.CLOUD)


def ensure_shadow_revision(tools: Toolbox) -> StepResult:
    """Stage 3: both paths drive, in turns."""
    return _ensure(tools, service_env.SHADOW)


def preview_shadow_revision(tools: Toolbox) -> StepResult:
    return _preview(tools, service_env.SHADOW)


def ensure_firestore(tools: Toolbox) -> StepResult:
    """Stage 4, first half: all jobs into Firestore; who drives stays who it was.

    Again after the second half it is already so: the loop does not come back.
    """
    if _is_done(tools, service_env.CLOUD_ON_FIRESTORE):
        return preview_firestore(tools)
    return _ensure(tools, service_env.SHADOW_ON_FIRESTORE)


def preview_firestore(tools: Toolbox) -> StepResult:
    if _is_done(tools, service_env.CLOUD_ON_FIRESTORE):
        return StepResult(False, "already so: Firestore, and the loop has ended")
    return _preview(tools, service_env.SHADOW_ON_FIRESTORE)


def ensure_no_loop(tools: Toolbox) -> StepResult:
    """Stage 4, second half: the loop is gone and Cloud Scheduler drives alone."""
    return _ensure(tools, service_env.CLOUD_ON_FIRESTORE)


def preview_no_loop(tools: Toolbox) -> StepResult:
    return _preview(tools, service_env.CLOUD_ON_FIRESTORE)


def ensure_clean(tools: Toolbox) -> StepResult:
    """Stage 5: what is built from the source that has no legacy path any more."""
    return _ensure(tools, service_env.CLEAN, _build(tools))


def preview_clean(tools: Toolbox) -> StepResult:
    return _preview(tools, service_env.CLEAN, _build(tools))


def _build(tools: Toolbox) -> Argv:
    """The deploy command, unless what serves has no legacy path already."""
    clean = legacy_traces(tools).clean
    return () if clean else tools.env.commands.deploy


def ensure_cloud_on_json(tools: Toolbox) -> StepResult:
    """Partial rollback: out of Firestore with all jobs; Cloud Scheduler stays the only driver."""
    return _ensure(tools, service_env.CLOUD_ON_JSON)


def preview_cloud_on_json(tools: Toolbox) -> StepResult:
    return _preview(tools, service_env.CLOUD_ON_JSON)


def to_cloud_on_json(tools: Toolbox) -> str:
    """The same revision without asking the one that serves for its jobs; its name."""
    request = _request(tools, tools.run.describe_service(), service_env.CLOUD_ON_JSON)
    return _switch(tools, request, ())


def _ensure(tools: Toolbox, shape: Shape, command: Argv = ()) -> StepResult:
    changed, facts = False, {}
    if left := carry.unfinished(tools):
        tools.say(f"finishing what an interrupted run began: jobs of {left.from_revision}")
        facts = carry.bring(tools, left, serving_revision(tools).name)
        changed = True
    service = tools.run.describe_service()
    request = _request(tools, service, shape)
    needed = _needed(tools, service, request)
    if needed or command:
        over = hand_over if _shares_its_store(tools, shape) else carry.carry_over
        facts = over(tools, lambda: _switch(tools, request, command), driver_after=shape.driver)
        return StepResult(True, _told(facts), {**facts, "changes": needed})
    if driven := activation.ensure_driver_if_offered(tools, shape.driver):
        return StepResult(True, f"{shape.driver} drives now, epoch {driven['epoch']}", driven)
    serving = service.serving_revision
    if changed:
        return StepResult(True, _told(facts), facts)
    return StepResult(False, f"already so: {serving} serves", {"revision": serving})


def _is_done(tools: Toolbox, shape: Shape) -> bool:
    """Whether the serving revision has these variables already; other drift is for its own step."""
    want = service_env.wanted(tools.env, "", shape)
    named = ("SCHEDULER_STORAGE", "SCHEDULER_LEGACY_LOOP", "SCHEDULER_SHADOW_MODE")
    running = serving_revision(tools).env
    return all(running.get(name) == want[name] for name in named)


def _shares_its_store(tools: Toolbox, shape: Shape) -> bool:
    """Whether the next revision finds all jobs where they are."""
    running = service_env.storage_of(serving_revision(tools).env)
    return running == "firestore" and shape.storage in ("", "firestore")


def _preview(tools: Toolbox, shape: Shape, command: Argv = ()) -> StepResult:
    service = tools.run.describe_service()
    request = _request(tools, service, shape)
    needed = _needed(tools, service, request) | _driven_otherwise(tools, shape)
    if command:
        needed = {"command": ["", " ".join(command)], **needed}
    if not needed:
        return StepResult(False, f"already so: {service.serving_revision} serves")
    summary = f"a new revision after {service.serving_revision}; {shape.driver} drives"
    return StepResult(True, summary, {"diff": needed})


def _driven_otherwise(tools: Toolbox, shape: Shape) -> Differences:
    try:
        state = tools.service.driver()
    except NotOffered:
        return {}
    if state.driver == shape.driver and state.role == "driving":
        return {}
    if not state.driver:
        return {}  # a fresh store: its revision waits for jobs, then drives as its environment says
    return {"driver": [f"{state.driver} ({state.role})", shape.driver]}


def _request(tools: Toolbox, service: Service, shape: Shape) -> DeployRequest:
    """What serves, changed as the stage wants: the newest template may be one that failed.

    The loop needs an instance that is always there, and JSON storage only one of them.
    """
    running = serving_revision(tools)
    storage = shape.storage or service_env.storage_of(running.env)
    return DeployRequest(
        image=tools.env.service.image or running.image,
        env={
            **service_env.kept(running.env, shape),
            **service_env.wanted(tools.env, service.uri, shape),
        },
        min_instances=max(1, running.min_instances),
        max_instances=1 if storage == "json" else tools.env.max_instances or None,
        cpu_always_allocated=True if shape.loop else None,
    )


def _needed(tools: Toolbox, service: Service, request: DeployRequest) -> Differences:
    """What the serving revision lacks of the request; empty when it is already so."""
    serving = serving_revision(tools)
    found = _differences(serving, request)
    # A newest revision that failed is what somebody's next change would start from.
    for name, pair in _differences(service.template, request).items():
        found.setdefault(f"newest {name}", pair)
    if service.pinned:
        found["traffic"] = [f"PINNED to {serving.name}", "latest"]
    elif service.serving_revision != service.latest_ready:
        found["traffic"] = [service.serving_revision or "(split)", service.latest_ready]
    return found


def _differences(running: Revision, request: DeployRequest) -> Differences:
    found = service_env.differences(running.env, request.env)
    pairs: tuple[tuple[str, Any, Any], ...] = (
        ("image", running.image, request.image or running.image),
        ("min_instances", running.min_instances, request.min_instances),
        ("max_instances", running.max_instances, request.max_instances),
        ("cpu_always_allocated", running.cpu_always_allocated, request.cpu_always_allocated),
    )
    for name, now, want in pairs:
        if want is not None and now != want:
            found[name] = [str(now), str(want)]
    return found


def _switch(tools: Toolbox, request: DeployRequest, command: Argv) -> str:
    """Deploy by the configured command, then through the API what it did not pass on; un-pin."""
    if command:
        _run_command(tools, request, command)
        # What it built is the image now, not the one that ran before.
        request = replace(request, image=tools.env.service.image)
    service = tools.run.describe_service()
    if _differences(service.template, request):
        tools.say("deploying a new revision")
        try:
            service = tools.run.deploy(request, timeout_seconds=DEPLOY_SECONDS)
        except DeployFailed as error:
            error.log_lines = last_lines(tools, error.revision)
            raise
    service = to_latest(tools, service)
    if service.serving_revision != service.latest_created:
        raise StepFailed(
            f"{service.latest_created} was deployed and "
            f"{service.serving_revision or 'a split of revisions'} serves",
            hint=f"emonk-ops status --env {tools.env.name}",
        )
    return service.serving_revision


def _run_command(tools: Toolbox, request: DeployRequest, command: Argv) -> None:
    passed = {name: value for name, value in request.env.items() if value is not None}
    own = {
        "EMONK_PROJECT": tools.env.project,
        "EMONK_REGION": tools.env.service.region,
        "EMONK_SERVICE": tools.env.service.name,
        "EMONK_IMAGE": request.image,
    }
    tools.say(f"running {' '.join(command)}")
    result = tools.commands.run(command, env={**passed, **own})
    if result.exit_code != 0:
        raise DeployFailed(
            f"{' '.join(result.argv)} ended with {result.exit_code}",
            log_lines=result.last_lines,
        )


def _told(facts: dict[str, Any]) -> str:
    if facts.get("shared"):
        return (
            f"{facts['revision']} serves on the same store; "
            f"{facts['driver']} drives (epoch {facts['epoch']})"
        )
    if not facts.get("carried"):
        return f"{facts['revision']} serves; jobs not carried: {facts.get('why')}"
    return (
        f"{facts['revision']} serves; {facts['jobs']} jobs carried{carry.held(facts)}; "
        f"{facts['driver']} drives (epoch {facts['epoch']}); "
        f"nobody drove for {facts['nobody_drove_seconds']:.1f} s"
    )

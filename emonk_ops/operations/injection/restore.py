"""The way back: each line of it can be run again, is read back, and knows its exact commands."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from emonk_ops.errors import Conflict, Interrupted, LockLost, NotFound, OpsError, RestoreIncomplete
from emonk_ops.operations import carry
from emonk_ops.operations.activation import ensure_driver
from emonk_ops.operations.health import ask_health
from emonk_ops.operations.injection import access
from emonk_ops.operations.injection.model import Undo
from emonk_ops.operations.prerequisites import serving_revision
from emonk_ops.operations.traffic import to_latest
from emonk_ops.operations.waiting import ask_until
from emonk_ops.settings import Environment
from emonk_ops.toolbox import Toolbox

# Access changes take two minutes and may take seven or more, in both directions
# (iam/docs/access-change-propagation).
PROPAGATION_SECONDS = 600.0
HEALTH_SECONDS = 90.0
ENABLED = "ENABLED"


@dataclass(frozen=True)
class Way:
    """How one kind of change is undone (False: already so), compared, and typed by hand."""

    undo: Callable[[Toolbox, Undo], bool]
    differences: Callable[[Toolbox, Undo], list[str]]
    commands: Callable[[Environment, Undo], list[str]]


@dataclass(frozen=True)
class Restored:
    """`left` says what is not as it was and why, `commands` what to type."""

    done: tuple[str, ...]
    left: tuple[str, ...]
    commands: tuple[str, ...]

    @property
    def complete(self) -> bool:
        return not self.left


def restore(tools: Toolbox, actions: Iterable[Undo]) -> Restored:
    """Undo in reverse order, each whatever became of the others; then compare.

    Raises Interrupted and LockLost only.
    """
    done, left, commands = [], [], []
    for action in reversed(list(actions)):
        way = WAYS[action["kind"]]
        name = told(action)
        try:
            changed = way.undo(tools, action)
            wrong = way.differences(tools, action)
        except (Interrupted, LockLost):
            raise
        except OpsError as error:
            wrong = [error.message]
        else:
            done.append(f"{name}: {'undone' if changed else 'already so'}")
        if wrong:
            left.append(f"{name}: {'; '.join(wrong)}")
            commands += way.commands(tools.env, action)
    return Restored(tuple(done), tuple(left), tuple(commands))


def healthy_again(tools: Toolbox, actions: Iterable[Undo]) -> str:
    """The proof by the effect: the service answers, its storage too. "" when it does."""
    slow = any(action["kind"] == "iam" for action in actions)
    seconds = PROPAGATION_SECONDS if slow else HEALTH_SECONDS

    def ask() -> str:
        try:
            answer = ask_health(tools)
        except (Interrupted, LockLost):
            raise
        except OpsError as error:
            return error.message
        return "" if answer.status == 200 else f"it answers {answer.status}: {answer.text[:200]}"

    every = 5.0 if slow else 1.0
    why = ask_until(tools.clock, ask, lambda found: not found, seconds=seconds, every=every)
    return f"the service is not healthy after {seconds:.0f} s: {why}" if why else ""


def told(action: Undo) -> str:
    match action["kind"]:
        case "canary":
            return f"the canary {action['id']}"
        case "iam":
            return f"{action['role']} of {action['member']}"
        case "scheduler-job":
            return f"the Cloud Scheduler job {action['job']}"
        case "storage-fault":
            return "the fault of the storage"
        case _:
            return "the revision that serves and drives"


def _cancel(tools: Toolbox, action: Undo) -> bool:
    try:
        tools.service.cancel_job(action["id"])
    except (Conflict, NotFound):
        return False  # it has ended, or was never made
    return True


def _canary_left(tools: Toolbox, action: Undo) -> list[str]:
    try:
        state = str(tools.service.job(action["id"]).get("state", ""))
    except NotFound:
        return []
    return [] if state in ("succeeded", "cancelled", "dead", "skipped") else [f"it is {state}"]


def _cancel_by_hand(env: Environment, action: Undo) -> list[str]:
    return [f"emonk-ops jobs cancel {action['id']} --env {env.name}"]


def _give_back(tools: Toolbox, action: Undo) -> bool:
    return access.change(tools, access.given_back, action)


def _access_left(tools: Toolbox, action: Undo) -> list[str]:
    return access.differences(tools.access.policy(), action)


def _give_back_by_hand(env: Environment, action: Undo) -> list[str]:
    words = [env.project, "--member", action["member"], "--role", action["role"]]
    condition = f"expression={action['expression']},title={action['title']}"
    add, remove = "add-iam-policy-binding", "remove-iam-policy-binding"
    return [
        shlex.join(["gcloud", "projects", add, *words, "--condition", "None"]),
        shlex.join(["gcloud", "projects", remove, *words, "--condition", condition]),
    ]


def _resume(tools: Toolbox, action: Undo) -> bool:
    job = tools.jobs.describe()
    if job is None:
        raise RestoreIncomplete(f"there is no job {action['job']} any more")
    if job.state == ENABLED:
        return False
    tools.jobs.resume()
    return True


def _job_left(tools: Toolbox, _action: Undo) -> list[str]:
    job = tools.jobs.describe()
    state = "missing" if job is None else job.state
    return [] if state == ENABLED else [f"it is {state}"]


def _resume_by_hand(env: Environment, action: Undo) -> list[str]:
    words = f"{action['job']} --location {env.service.region} --project {env.project}"
    return [f"gcloud scheduler jobs resume {words}"]


def _end_fault(tools: Toolbox, action: Undo) -> bool:
    """By its name; where the tool died before it was written down, by its own end."""
    if name := action.get("fault"):
        tools.storage_faults.end(name)
        return True
    until = datetime.fromisoformat(action["until"])
    if tools.clock.now() < until:
        tools.say(f"the fault's name is not known; it ends by itself at {until:%H:%M:%S}Z")
        tools.clock.sleep_until(until)
    return False


def _nothing_left(_tools: Toolbox, _action: Undo) -> list[str]:
    return []  # the service's health, asked afterwards, is the proof


def _wait_by_hand(env: Environment, action: Undo) -> list[str]:
    return [f"emonk-ops inject restore --all --env {env.name}  # it ends at {action['until']}"]


def _one_revision(tools: Toolbox, action: Undo) -> bool:
    """What serves is the newest that is ready, it has the jobs, and it drives."""
    changed = False
    if left := carry.unfinished(tools):
        carry.bring(tools, left, serving_revision(tools).name)
        changed = True
    service = tools.run.describe_service()
    if service.pinned and not action["pinned"]:
        to_latest(tools, service)
        changed = True
    return ensure_driver(tools, action["driver"]) is not None or changed


def _revision_left(tools: Toolbox, action: Undo) -> list[str]:
    service, state = tools.run.describe_service(), tools.service.driver()
    serving = tools.run.describe_revision(service.serving_revision or service.latest_ready)
    now = shape_of(serving)
    found = [
        f"{name} was {was!r} and is {now[name]!r}"
        for name, was in action["shape"].items()
        if now[name] != was
    ]
    if service.pinned != action["pinned"]:
        found.append("PINNED" if service.pinned else "no longer pinned")
    if (state.driver, state.role) != (action["driver"], "driving"):
        found.append(
            f"{state.driver or 'nobody'} drives, and {state.this_revision} is {state.role}"
        )
    return found


def _revision_by_hand(env: Environment, _action: Undo) -> list[str]:
    return [f"emonk-ops status --env {env.name}", f"emonk-ops rollback --env {env.name}"]


def shape_of(revision: Any) -> dict[str, Any]:
    """A revision without its name and its mark: what another one must equal."""
    env = {name: value for name, value in revision.env.items() if name != MARK}
    return {
        "image": revision.image,
        "env": dict(sorted(env.items())),
        "service_account": revision.service_account,
        "min_instances": revision.min_instances,
        "max_instances": revision.max_instances,
        "cpu_always_allocated": revision.cpu_always_allocated,
    }


MARK = "EMONK_RESTART"  # a variable that nothing reads: the platform wants a difference
WAYS: Mapping[str, Way] = {
    "canary": Way(_cancel, _canary_left, _cancel_by_hand),
    "iam": Way(_give_back, _access_left, _give_back_by_hand),
    "scheduler-job": Way(_resume, _job_left, _resume_by_hand),
    "storage-fault": Way(_end_fault, _nothing_left, _wait_by_hand),
    "revision": Way(_one_revision, _revision_left, _revision_by_hand),
}

"""Where it is written down what to go back to: the journal, the service itself, or nowhere."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from emonk_ops.errors import CloudError, RestoreIncomplete, StateDamaged
from emonk_ops.operations import way_back
from emonk_ops.operations.prerequisites import serving_revision
from emonk_ops.operations.service_env import default_driver
from emonk_ops.rollout.standing import NO_CAPTURE, Standing
from emonk_ops.toolbox import Toolbox


@dataclass(frozen=True)
class WayBack:
    """What to go back to. `seq` is of the journal that the capture is in."""

    stage: int
    seq: int
    facts: Mapping[str, Any]
    at: datetime  # when it was captured
    told_by: str


def find_way_back(tools: Toolbox, standing: Standing, note: Callable[[str], None]) -> WayBack:
    """The newest that the journal or the service itself tells of. Raises RestoreIncomplete."""
    ways = [_by_journal(standing), _by_service(tools, standing, note)]
    found = [way for way in ways if way is not None]
    if not found:
        return _by_what_runs(tools)
    return max(found, key=lambda way: way.at)


def _by_journal(standing: Standing) -> WayBack | None:
    newest, held = standing.newest_to_roll_back(), standing.capture_of_hold()
    if held is not None and (newest is None or newest.seq < held.seq):
        newest = held  # rolled back already, or half way: it is made so again
    if newest is None:
        return None
    return WayBack(newest.stage, newest.seq, newest.facts, newest.at, "the journal")


def _by_service(tools: Toolbox, standing: Standing, note: Callable[[str], None]) -> WayBack | None:
    try:
        found = way_back.recall(tools.run.describe_service())
    except (CloudError, StateDamaged) as error:
        note(f"the service's own note of the way back cannot be read: {error.message}")
        return None
    if found is None:
        return None
    at = datetime.fromisoformat(found["at"])
    if any((one.seq, one.at) == (found["seq"], at) for one in standing.captures):
        return None  # the journal knows it, and what became of it
    told = "the annotation of the service"
    return WayBack(int(found["stage"]), int(found["seq"]), found["facts"], at, told)


def _by_what_runs(tools: Toolbox) -> WayBack:
    """Without any note: the loop of what serves is the one driver there can be."""
    try:
        revision = serving_revision(tools)
    except CloudError as error:
        raise _no_way(error.message) from error
    loop = default_driver(revision.env) != "cloud"
    if not loop:
        raise _no_way(f"{revision.name} has no legacy loop")
    facts = {"revision": revision.name, "loop": loop, "driver": "legacy"}
    told = f"{revision.name} itself, whose loop can drive"
    return WayBack(0, NO_CAPTURE, facts, tools.clock.now(), told)


def _no_way(why: str) -> RestoreIncomplete:
    return RestoreIncomplete(
        f"neither journal nor service tell what to go back to ({why}); "
        "what drove is stopped, and nobody drives",
    )


def who_drives_now(tools: Toolbox) -> str:
    """In words, for a rollback that is not complete: what can be asked is asked."""
    try:
        job = tools.jobs.describe()
        told = f"the scheduler job is {job.state if job else 'absent'}"
    except CloudError as error:
        told = f"the scheduler job's state cannot be asked ({error.message})"
    try:
        state = tools.service.driver()
    except CloudError as error:
        return f"Who drives cannot be asked ({error.message}); {told}"
    if state.role != "driving" or state.driver == "nobody":
        return f"NOBODY DRIVES: {state.this_revision} is {state.role}; {told}"
    if state.driver == "legacy":
        told += "; its ticks are turned away by the service"
    return f"{state.driver} drives through {state.this_revision}; {told}"

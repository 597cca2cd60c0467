"""A hand-over that breaks: the revision that gave its jobs away takes the drive back."""

from __future__ import annotations

from emonk_ops.errors import Conflict, DeployFailed, OpsError, RestoreIncomplete
from emonk_ops.operations.activation import ensure_driver, persistently
from emonk_ops.operations.carried_file import Carried
from emonk_ops.operations.prerequisites import serving_revision
from emonk_ops.operations.waiting import ask_until
from emonk_ops.ports import Service, TrafficShare
from emonk_ops.toolbox import Toolbox

PIN_SECONDS = 30.0


def give_back(tools: Toolbox, revision: str, driver: str, error: Exception) -> None:
    """Nothing was switched: who drove before drives again, whatever went wrong."""
    try:
        if serving_revision(tools).name == revision:
            persistently(tools, lambda: ensure_driver(tools, driver))
            if isinstance(error, OpsError):
                error.untouched = True
    except OpsError as second:
        raise _nobody_drives(tools, revision, error, second) from error


def drive_again(tools: Toolbox, carried: Carried, error: Exception) -> None:
    """The old revision still serves: it takes the drive back.

    A new one that may yet come up must not take the traffic from it unseen, without the jobs:
    unless it is known to have failed, the old one is pinned. A later deployment un-pins.
    """
    try:
        service = tools.run.describe_service()
        if service.serving_revision != carried.from_revision:
            return
        if not _has_failed(service, carried, error):
            pin = TrafficShare(carried.from_revision, 100)
            tools.run.route([pin], timeout_seconds=PIN_SECONDS)
            _wait_until_reached(tools, carried.from_revision)
        ensure_driver(tools, carried.driver_before)
    except OpsError as second:
        raise _nobody_drives(tools, carried.from_revision, error, second) from error


def require_same(tools: Toolbox, expected: str, answers: str) -> None:
    """A deployment that is still under way moves the traffic: its store is not the one to take."""
    if answers != expected:
        raise Conflict(
            f"{answers} answers where {expected} serves: traffic is moving",
            hint=f"Run the same command again; to look: emonk-ops status --env {tools.env.name}",
        )


def _wait_until_reached(tools: Toolbox, revision: str) -> None:
    """The URL may lead to the other revision for a moment; its store is not the one to ask."""
    reached = ask_until(
        tools.clock,
        lambda: tools.service.driver().this_revision,
        lambda found: found == revision,
        seconds=PIN_SECONDS,
    )
    require_same(tools, revision, reached)


def _has_failed(service: Service, carried: Carried, error: Exception) -> bool:
    """Whether it is certain that no new revision will serve."""
    none_made = service.latest_created == carried.from_revision
    return isinstance(error, DeployFailed) and (bool(error.revision) or none_made)


def _nobody_drives(
    tools: Toolbox, revision: str, first: Exception, second: OpsError
) -> RestoreIncomplete:
    return RestoreIncomplete(
        f"{first}; and {revision} could not take the drive back: {second.message}: "
        "nobody drives now",
        hint=f"emonk-ops rollback --env {tools.env.name}",
    )

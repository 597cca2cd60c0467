"""What must hold before a stage may start. Pure."""

from __future__ import annotations

from emonk_ops.errors import GateClosed, OnHold, Refused, UsageError
from emonk_ops.rollout.model import Stage
from emonk_ops.rollout.runs import Capture
from emonk_ops.rollout.standing import Standing


def closed_gate(stage: Stage, standing: Standing, env: str) -> Refused | None:
    """Why the stage may not start, or None."""
    return next(iter(closed_gates(stage, standing, env)), None)


def closed_gates(stage: Stage, standing: Standing, env: str) -> tuple[Refused, ...]:
    """All reasons why the stage may not start; empty where it may."""
    every = hold_refusal(standing, env), fault_refusal(standing, env), _order(stage, standing, env)
    return tuple(refusal for refusal in every if refusal is not None)


def require_open_gate(stage: Stage, standing: Standing, env: str) -> None:
    """Raises GateClosed or OnHold."""
    if (refusal := closed_gate(stage, standing, env)) is not None:
        raise refusal


def require_gate_for_force(stage: Stage, standing: Standing, env: str, reason: str) -> None:
    """Raises UsageError without a reason, and OnHold for a rollback that is under way."""
    if not reason.strip():
        raise UsageError(
            "--force passes a closed gate, and the journal keeps why",
            hint=f'emonk-ops stage {stage.number} --env {env} --force --reason "…"',
        )
    if standing.hold is not None and not standing.hold.complete:
        require_open_gate(stage, standing, env)


def _order(stage: Stage, standing: Standing, env: str) -> Refused | None:
    missing = [number for number in stage.needs if number not in standing.passed]
    if missing:
        return GateClosed(
            f"stage {stage.number} needs stage {missing[0]}, which has not passed in {env}",
            hint=f"emonk-ops stage {missing[0]} --env {env}",
        )
    if stage.capture is None:
        return None
    if later := [number for number in standing.passed if number > stage.number]:
        return _undoes(stage, max(later), "has passed", env)
    if begun := [one.stage for one in standing.captures if _lies_above(one, stage)]:
        return _undoes(stage, max(begun), "has begun and is not rolled back", env)
    return None


def _lies_above(capture: Capture, stage: Stage) -> bool:
    return capture.stage > stage.number and capture.can_be_rolled_back


def _undoes(stage: Stage, later: int, how: str, env: str) -> Refused:
    return GateClosed(
        f"stage {later} {how} in {env}; running stage {stage.number} now would undo part of it",
        hint=f"emonk-ops rollback --env {env} --plan",
    )


def fault_refusal(standing: Standing, env: str) -> Refused | None:
    """What began now would take what was broken on purpose for what was there."""
    if not (left := standing.injections.open):
        return None
    return Refused(
        f"an injected fault ({left[0].name}) is not known to be undone in {env}",
        hint=f"emonk-ops inject restore --all --env {env}",
    )


def hold_refusal(standing: Standing, env: str) -> Refused | None:
    """OnHold with what lifts this hold, or None."""
    hold = standing.hold
    if hold is None:
        return None
    if not hold.complete:
        return OnHold(
            f"a rollback in {env} has begun and not ended ({hold.reason})",
            hint=f"emonk-ops rollback --env {env}",
        )
    return OnHold(
        f"{env} is on hold since {hold.since:%Y-%m-%d %H:%M:%S}Z: {hold.reason}",
        hint=f'emonk-ops resume --env {env} --reason "why it may go on"',
    )

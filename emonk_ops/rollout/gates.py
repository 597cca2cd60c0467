"""What must hold before a stage may start. Pure."""

from __future__ import annotations

from emonk_ops.errors import GateClosed, OnHold, Refused
from emonk_ops.rollout.model import Stage
from emonk_ops.rollout.standing import Standing


def closed_gate(stage: Stage, standing: Standing, env: str) -> Refused | None:
    """Why the stage may not start, or None."""
    return _hold(standing, env) or _fault(standing, env) or _order(stage, standing, env)


def require_open_gate(stage: Stage, standing: Standing, env: str) -> None:
    """Raises GateClosed or OnHold."""
    if (refusal := closed_gate(stage, standing, env)) is not None:
        raise refusal


def _order(stage: Stage, standing: Standing, env: str) -> Refused | None:
    missing = [number for number in stage.needs if number not in standing.passed]
    if missing:
        return GateClosed(
            f"stage {stage.number} needs stage {missing[0]}, which has not passed in {env}",
            hint=f"emonk-ops stage {missing[0]} --env {env}",
        )
    later = [number for number in standing.passed if number > stage.number]
    if later and stage.capture is not None:
        return GateClosed(
            f"stage {max(later)} has passed in {env}; running stage {stage.number} now would "
            "undo part of it",
            hint=f"emonk-ops rollback --env {env} --plan",
        )
    return None


def _fault(standing: Standing, env: str) -> Refused | None:
    """A stage that began now would take what was broken on purpose for what was there."""
    if not (left := standing.injections.open):
        return None
    return Refused(
        f"an injected fault ({left[0].name}) is not known to be undone in {env}",
        hint=f"emonk-ops inject restore --all --env {env}",
    )


def _hold(standing: Standing, env: str) -> Refused | None:
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

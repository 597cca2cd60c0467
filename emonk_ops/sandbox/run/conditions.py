"""Conditions of services and revisions: set by type, kept when nothing changed."""

from __future__ import annotations

from datetime import datetime

from emonk_ops.sandbox.run.messages import Condition, ConditionState, Revision, Service, types

SUCCEEDED = types.Condition.State.CONDITION_SUCCEEDED
FAILED = types.Condition.State.CONDITION_FAILED
RECONCILING = types.Condition.State.CONDITION_RECONCILING
_REVISION_TYPES = ("Ready", "ContainerHealthy", "ContainerReady", "ResourcesAvailable")


def _condition(kind: str, state: ConditionState, now: datetime, message: str = "") -> Condition:
    condition = types.Condition(type_=kind, state=state, last_transition_time=now, message=message)
    if state == FAILED:
        condition.severity = types.Condition.Severity.ERROR
    return condition


def set_service(
    service: Service,
    now: datetime,
    *,
    configurations: ConditionState,
    routes: ConditionState,
    message: str = "",
) -> None:
    """Set RoutesReady and ConfigurationsReady, and Ready as the worse of both."""
    states = (configurations, routes)
    ready = FAILED if FAILED in states else RECONCILING if RECONCILING in states else SUCCEEDED

    def words(state: ConditionState) -> str:
        return message if state != SUCCEEDED else ""

    service.conditions = [
        _condition("RoutesReady", routes, now, words(routes)),
        _condition("ConfigurationsReady", configurations, now, words(configurations)),
    ]
    service.terminal_condition = _condition("Ready", ready, now, words(ready))
    service.reconciling = ready == RECONCILING
    if ready == FAILED:
        reason = types.Condition.CommonReason.REVISION_FAILED
        service.terminal_condition.reason = reason


def set_revision(
    revision: Revision, now: datetime, state: ConditionState, message: str = ""
) -> None:
    """Set all conditions of a revision to one state."""
    revision.conditions = [_condition(kind, state, now, message) for kind in _REVISION_TYPES]
    revision.reconciling = state == RECONCILING
    revision.update_time = now


def is_ready(revision: Revision) -> bool:
    """True when the revision came to listen once, so that traffic may go to it."""
    return any(one.type_ == "Ready" and one.state == SUCCEEDED for one in revision.conditions)

"""Conditions: v2's states are Knative's True, False and Unknown."""

from __future__ import annotations

from typing import Any

from emonk_ops.sandbox.run.messages import Condition, types

_STATUS = {
    types.Condition.State.CONDITION_SUCCEEDED: "True",
    types.Condition.State.CONDITION_FAILED: "False",
}


def knative(condition: Condition) -> dict[str, Any]:
    """The Knative JSON of one condition."""
    content = {
        "type": condition.type_,
        "status": _STATUS.get(condition.state, "Unknown"),
        "lastTransitionTime": types.Condition.pb(condition).last_transition_time.ToJsonString(),
        "message": condition.message,
        "reason": _reason(condition),
    }
    return {name: value for name, value in content.items() if value}


def active(revision_serves: bool, since: str) -> dict[str, Any]:
    """Whether a revision gets requests, which v2 says in the traffic of its service only."""
    if revision_serves:
        return {"type": "Active", "status": "True", "lastTransitionTime": since}
    return {
        "type": "Active",
        "status": "False",
        "severity": "Info",
        "reason": "NoTraffic",
        "message": "The revision receives no traffic.",
        "lastTransitionTime": since,
    }


def _reason(condition: Condition) -> str:
    raw = types.Condition.pb(condition)
    chosen = raw.WhichOneof("reasons")
    if chosen is None:
        return ""
    names = raw.DESCRIPTOR.fields_by_name[chosen].enum_type.values_by_number
    return str(names[getattr(raw, chosen)].name.title().replace("_", ""))

"""Plan, apply and remove: what there is beside what is wanted, and the way from one to the other.

Whose label or mark it does not carry is nobody's business here, and never touched.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from emonk_ops.errors import CloudError, Conflict, NotFound, StepFailed, StillSettling
from emonk_ops.monitoring_ports import Document, Kind, Monitoring
from emonk_ops.operations.alerts import channels
from emonk_ops.operations.alerts.board import board
from emonk_ops.operations.alerts.diff import Differences, differences
from emonk_ops.operations.alerts.metrics import metrics
from emonk_ops.operations.alerts.naming import is_ours, label_field, own_name
from emonk_ops.operations.alerts.policies import policies, timing
from emonk_ops.settings import Environment
from emonk_ops.toolbox import Toolbox

Wanted = Mapping[str, Mapping[str, Any]]
# What the platform says of a policy on a metric that it has not heard of yet.
UNKNOWN_METRIC = ("Cannot find metric", "metric referenced by the provided filter is unknown")


class Part(StrEnum):
    """What one of the two commands keeps."""

    ALERTS = "alerts"
    DASHBOARD = "dashboard"


class Action(StrEnum):
    CREATE = "create"
    CHANGE = "change"
    REMOVE = "remove"
    NONE = "already so"


@dataclass(frozen=True)
class Change:
    """One resource: as it is (`found`), as it should be (`want`), and what that takes."""

    kind: Kind
    name: str
    action: Action
    want: Document = field(default_factory=dict)
    found: Document = field(default_factory=dict)
    diff: Differences = field(default_factory=dict)

    @property
    def title(self) -> str:
        document = self.want or self.found
        return str(document.get("displayName") or document.get("name", self.name))


def kinds(part: Part) -> tuple[Kind, ...]:
    if part is Part.DASHBOARD:
        return (Kind.METRIC, Kind.DASHBOARD)
    return (Kind.METRIC, Kind.CHANNEL, Kind.POLICY)


def plan(tools: Toolbox, part: Part) -> tuple[Change, ...]:
    """Every resource of the part in the order of doing; nothing is changed."""
    found: list[Change] = []
    for kind in kinds(part):
        there = tools.monitoring.listed(kind)
        found += compared(tools.env, kind, there, _wanted(tools, kind))
    return tuple(found)


def apply(tools: Toolbox, part: Part) -> tuple[Change, ...]:
    """Bring it about and read it back; what was done.

    Raises StillSettling while a new metric is not known to Monitoring yet.
    """
    done: list[Change] = []
    for kind in kinds(part):
        there = tools.monitoring.listed(kind)
        for change in compared(tools.env, kind, there, _wanted(tools, kind)):
            if change.action in (Action.CREATE, Action.CHANGE):
                _bring_about(tools, change)
            done.append(change)
    # Last and in the other order: what is no longer wanted may have been in use until now.
    for change in reversed(done):
        if change.action is Action.REMOVE:
            _bring_about(tools, change)
    left = [one for one in plan(tools, part) if one.action is not Action.NONE]
    if left:
        told = "; ".join(f"{one.kind} {one.title}: {one.action} {one.diff}" for one in left)
        raise StepFailed(f"read back, it still differs: {told}")
    return tuple(done)


def removal(tools: Toolbox, part: Part) -> tuple[Change, ...]:
    """What `remove` would take away, in the order of doing. Metrics stay while they are used."""
    env, monitoring = tools.env, tools.monitoring
    other = Kind.POLICY if part is Part.DASHBOARD else Kind.DASHBOARD
    used = any(is_ours(env, other, one) for one in monitoring.listed(other))
    found = []
    for kind in reversed(kinds(part)):
        if kind is Kind.METRIC and used:
            continue
        for one in monitoring.listed(kind):
            if is_ours(env, kind, one) and not _is_shared(tools, kind, one):
                name = own_name(env, kind, one)
                found.append(Change(kind, name, Action.REMOVE, found=one))
    return tuple(found)


def remove(tools: Toolbox, part: Part) -> tuple[Change, ...]:
    done = removal(tools, part)
    for change in done:
        _bring_about(tools, change)
    left = removal(tools, part)
    if left:
        raise StepFailed(f"read back, there still is: {', '.join(one.title for one in left)}")
    return done


def compared(
    env: Environment, kind: Kind, there: Sequence[Document], wanted: Wanted
) -> list[Change]:
    """Raises Conflict where somebody else's metric has the name of one of ours."""
    ours: dict[str, Document] = {}
    extra: list[Change] = []
    for one in there:
        if not is_ours(env, kind, one):
            continue
        name = own_name(env, kind, one)
        if name in wanted and name not in ours:
            ours[name] = one
        else:
            extra.append(Change(kind, name, Action.REMOVE, found=one))
    changes = [_change(kind, name, ours.get(name), want) for name, want in wanted.items()]
    for change in changes:
        if change.action is Action.CREATE and kind is Kind.METRIC:
            _require_free(change, there)
    return changes + extra


def _change(kind: Kind, name: str, found: Document | None, want: Document) -> Change:
    if found is None:
        return Change(kind, name, Action.CREATE, want)
    diff = differences(found, want)
    action = Action.CHANGE if diff else Action.NONE
    return Change(kind, name, action, want, found, diff)


def _require_free(change: Change, there: Sequence[Document]) -> None:
    name = change.want["name"]
    if any(one.get("name") == name for one in there):
        raise Conflict(
            f"there is a log-based metric {name} that this tool did not make; it is left as it is",
            hint=f"Rename or delete it: gcloud logging metrics describe {name}",
        )


def _wanted(tools: Toolbox, kind: Kind) -> Wanted:
    env = tools.env
    if kind is Kind.METRIC:
        return metrics(env, timing(env).lag)
    if kind is Kind.DASHBOARD:
        return {"board": board(env)}
    there = tools.monitoring.listed(Kind.CHANNEL)
    if kind is Kind.POLICY:
        return policies(env, channels.resolved(env, there))
    # An address that has a channel of somebody else's needs none of ours.
    return {
        name: one
        for name, one in channels.wanted_channels(env).items()
        if (found := channels.channel_for(there, channels.address_of(one))) is None
        or is_ours(env, kind, found)
    }


def _is_shared(tools: Toolbox, kind: Kind, channel: Document) -> bool:
    """Whether somebody else's policy notifies a channel of ours."""
    if kind is not Kind.CHANNEL:
        return False
    return any(
        channel["name"] in policy.get("notificationChannels", ())
        for policy in tools.monitoring.listed(Kind.POLICY)
        if not is_ours(tools.env, Kind.POLICY, policy)
    )


def _bring_about(tools: Toolbox, change: Change) -> None:
    monitoring: Monitoring = tools.monitoring
    tools.say(f"{change.action} {change.kind} {change.title}")
    if change.action is Action.REMOVE:
        monitoring.delete(change.kind, str(change.found["name"]))
        return
    try:
        if change.action is Action.CREATE:
            monitoring.create(change.kind, change.want)
        else:
            monitoring.update(change.kind, _replacing(change))
    except CloudError as error:
        unknown = any(words in error.message for words in UNKNOWN_METRIC)
        if change.kind is not Kind.POLICY or not unknown:
            raise
        raise StillSettling(
            f"{change.title}: Cloud Monitoring does not know a new log-based metric yet, which "
            "takes it up to ten minutes",
            hint=f"The same command again: emonk-ops alerts apply --env {tools.env.name}",
        ) from error


def _replacing(change: Change) -> Document:
    """The wanted document over the one that is there, whose further labels stay."""
    document = {**change.want, "name": change.found["name"]}
    if "etag" in change.found:
        document["etag"] = change.found["etag"]
    labels = label_field(change.kind)
    if labels in document:
        document[labels] = {**change.found.get(labels, {}), **change.want[labels]}
    return document


def found_policies(tools: Toolbox) -> dict[str, Document]:
    """Ours by short name. Raises NotFound when there is none."""
    found = {
        own_name(tools.env, Kind.POLICY, one): one
        for one in tools.monitoring.listed(Kind.POLICY)
        if is_ours(tools.env, Kind.POLICY, one)
    }
    if not found:
        raise NotFound(
            f"there is no alert policy for {tools.env.service.name} in {tools.env.project}",
            hint=f"emonk-ops alerts apply --env {tools.env.name}",
        )
    return found

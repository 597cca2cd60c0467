"""Whether the alerts would reach anybody: there, enabled, as wanted, with a channel that exists."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from emonk_ops.monitoring_ports import Document, Incident, Kind
from emonk_ops.operations.alerts.keeping import Action, Change, Part, plan
from emonk_ops.toolbox import Toolbox


@dataclass(frozen=True)
class Checked:
    """One policy, or the metrics together; `problems` is empty when all is well."""

    name: str
    title: str
    problems: tuple[str, ...]


@dataclass(frozen=True)
class Answer:
    checked: tuple[Checked, ...]
    open_incidents: tuple[Incident, ...]

    @property
    def is_sound(self) -> bool:
        return not any(one.problems for one in self.checked)


def check(tools: Toolbox) -> Answer:
    """Nothing is changed. Open incidents are told and are no defect of the set-up."""
    changes = plan(tools, Part.ALERTS)
    there = {str(one["name"]): one for one in tools.monitoring.listed(Kind.CHANNEL)}
    own = [one for one in changes if one.kind is Kind.POLICY]
    names = {str(one.found["name"]) for one in own if one.found}
    incidents = tools.monitoring.incidents()
    return Answer(
        (_metrics(changes), *(_policy(one, there) for one in own)),
        tuple(one for one in incidents if one.state == "OPEN" and one.policy in names),
    )


def _metrics(changes: tuple[Change, ...]) -> Checked:
    found = [one for one in changes if one.kind is Kind.METRIC]
    problems = [
        f"{one.title}: {'missing' if one.action is Action.CREATE else _drift(one)}"
        for one in found
        if one.action is not Action.NONE
    ]
    return Checked("metrics", f"{len(found)} log-based metrics", tuple(problems))


def _policy(change: Change, channels: Mapping[str, Document]) -> Checked:
    if change.action is Action.CREATE:
        return Checked(change.name, change.title, ("missing",))
    if change.action is Action.REMOVE:
        return Checked(change.name, change.title, ("no longer wanted",))
    problems = []
    if not change.found.get("enabled", True):
        problems.append("disabled")
    if change.diff:
        problems.append(_drift(change))
    problems += _reach(change.found, channels)
    return Checked(change.name, change.title, tuple(problems))


def _reach(policy: Document, channels: Mapping[str, Document]) -> list[str]:
    named = policy.get("notificationChannels", [])
    if not named:
        return ["nobody is notified: it has no channel ([alerts] channels in emonk-ops.toml)"]
    problems = [f"its channel {one} does not exist" for one in named if one not in channels]
    return problems + [
        f"its channel {one} is disabled"
        for one in named
        if one in channels and not channels[one].get("enabled", True)
    ]


def _drift(change: Change) -> str:
    if change.action is Action.REMOVE:
        return "no longer wanted"
    return "drifted: " + ", ".join(
        f"{name} is {now}, not {then}" for name, (now, then) in change.diff.items()
    )

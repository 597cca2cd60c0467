"""One account's role taken away until an instant, and given back: a three-way merge each way.

The binding is swapped in one write for one that holds from `request.time >= T1` on, so that the
platform itself ends the fault (iam/docs/configuring-temporary-access). Only this one line is ever
changed; whatever else somebody changed in between stays.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from emonk_ops.access_ports import Binding, Condition, Policy, ProjectAccess
from emonk_ops.errors import Conflict, RestoreIncomplete
from emonk_ops.toolbox import Toolbox

ROLE = "roles/datastore.user"
# Roles that give access to Firestore as well: with one of them the fault would not be one.
OTHER_WAYS = (
    "roles/owner",
    "roles/editor",
    "roles/datastore.owner",
    "roles/datastore.importExportAdmin",
    "roles/firebase.admin",
)
TRIES = 6


def has_always(policy: Policy, member: str, role: str = ROLE) -> bool:
    return any(_is_plain(one, role) and member in one.members for one in policy.bindings)


def other_ways(policy: Policy, member: str) -> tuple[str, ...]:
    """Roles by which the account would keep its access."""
    found = {one.role for one in policy.bindings if member in one.members}
    return tuple(sorted(found & set(OTHER_WAYS)))


def undo(member: str, run: str, until: datetime) -> dict[str, Any]:
    """What the journal keeps: the line that was there, and the one that stands for it."""
    stamp = until.astimezone(UTC).isoformat().replace("+00:00", "Z")
    return {
        "kind": "iam",
        "member": member,
        "role": ROLE,
        "until": until.isoformat(),
        "title": f"emonk-ops fault {run}"[:100],
        "expression": f'request.time >= timestamp("{stamp}")',
    }


def withheld(policy: Policy, action: Mapping[str, Any]) -> Policy:
    """The policy with the role of the member put off until the instant."""
    member, role = action["member"], action["role"]
    kept = [_without(one, member) if _is_plain(one, role) else one for one in policy.bindings]
    condition = Condition(action["title"], action["expression"], "Given back by emonk-ops")
    added = Binding(role, (member,), condition)
    return replace(policy, bindings=(*(one for one in kept if one.members), added))


def given_back(policy: Policy, action: Mapping[str, Any]) -> Policy:
    """The policy with the line as it was. Raises RestoreIncomplete where somebody took both away:
    who has revoked an account's access must not find it back.
    """
    member, role = action["member"], action["role"]
    ours = [one for one in policy.bindings if _is_ours(one, action)]
    there = has_always(policy, member, role)
    if not ours and not there:
        raise RestoreIncomplete(
            f"{member} has neither {role} nor the temporary binding '{action['title']}' any more: "
            "somebody took it away in between",
        )
    kept = [_without(one, member) if _is_ours(one, action) else one for one in policy.bindings]
    bindings = [one for one in kept if one.members]
    if not there:
        bindings = _with(bindings, member, role)
    return replace(policy, bindings=tuple(bindings))


def change(
    tools: Toolbox, merge: Callable[[Policy, Mapping[str, Any]], Policy], action: Mapping[str, Any]
) -> bool:
    """The project's policy with `action` merged in. False: already so."""
    return merged(tools.access, lambda policy: merge(policy, action))


def merged(policies: ProjectAccess, merge: Callable[[Policy], Policy]) -> bool:
    """Read, merge, write with the etag; again when somebody was quicker. False: already so."""
    for attempt in range(TRIES):
        policy = policies.policy()
        wanted = merge(policy)
        if _plain(wanted) == _plain(policy):
            return False
        try:
            policies.set_policy(wanted)
        except Conflict:
            if attempt == TRIES - 1:
                raise
            continue
        return True
    return False


def given(policy: Policy, member: str, role: str) -> Policy:
    """The policy with the role given to the member, always."""
    if has_always(policy, member, role):
        return policy
    return replace(policy, bindings=tuple(_with(list(policy.bindings), member, role)))


def differences(policy: Policy, action: Mapping[str, Any]) -> list[str]:
    """What is not as it was of the one line that was changed."""
    found = []
    if not has_always(policy, action["member"], action["role"]):
        found.append(f"{action['member']} lacks {action['role']}")
    if any(_is_ours(one, action) and action["member"] in one.members for one in policy.bindings):
        found.append(f"the temporary binding '{action['title']}' is still there")
    return found


def snapshot(policy: Policy) -> list[list[Any]]:
    """All lines but ours, for the evidence and for equality."""
    return [
        [role, list(members), list(condition) if condition else None]
        for role, members, condition in sorted(_plain(policy), key=repr)
    ]


def _plain(policy: Policy) -> frozenset[tuple[str, tuple[str, ...], tuple[str, str] | None]]:
    return frozenset(
        (
            one.role,
            tuple(sorted(one.members)),
            (one.condition.title, one.condition.expression) if one.condition else None,
        )
        for one in policy.bindings
    )


def _is_plain(binding: Binding, role: str) -> bool:
    return binding.role == role and binding.condition is None


def _is_ours(binding: Binding, action: Mapping[str, Any]) -> bool:
    condition = binding.condition
    return (
        binding.role == action["role"]
        and condition is not None
        and condition.title == action["title"]
    )


def _without(binding: Binding, member: str) -> Binding:
    return replace(binding, members=tuple(one for one in binding.members if one != member))


def _with(bindings: list[Binding], member: str, role: str) -> list[Binding]:
    for index, one in enumerate(bindings):
        if _is_plain(one, role):
            grown = replace(one, members=(*one.members, member))
            return [*bindings[:index], grown, *bindings[index + 1 :]]
    return [*bindings, Binding(role, (member,))]

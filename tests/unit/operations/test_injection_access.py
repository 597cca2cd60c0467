"""One line of a policy taken away and given back, while others change theirs."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from emonk_ops.access_ports import Binding, Condition, Policy
from emonk_ops.errors import Conflict, RestoreIncomplete
from emonk_ops.operations.injection import access
from emonk_ops.settings import Environment, Target
from emonk_ops.testing import InMemoryPorts, InMemoryWorld
from emonk_ops.toolbox import Toolbox

MEMBER = "serviceAccount:agent@p.iam.gserviceaccount.com"
OTHER = "serviceAccount:other@p.iam.gserviceaccount.com"
UNTIL = datetime(2026, 1, 5, 12, 20, tzinfo=UTC)
ACTION = access.undo(MEMBER, "run-1", UNTIL)


@pytest.fixture
def ports() -> InMemoryPorts:
    ports = InMemoryPorts(InMemoryWorld())
    ports.access.grant("roles/owner", "user:ann@example.com")
    ports.access.grant(access.ROLE, MEMBER, OTHER)
    return ports


@pytest.fixture
def tools(ports: InMemoryPorts, tmp_path: Path) -> Toolbox:
    return Toolbox(Environment("qa", Target.SANDBOX, "p"), ports, tmp_path)


def test_the_role_is_put_off_until_the_instant_and_only_for_the_one(tools: Toolbox) -> None:
    assert access.change(tools, access.withheld, ACTION)
    plain, ours = [one for one in tools.access.policy().bindings if one.role == access.ROLE]
    assert (plain.members, plain.condition) == ((OTHER,), None)
    assert ours.members == (MEMBER,)
    assert ours.condition is not None
    assert ours.condition.expression == 'request.time >= timestamp("2026-01-05T12:20:00Z")'
    assert "run-1" in ours.condition.title
    assert access.differences(tools.access.policy(), ACTION)


def test_given_back_it_is_as_it_was_and_again_is_already_so(tools: Toolbox) -> None:
    before = access.snapshot(tools.access.policy())
    access.change(tools, access.withheld, ACTION)
    assert access.change(tools, access.given_back, ACTION)
    assert access.snapshot(tools.access.policy()) == before
    assert not access.change(tools, access.given_back, ACTION)
    assert not access.differences(tools.access.policy(), ACTION)


def test_what_a_colleague_granted_in_between_stays(ports: InMemoryPorts, tools: Toolbox) -> None:
    access.change(tools, access.withheld, ACTION)
    ports.access.grant("roles/viewer", "user:bob@example.com")
    access.change(tools, access.given_back, ACTION)
    assert Binding("roles/viewer", ("user:bob@example.com",)) in tools.access.policy().bindings
    assert access.has_always(tools.access.policy(), MEMBER)


def test_a_write_that_was_overtaken_is_merged_anew(ports: InMemoryPorts, tools: Toolbox) -> None:
    overtaken = ["user:bob@example.com"]

    def overtake(call: str) -> None:
        if call == "set policy" and overtaken:
            ports.access.grant("roles/viewer", overtaken.pop())

    ports.world.before = overtake
    assert access.change(tools, access.withheld, ACTION)
    assert Binding("roles/viewer", ("user:bob@example.com",)) in tools.access.policy().bindings
    assert not access.has_always(tools.access.policy(), MEMBER)


def test_a_policy_that_never_holds_still_is_a_conflict(
    ports: InMemoryPorts, tools: Toolbox
) -> None:
    ports.world.before = lambda _call: ports.access.grant("roles/viewer", "user:bob@example.com")
    with pytest.raises(Conflict):
        access.change(tools, access.withheld, ACTION)


def test_an_account_whose_access_was_revoked_does_not_find_it_back() -> None:
    policy = Policy((Binding("roles/owner", ("user:ann@example.com",)),))
    with pytest.raises(RestoreIncomplete, match="somebody took it away"):
        access.given_back(policy, ACTION)


def test_where_somebody_gave_it_back_by_hand_only_ours_goes() -> None:
    condition = Condition(ACTION["title"], ACTION["expression"])
    given = Policy(
        (Binding(access.ROLE, (MEMBER,)), Binding(access.ROLE, (MEMBER, OTHER), condition))
    )
    back = access.given_back(given, ACTION)
    assert back.bindings == (
        Binding(access.ROLE, (MEMBER,)),
        Binding(access.ROLE, (OTHER,), condition),
    )


@pytest.mark.parametrize("role", access.OTHER_WAYS)
def test_another_way_in_is_found(role: str) -> None:
    policy = Policy((Binding(access.ROLE, (MEMBER,)), Binding(role, (OTHER, MEMBER))))
    assert access.other_ways(policy, MEMBER) == (role,)
    bare = replace(policy, bindings=policy.bindings[:1])
    assert access.other_ways(bare, MEMBER) == ()

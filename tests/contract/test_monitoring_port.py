from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest

from emonk_ops.errors import CloudError, Conflict, NotFound
from emonk_ops.monitoring_ports import Document, Kind
from emonk_ops.operations.alerts.board import board
from emonk_ops.operations.alerts.diff import differences
from emonk_ops.operations.alerts.metrics import STALE_COMPLETION, metrics
from emonk_ops.operations.alerts.naming import is_ours
from emonk_ops.operations.alerts.policies import policies
from emonk_ops.sandbox import launcher
from emonk_ops.settings import Environment, Target
from emonk_ops.testing import InMemoryPorts, InMemoryWorld
from emonk_ops.toolbox import Ports
from emonk_ops.wiring import Wiring

ENV = Environment("qa", Target.SANDBOX, "emonk-qa")
EMAIL = {
    "type": "email",
    "displayName": "On call",
    "labels": {"email_address": "oncall@example.com"},
    "userLabels": {"kept-by": "emonk-ops"},
}
DOCUMENTS: dict[Kind, Callable[[], dict[str, Any]]] = {
    Kind.METRIC: lambda: metrics(ENV, 600)["lag"],
    Kind.CHANNEL: lambda: dict(EMAIL),
    Kind.POLICY: lambda: policies(ENV, [])["tick-failures"],
    Kind.DASHBOARD: lambda: board(ENV),
}


@dataclass(frozen=True)
class Subject:
    ports: Ports

    def make(self, kind: Kind) -> Document:
        return self.ports.monitoring.create(kind, DOCUMENTS[kind]())


@pytest.fixture(scope="module", params=["memory", "sandbox"])
def target(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Subject]:
    if request.param == "memory":
        yield Subject(InMemoryPorts(InMemoryWorld()))
        return
    directory = tmp_path_factory.mktemp("monitoring") / "world"
    launcher.launch(directory, clock="virtual", empty=True)
    ports = Wiring(Environment("qa", Target.SANDBOX, "emonk-qa", sandbox_dir=directory))
    try:
        yield Subject(ports)
    finally:
        ports.close()
        launcher.end(directory)


@pytest.fixture
def subject(target: Subject) -> Subject:
    """Nothing is there."""
    for kind in reversed(Kind):
        for one in target.ports.monitoring.listed(kind):
            target.ports.monitoring.delete(kind, str(one["name"]))
    return target


@pytest.mark.parametrize("kind", Kind)
def test_what_is_made_is_listed_as_it_was_given(subject: Subject, kind: Kind) -> None:
    made = subject.make(kind)
    assert made["name"]
    assert differences(made, DOCUMENTS[kind]()) == {}
    (listed,) = subject.ports.monitoring.listed(kind)
    assert listed == made
    assert is_ours(ENV, kind, listed) is (kind is not Kind.CHANNEL)


@pytest.mark.parametrize(
    ("kind", "field"),
    [
        (Kind.METRIC, "filter"),
        (Kind.CHANNEL, "displayName"),
        (Kind.POLICY, "displayName"),
        (Kind.DASHBOARD, "displayName"),
    ],
)
def test_an_update_replaces_what_it_names(subject: Subject, kind: Kind, field: str) -> None:
    made = subject.make(kind)
    subject.ports.monitoring.update(kind, {**made, field: "severity"})
    (found,) = subject.ports.monitoring.listed(kind)
    assert differences(made, found).keys() >= {field}
    assert found["name"] == made["name"]
    assert found[field] == "severity"


def test_a_policy_can_be_disabled_and_is_enabled_unless_it_is_said(subject: Subject) -> None:
    made = subject.make(Kind.POLICY)
    assert made["enabled"] is True
    subject.ports.monitoring.update(Kind.POLICY, {**made, "enabled": False})
    (found,) = subject.ports.monitoring.listed(Kind.POLICY)
    assert found["enabled"] is False


def test_a_dashboard_changed_in_between_is_a_conflict(subject: Subject) -> None:
    made = subject.make(Kind.DASHBOARD)
    subject.ports.monitoring.update(Kind.DASHBOARD, {**made, "displayName": "theirs"})
    with pytest.raises(Conflict):
        subject.ports.monitoring.update(Kind.DASHBOARD, made)


def test_a_metric_of_a_taken_name_is_a_conflict(subject: Subject) -> None:
    subject.make(Kind.METRIC)
    with pytest.raises(Conflict):
        subject.make(Kind.METRIC)


@pytest.mark.parametrize("kind", Kind)
def test_what_is_deleted_is_gone_and_deleting_again_finds_nothing(
    subject: Subject, kind: Kind
) -> None:
    name = str(subject.make(kind)["name"])
    subject.ports.monitoring.delete(kind, name)
    assert subject.ports.monitoring.listed(kind) == ()
    with pytest.raises(NotFound):
        subject.ports.monitoring.delete(kind, name)


def test_a_channel_in_use_is_not_deleted(subject: Subject) -> None:
    channel = subject.make(Kind.CHANNEL)
    wanted = {**DOCUMENTS[Kind.POLICY](), "notificationChannels": [channel["name"]]}
    made = subject.ports.monitoring.create(Kind.POLICY, wanted)
    assert made["notificationChannels"] == [channel["name"]]
    with pytest.raises(CloudError, match="used by"):
        subject.ports.monitoring.delete(Kind.CHANNEL, str(channel["name"]))


def test_a_written_entry_bears_the_service_s_resource(subject: Subject) -> None:
    since = subject.ports.clock.now() - timedelta(minutes=1)
    subject.ports.monitoring.write_entry({"message": STALE_COMPLETION, "test": True})
    query = f'jsonPayload.message="{STALE_COMPLETION}"'
    (found,) = subject.ports.logs.entries(query, since=since)
    assert found.resource["service_name"] == "emonk-agent"
    assert found.payload["test"] is True


def test_a_fault_has_a_name_and_ending_it_twice_is_safe(subject: Subject) -> None:
    faults = subject.ports.storage_faults
    named = {
        faults.begin(
            "google.firestore.v1.Firestore/Commit", "ABORTED", account="a@b.c", seconds=60.0
        )
        for _ in range(2)
    }
    assert len(named) == 2
    for one in [*named, *named]:
        faults.end(one)


def test_no_incident_is_an_empty_answer(subject: Subject) -> None:
    assert subject.ports.monitoring.incidents() == ()

"""Whether Firestore's audit log could have anything, and what the ticks counted themselves."""

from __future__ import annotations

from datetime import timedelta

import pytest
from google.iam.v1.policy_pb2 import AuditConfig, AuditLogConfig, Policy

from emonk_ops.errors import PermissionMissing
from emonk_ops.gcp.project_access import policy_of
from emonk_ops.operations.firestore_log import audit, totals
from emonk_ops.testing import InMemoryPorts, InMemoryWorld
from emonk_ops.testing.access import InMemoryAccess
from emonk_ops.toolbox import Toolbox


class Forbidden(InMemoryAccess):
    def policy(self) -> object:  # type: ignore[override]
        raise PermissionMissing("resourcemanager.projects.getIamPolicy is not granted")


@pytest.mark.parametrize(
    ("on", "told"),
    [
        ((), "are not enabled"),
        (("storage.googleapis.com/DATA_READ",), "are not enabled"),
        (("datastore.googleapis.com/DATA_WRITE",), "are on: DATA_WRITE"),
        (("allServices/DATA_READ", "allServices/DATA_WRITE"), "are on: DATA_READ, DATA_WRITE"),
    ],
)
def test_whether_data_access_logs_are_on_is_said(
    tools: Toolbox, ports: InMemoryPorts, on: tuple[str, ...], told: str
) -> None:
    ports.access.log_data_access(*on)
    found = audit(tools, tools.clock.now() - timedelta(hours=1), 10)
    assert told in found.sentence()


def test_what_cannot_be_asked_is_said_so(
    tools: Toolbox, ports: InMemoryPorts, world: InMemoryWorld
) -> None:
    ports.access = Forbidden(world)
    found = audit(tools, tools.clock.now() - timedelta(hours=1), 10)
    assert found.enabled is None
    assert "could not be asked: resourcemanager" in found.sentence()


def test_the_policy_of_the_api_tells_what_is_audited() -> None:
    logs = [AuditLogConfig(log_type=AuditLogConfig.DATA_READ)]
    config = AuditConfig(service="datastore.googleapis.com", audit_log_configs=logs)
    found = policy_of(Policy(audit_configs=[config], etag=b"e"))
    assert found.audited == {"datastore.googleapis.com/DATA_READ"}


def test_errors_are_summed_up_by_code(world: InMemoryWorld) -> None:
    errors = {"UNAVAILABLE": {"count": 2, "transient": True}}
    for _ in range(2):
        world.write("Scheduler tick completed", storage_ops=3, storage_errors=errors)
    world.write("Scheduler tick completed", storage_ops=1)
    found = totals(world.log[-3:])
    assert (found["ticks"], found["storage_ops"]) == (3, 7)
    assert found["errors"] == {"UNAVAILABLE": 4}

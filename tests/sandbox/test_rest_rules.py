"""The HTTP rules, written and carried by clients, against the messages of the methods."""

from __future__ import annotations

import importlib
from typing import Any

import pytest

from emonk_ops.sandbox.rest.other_paths import OTHER_PATHS
from emonk_ops.sandbox.rest.rules import LOCATIONS, OPERATIONS, HttpRule, other_rules, surfaces
from emonk_ops.sandbox.rest.templates import Template
from emonk_ops.sandbox.rest.written_rules import WRITTEN

TYPES = {
    "google.api.serviceusage.v1": "google.cloud.service_usage_v1",
    "google.cloud.resourcemanager.v3": "google.cloud.resourcemanager_v3",
    "google.cloud.run.v2": "google.cloud.run_v2",
    "google.cloud.scheduler.v1": "google.cloud.scheduler_v1",
    "google.firestore.admin.v1": "google.cloud.firestore_admin_v1",
    "google.firestore.v1": "google.cloud.firestore_v1",
    "google.logging.v2": "google.cloud.logging_v2",
    "google.monitoring.dashboard.v1": "google.cloud.monitoring_dashboard_v1",
    "google.monitoring.v3": "google.cloud.monitoring_v3",
}
IAM = ("GetIamPolicy", "SetIamPolicy", "TestIamPermissions")


def own_rules(protocol: str) -> list[HttpRule]:
    """Those of methods with a request type of the package's own."""
    found = [rule for surface in surfaces(protocol) for rule in surface.rules]
    found += other_rules(protocol)
    return [
        rule
        for rule in found
        if rule.method.split("/")[1] not in (OPERATIONS, LOCATIONS)
        and rule.method.split("/")[2] not in IAM
    ]


def field_of(descriptor: Any, path: str) -> Any:
    field = None
    for name in path.split("."):
        field = descriptor.fields_by_name[name]
        descriptor = field.message_type
    return field


@pytest.mark.parametrize("protocol", TYPES)
def test_a_rule_fills_fields_that_its_request_has(protocol: str) -> None:
    types: Any = importlib.import_module(f"{TYPES[protocol]}.types")
    rules = own_rules(protocol)
    assert rules
    for rule in rules:
        kind = getattr(types, f"{rule.method.rpartition('/')[2]}Request", None)
        if kind is None:  # a few take a resource itself
            continue
        descriptor = kind.pb().DESCRIPTOR
        for path in Template(rule.template).fields:
            assert field_of(descriptor, path).type == field_of(descriptor, path).TYPE_STRING, rule
        if rule.body not in ("", "*"):
            assert field_of(descriptor, rule.body).message_type is not None, rule


@pytest.mark.parametrize("service", WRITTEN)
def test_a_written_rule_is_of_a_method_that_the_client_knows(service: str) -> None:
    methods = {one.service: one.methods for one in surfaces(service.rpartition(".")[0])}[service]
    assert {rule[0] for rule in WRITTEN[service]} <= set(methods)


def test_another_version_s_path_is_of_a_method_that_the_client_knows() -> None:
    for method in OTHER_PATHS:
        service, _, name = method.strip("/").partition("/")
        found = {one.service: one.methods for one in surfaces(service.rpartition(".")[0])}
        assert name in found[service], method


def test_a_package_without_a_client_has_no_surface() -> None:
    assert list(surfaces("google.pubsub.v1")) == []

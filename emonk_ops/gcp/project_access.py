"""The project's access policy (Resource Manager API v3), conditions included."""

from __future__ import annotations

from typing import Any

from emonk_ops.access_ports import Binding, Condition, Policy
from emonk_ops.gcp.calls import reading, writing
from emonk_ops.gcp.endpoints import client
from emonk_ops.gcp.faults import translated
from emonk_ops.settings import Environment

# Version 3 is the one that carries conditions: iam/docs/policies#versions.
POLICY_VERSION = 3


class GcpProjectAccess:
    """See `emonk_ops.access_ports.ProjectAccess`."""

    def __init__(self, env: Environment) -> None:
        from google.cloud.resourcemanager_v3 import ProjectsClient

        self._env = env
        self._resource = f"projects/{env.project}"
        with translated("resourcemanager", env):
            self._client = client(ProjectsClient, env)

    def policy(self) -> Policy:
        request = {
            "resource": self._resource,
            "options": {"requested_policy_version": POLICY_VERSION},
        }
        with translated("resourcemanager.projects.getIamPolicy", self._env):
            return policy_of(self._client.get_iam_policy(request, **reading()))

    def set_policy(self, policy: Policy) -> Policy:
        request = {"resource": self._resource, "policy": _message(policy)}
        with translated("resourcemanager.projects.setIamPolicy", self._env):
            return policy_of(self._client.set_iam_policy(request, **writing()))


def policy_of(message: Any) -> Policy:
    """From google.iam.v1.Policy."""
    from google.iam.v1.policy_pb2 import AuditLogConfig

    LogType = AuditLogConfig.LogType  # noqa: N806 (an enum of the API)
    bindings = tuple(
        Binding(one.role, tuple(one.members), _condition(one)) for one in message.bindings
    )
    audited = frozenset(
        f"{config.service}/{LogType.Name(one.log_type)}"
        for config in message.audit_configs
        for one in config.audit_log_configs
    )
    return Policy(bindings, bytes(message.etag), audited)


def _condition(binding: Any) -> Condition | None:
    if not binding.HasField("condition"):
        return None
    found = binding.condition
    return Condition(found.title, found.expression, found.description)


def _message(policy: Policy) -> dict[str, Any]:
    return {
        "version": POLICY_VERSION,
        "etag": policy.etag,
        "bindings": [_binding(one) for one in policy.bindings],
    }


def _binding(binding: Binding) -> dict[str, Any]:
    written: dict[str, Any] = {"role": binding.role, "members": list(binding.members)}
    if (condition := binding.condition) is not None:
        written["condition"] = {
            "title": condition.title,
            "expression": condition.expression,
            "description": condition.description,
        }
    return written

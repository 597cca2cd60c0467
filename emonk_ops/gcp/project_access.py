"""The access policies of the project and of its service, conditions included."""

from __future__ import annotations

from typing import Any

from emonk_ops.access_ports import Binding, Condition, Policy
from emonk_ops.gcp.calls import reading, writing
from emonk_ops.gcp.endpoints import client
from emonk_ops.gcp.faults import translated
from emonk_ops.settings import Environment

# Version 3 is the one that carries conditions: iam/docs/policies#versions.
POLICY_VERSION = 3


class _Kept:
    """The policy of one resource, by the client of the product that keeps it."""

    def __init__(self, env: Environment, client: Any, resource: str, permission: str) -> None:
        self._env = env
        self._client = client
        self._resource = resource
        self._permission = permission

    def policy(self) -> Policy:
        request = {
            "resource": self._resource,
            "options": {"requested_policy_version": POLICY_VERSION},
        }
        with translated(f"{self._permission}.getIamPolicy", self._env):
            return policy_of(self._client.get_iam_policy(request, **reading()))

    def set_policy(self, policy: Policy) -> Policy:
        request = {"resource": self._resource, "policy": _message(policy)}
        with translated(f"{self._permission}.setIamPolicy", self._env):
            return policy_of(self._client.set_iam_policy(request, **writing()))


class GcpProjectAccess(_Kept):
    """See `emonk_ops.access_ports.ProjectAccess`."""

    def __init__(self, env: Environment) -> None:
        from google.cloud.resourcemanager_v3 import ProjectsClient

        with translated("resourcemanager", env):
            projects = client(ProjectsClient, env)
        super().__init__(env, projects, f"projects/{env.project}", "resourcemanager.projects")


class GcpServiceAccess(_Kept):
    """Who may call the Cloud Run service: the policy of the service itself (Cloud Run API v2)."""

    def __init__(self, env: Environment) -> None:
        from google.cloud.run_v2 import ServicesClient

        with translated("run", env):
            services = client(ServicesClient, env)
        place = f"projects/{env.project}/locations/{env.service.region}"
        super().__init__(env, services, f"{place}/services/{env.service.name}", "run.services")


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

"""A project's switches and permissions: Service Usage, Resource Manager and Firestore Admin."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from emonk_ops.errors import NotFound
from emonk_ops.gcp.calls import reading
from emonk_ops.gcp.endpoints import client
from emonk_ops.gcp.faults import translated
from emonk_ops.settings import Environment

POLICY_VERSION = 3


class GooglePlatform:
    """See `emonk_ops.ports.Platform`. Each client is made when it is first asked for."""

    def __init__(self, env: Environment) -> None:
        self._env = env
        self._project = f"projects/{env.project}"

    def api_enabled(self, api: str) -> bool:
        from google.cloud.service_usage_v1 import ServiceUsageClient, State

        usage = client(ServiceUsageClient, self._env)
        found = self._ask(
            "serviceusage.services.get",
            usage.get_service,
            {"name": f"{self._project}/services/{api}"},
        )
        return bool(found.state == State.ENABLED)

    def missing_permissions(self, permissions: Sequence[str]) -> tuple[str, ...]:
        found = self._ask(
            "resourcemanager.projects.testIamPermissions",
            self._projects().test_iam_permissions,
            {"resource": self._project, "permissions": list(permissions)},
        )
        granted = set(found.permissions)
        return tuple(one for one in permissions if one not in granted)

    def roles_of(self, member: str) -> tuple[str, ...]:
        policy = self._ask(
            "resourcemanager.projects.getIamPolicy",
            self._projects().get_iam_policy,
            {
                "resource": self._project,
                "options": {"requested_policy_version": POLICY_VERSION},
            },
        )
        return tuple(
            binding.role
            for binding in policy.bindings
            if member in binding.members and not binding.condition.expression
        )

    def firestore_database(self) -> Mapping[str, Any] | None:
        from google.cloud.firestore_admin_v1 import FirestoreAdminClient

        admin = client(FirestoreAdminClient, self._env)
        try:
            found = self._ask(
                "datastore.databases.getMetadata",
                admin.get_database,
                {"name": f"{self._project}/databases/(default)"},
            )
        except NotFound:
            return None
        return {"name": found.name, "location": found.location_id, "type": found.type_.name}

    def _projects(self) -> Any:
        from google.cloud.resourcemanager_v3 import ProjectsClient

        return client(ProjectsClient, self._env)

    def _ask(self, name: str, method: Any, request: Mapping[str, Any]) -> Any:
        with translated(name, self._env):
            return method(request, **reading())

"""google.cloud.resourcemanager.v3.Projects, and the policy methods that every resource shares."""

from __future__ import annotations

import hashlib
from typing import Any

from google.cloud.resourcemanager_v3 import types
from google.iam.v1 import iam_policy_pb2

from emonk_ops.sandbox.iam.access import Access
from emonk_ops.sandbox.iam.callers import current_caller
from emonk_ops.sandbox.iam.errors import invalid
from emonk_ops.sandbox.iam.policies import CONDITIONAL_VERSION, Policies
from emonk_ops.sandbox.iam.projects import OPERATOR, project_number

POLICY_METHODS = (
    ("GetIamPolicy", "get_iam_policy", iam_policy_pb2.GetIamPolicyRequest),
    ("SetIamPolicy", "set_iam_policy", iam_policy_pb2.SetIamPolicyRequest),
    ("TestIamPermissions", "test_iam_permissions", iam_policy_pb2.TestIamPermissionsRequest),
)
METHODS = (("GetProject", "get_project", types.GetProjectRequest.pb()), *POLICY_METHODS)


class PolicyMethods:
    """getIamPolicy, setIamPolicy and testIamPermissions of one kind of resource."""

    def __init__(self, policies: Policies, access: Access) -> None:
        self._policies = policies
        self._access = access

    async def get_iam_policy(self, request: Any) -> Any:
        """Conditions are left out for who asks for an older version, as the platform does."""
        policy = self._policies.read(request.resource)
        if request.options.requested_policy_version < CONDITIONAL_VERSION:
            for binding in policy.bindings:
                if binding.HasField("condition"):
                    title = binding.condition.title or "condition"
                    binding.role = f"{binding.role}_withcond_{_mark(title)}"
                    binding.ClearField("condition")
            policy.version = 1
        return policy

    async def set_iam_policy(self, request: Any) -> Any:
        return self._policies.write(request.resource, request.policy)

    async def test_iam_permissions(self, request: Any) -> Any:
        """For a caller without identity: what the operator of the sandbox may do."""
        for one in request.permissions:
            if "*" in one:
                raise invalid("Wildcard permissions are not allowed in testIamPermissions.")
        caller = current_caller.get() or OPERATOR
        held = self._access.granted_of(caller, request.permissions, request.resource)
        return iam_policy_pb2.TestIamPermissionsResponse(permissions=held)


class ProjectMethods(PolicyMethods):
    """Resource Manager, as far as a rollout asks it."""

    async def get_project(self, request: Any) -> Any:
        name = request.name
        if not name.startswith("projects/") or not name.partition("/")[2]:
            raise invalid("field [name] has issue [must be of the form projects/{project}].")
        return types.Project.pb()(
            name=f"projects/{project_number(name)}",
            project_id=name.partition("/")[2],
            display_name=name.partition("/")[2],
            state=types.Project.State.ACTIVE,
        )


def _mark(title: str) -> str:
    return hashlib.sha256(title.encode()).hexdigest()[:20]

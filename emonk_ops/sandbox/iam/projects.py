"""Projects of the sandbox: any id is one; what nobody changed is as it was before the migration."""

from __future__ import annotations

import hashlib

from google.iam.v1 import policy_pb2

OPERATOR = "operator@example.com"
SERVICE = "emonk-agent"
INVOKER = "emonk-scheduler"


def project_number(project: str) -> int:
    """The number of `projects/P`, always the same for the same id."""
    return int.from_bytes(hashlib.sha256(project.encode()).digest()[:5]) + 10**11


def account(name: str, project: str) -> str:
    """The e-mail of a service account of `projects/P`."""
    return f"{name}@{project.partition('/')[2]}.iam.gserviceaccount.com"


def default_policy(resource: str) -> policy_pb2.Policy:
    """A project begins with its operator as owner, and its service as the guide has it run.

    Anything else, such as a service of Cloud Run, begins with nobody.
    """
    policy = policy_pb2.Policy(version=1)
    if resource.count("/") != 1 or not resource.startswith("projects/"):
        return policy
    agent = f"service-{project_number(resource)}@gcp-sa-cloudscheduler.iam.gserviceaccount.com"
    service = f"serviceAccount:{account(SERVICE, resource)}"
    for role, member in (
        ("roles/owner", f"user:{OPERATOR}"),
        ("roles/datastore.user", service),
        ("roles/logging.logWriter", service),
        ("roles/cloudscheduler.serviceAgent", f"serviceAccount:{agent}"),
    ):
        policy.bindings.add(role=role, members=[member])
    return policy

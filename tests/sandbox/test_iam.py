"""Identity and permission in the sandbox, seen through Google's clients."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest
from google.api_core import exceptions
from google.cloud.firestore_admin_v1 import FirestoreAdminClient
from google.cloud.resourcemanager_v3 import ProjectsClient
from google.cloud.run_v2 import ServicesClient
from google.cloud.scheduler_v1 import CloudSchedulerClient
from google.cloud.service_usage_v1 import ServiceUsageClient, State
from google.iam.v1 import policy_pb2

from emonk_ops.sandbox import launcher

PROJECT = "projects/my-project"
ROBOT = "robot@my-project.iam.gserviceaccount.com"
MEMBER = f"serviceAccount:{ROBOT}"


def policy_of(cloud: Any) -> policy_pb2.Policy:
    request = {"resource": PROJECT, "options": {"requested_policy_version": 3}}
    found: policy_pb2.Policy = cloud.client(ProjectsClient).get_iam_policy(request, timeout=5)
    return found


def set_policy(cloud: Any, policy: policy_pb2.Policy) -> policy_pb2.Policy:
    request = {"resource": PROJECT, "policy": policy}
    found: policy_pb2.Policy = cloud.client(ProjectsClient).set_iam_policy(request, timeout=5)
    return found


def grant(cloud: Any, role: str, member: str = MEMBER, condition: str = "") -> None:
    policy = policy_of(cloud)
    binding = policy.bindings.add(role=role, members=[member])
    if condition:
        policy.version = 3
        binding.condition.title = "for a while"
        binding.condition.expression = condition
    set_policy(cloud, policy)


def as_robot(cloud: Any, kind: Any) -> Any:
    """A client towards the robot's own address."""
    door = cloud.control("POST", "iam/identity", {"email": ROBOT})["grpc"]
    transport = kind.get_transport_class("grpc")
    return kind(transport=transport(channel=grpc.insecure_channel(door)))


def test_an_account_may_do_what_its_roles_say_and_nothing_else(cloud: Any) -> None:
    jobs = as_robot(cloud, CloudSchedulerClient)
    with pytest.raises(exceptions.PermissionDenied, match=r'"cloudscheduler\.jobs\.list"'):
        jobs.list_jobs(parent=cloud.parent, timeout=5)
    grant(cloud, "roles/cloudscheduler.viewer")
    assert list(jobs.list_jobs(parent=cloud.parent, timeout=5)) == []
    with pytest.raises(exceptions.PermissionDenied) as denied:
        jobs.delete_job(name=f"{cloud.parent}/jobs/x", timeout=5)
    assert denied.value.reason == "IAM_PERMISSION_DENIED"
    assert denied.value.metadata["permission"] == "cloudscheduler.jobs.delete"


def test_a_caller_is_known_by_its_token_too(cloud: Any) -> None:
    token = cloud.control("POST", "iam/identity", {"email": ROBOT})["token"]
    call = {"timeout": 5, "metadata": [("authorization", f"Bearer {token}")]}
    with pytest.raises(exceptions.PermissionDenied, match=r"run\.services\.list"):
        cloud.services.list_services(parent=cloud.parent, **call)
    grant(cloud, "roles/run.viewer")
    assert list(cloud.services.list_services(parent=cloud.parent, **call)) == []
    forged = {"timeout": 5, "metadata": [("authorization", "Bearer sandbox.forged")]}
    with pytest.raises(exceptions.Unauthenticated):
        cloud.services.list_services(parent=cloud.parent, **forged)


def test_a_binding_ends_and_begins_by_the_worlds_clock(cloud: Any) -> None:
    now = datetime.fromisoformat(cloud.control("GET", "clock")["now"])
    begins = (now + timedelta(minutes=10)).isoformat()
    grant(cloud, "roles/run.viewer", condition=f'request.time >= timestamp("{begins}")')
    services = as_robot(cloud, ServicesClient)
    with pytest.raises(exceptions.PermissionDenied):
        services.list_services(parent=cloud.parent, timeout=5)
    cloud.control("POST", "clock/advance", {"seconds": 601})
    assert list(services.list_services(parent=cloud.parent, timeout=5)) == []


def test_a_change_takes_the_set_delay_to_decide_and_none_to_be_read(cloud: Any) -> None:
    cloud.control("POST", "iam/delay", {"seconds": 120})
    grant(cloud, "roles/run.viewer")
    services = as_robot(cloud, ServicesClient)
    assert any(MEMBER in one.members for one in policy_of(cloud).bindings)
    with pytest.raises(exceptions.PermissionDenied):
        services.list_services(parent=cloud.parent, timeout=5)
    cloud.control("POST", "clock/advance", {"seconds": 121})
    services.list_services(parent=cloud.parent, timeout=5)


def test_a_policy_of_somebody_else_is_not_overwritten(cloud: Any) -> None:
    mine, theirs = policy_of(cloud), policy_of(cloud)
    theirs.bindings.add(role="roles/run.viewer", members=[MEMBER])
    set_policy(cloud, theirs)
    mine.bindings.add(role="roles/logging.viewer", members=[MEMBER])
    with pytest.raises(exceptions.Aborted, match="read-modify-write"):
        set_policy(cloud, mine)


@pytest.mark.parametrize(
    ("role", "member", "condition", "version", "told"),
    [
        ("roles/nonsense", MEMBER, "", 1, "roles/nonsense"),
        ("roles/run.viewer", "robot", "", 1, "Invalid member: robot"),
        ("roles/run.viewer", MEMBER, "request.time < nothing", 3, "request.time < nothing"),
        ("roles/run.viewer", MEMBER, "true", 1, "requires the policy version 3"),
        ("roles/editor", MEMBER, "true", 3, "primitive roles"),
        ("roles/run.viewer", "allUsers", "true", 3, "allUsers"),
    ],
)
def test_a_bad_binding_is_refused(
    cloud: Any, role: str, member: str, condition: str, version: int, told: str
) -> None:
    policy = policy_of(cloud)
    policy.version = version
    binding = policy.bindings.add(role=role, members=[member])
    if condition:
        binding.condition.expression = condition
    with pytest.raises(exceptions.InvalidArgument, match=told):
        set_policy(cloud, policy)
    assert len(policy_of(cloud).bindings) == len(policy.bindings) - 1


def test_the_permissions_asked_for_are_answered(cloud: Any) -> None:
    asked = ["run.services.get", "run.services.update", "no.such.thing"]
    projects = as_robot(cloud, ProjectsClient)
    grant(cloud, "roles/run.viewer")
    held = projects.test_iam_permissions(resource=PROJECT, permissions=asked, timeout=5)
    assert list(held.permissions) == ["run.services.get"]
    operator = cloud.client(ProjectsClient)
    held = operator.test_iam_permissions(resource=PROJECT, permissions=asked, timeout=5)
    assert list(held.permissions) == asked[:2]


def test_a_service_lets_in_whom_its_policy_names(cloud: Any) -> None:
    wanted = cloud.service()
    wanted.invoker_iam_disabled = False
    service = cloud.create(wanted)

    def status(token: str = "") -> int:
        headers = {"authorization": f"Bearer {token}"} if token else {}
        return httpx.get(service.uri, headers=headers, timeout=10, trust_env=False).status_code

    def token(email: str, audience: str) -> str:
        request = {"email": email, "audience": audience}
        return str(cloud.control("POST", "token", request)["token"])

    assert status() == 403
    assert status("nonsense") == 401
    assert status(token(ROBOT, "https://elsewhere.example.com")) == 401
    assert status(token(ROBOT, service.uri)) == 403
    policy = policy_pb2.Policy()
    policy.bindings.add(role="roles/run.invoker", members=[MEMBER])
    cloud.services.set_iam_policy({"resource": service.name, "policy": policy}, timeout=5)
    assert status(token(ROBOT, service.uri)) == 200
    assert status(token("somebody@example.com", service.uri)) == 403
    assert status() == 403
    (line, *_) = cloud.logs("severity=WARNING AND httpRequest.status=403")
    assert "403" in line


@pytest.mark.parametrize("resource", ["x", PROJECT, f"{PROJECT}/locations/x/services/"])
def test_a_service_s_policy_needs_the_name_of_a_service(cloud: Any, resource: str) -> None:
    services = cloud.client(ServicesClient)
    requests: list[tuple[Any, dict[str, Any]]] = [
        (services.get_iam_policy, {}),
        (services.set_iam_policy, {"policy": {}}),
        (services.test_iam_permissions, {"permissions": ["run.services.get"]}),
    ]
    for method, rest in requests:
        with pytest.raises(exceptions.InvalidArgument, match="does not match the format"):
            method({"resource": resource, **rest}, timeout=5)


def test_a_disabled_api_answers_nobody_until_it_is_enabled(cloud: Any) -> None:
    usage, jobs = cloud.client(ServiceUsageClient), cloud.client(CloudSchedulerClient)
    name = f"{PROJECT}/services/cloudscheduler.googleapis.com"
    assert usage.get_service({"name": name}, timeout=5).state == State.ENABLED
    usage.disable_service({"name": name}, timeout=5).result(timeout=5)
    assert usage.get_service({"name": name}, timeout=5).state == State.DISABLED
    with pytest.raises(exceptions.PermissionDenied, match="has not been used in project") as told:
        jobs.list_jobs(parent=cloud.parent, timeout=5)
    assert told.value.reason == "SERVICE_DISABLED"
    off = usage.list_services({"parent": PROJECT, "filter": "state:DISABLED"}, timeout=5)
    assert [one.config.name for one in off] == ["cloudscheduler.googleapis.com"]
    usage.enable_service({"name": name}, timeout=5).result(timeout=5)
    assert list(jobs.list_jobs(parent=cloud.parent, timeout=5)) == []
    with pytest.raises(exceptions.NotFound):
        usage.get_service({"name": f"{PROJECT}/services/no.such.api"}, timeout=5)


def test_databases_come_and_go(cloud: Any) -> None:
    admin = cloud.client(FirestoreAdminClient)
    default = f"{PROJECT}/databases/(default)"
    assert admin.get_database({"name": default}, timeout=5).type_.name == "FIRESTORE_NATIVE"
    admin.delete_database({"name": default}, timeout=5).result(timeout=5)
    with pytest.raises(exceptions.NotFound, match="does not exist"):
        admin.get_database({"name": default}, timeout=5)
    request = {
        "parent": PROJECT,
        "database_id": "jobs-eu",
        "database": {"location_id": "eur3"},
    }
    made = admin.create_database(request, timeout=5).result(timeout=5)
    assert made.location_id == "eur3"
    with pytest.raises(exceptions.AlreadyExists):
        admin.create_database(request, timeout=5)
    listed = admin.list_databases({"parent": PROJECT}, timeout=5).databases
    assert [one.name for one in listed] == [f"{PROJECT}/databases/jobs-eu"]


def test_policies_and_tokens_survive_down_and_up(launch: Any, reach: Any) -> None:
    cloud = reach(launch("kept"))
    grant(cloud, "roles/run.viewer")
    token = cloud.control("POST", "iam/identity", {"email": ROBOT})["token"]
    launcher.end(Path(cloud.endpoint.directory))
    again = reach(launch("kept"))
    call = {"timeout": 5, "metadata": [("authorization", f"Bearer {token}")]}
    assert list(again.services.list_services(parent=again.parent, **call)) == []

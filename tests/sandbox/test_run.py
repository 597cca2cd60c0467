"""Cloud Run v2 in the sandbox, through Google's own clients."""

from __future__ import annotations

import threading
from collections import Counter
from typing import Any

import httpx
import pytest
from google.api_core.exceptions import (
    Aborted,
    AlreadyExists,
    FailedPrecondition,
    GoogleAPICallError,
    InvalidArgument,
    NotFound,
)
from google.cloud.run_v2.types import (
    Condition,
    Service,
    TrafficTarget,
    TrafficTargetAllocationType,
)

LATEST = TrafficTargetAllocationType.TRAFFIC_TARGET_ALLOCATION_TYPE_LATEST
REVISION = TrafficTargetAllocationType.TRAFFIC_TARGET_ALLOCATION_TYPE_REVISION
READY = Condition.State.CONDITION_SUCCEEDED


def get(service: Service, path: str = "/") -> dict[str, Any]:
    answer: dict[str, Any] = httpx.get(service.uri + path, timeout=10, trust_env=False).json()
    return answer


def short(name: str) -> str:
    return name.rpartition("/")[2]


def pin(service: Service, **percents: int) -> None:
    service.traffic = [
        TrafficTarget(type_=REVISION, revision=name.replace("_", "-"), percent=percent)
        for name, percent in percents.items()
    ]


def redeployed(cloud: Any, service: Service, **env: str) -> Any:
    service.template = cloud.service(**env).template
    return cloud.update(service, "template")


def test_a_created_service_is_ready_and_answers_at_its_address(cloud: Any) -> None:
    service = cloud.create(cloud.service(GREETING="hi"))
    assert service.terminal_condition.type_ == "Ready"
    assert service.terminal_condition.state == READY
    assert {one.type_ for one in service.conditions} == {"RoutesReady", "ConfigurationsReady"}
    assert service.generation == service.observed_generation == 1
    assert service.latest_ready_revision == service.latest_created_revision
    assert short(service.latest_ready_revision).startswith("web-00001-")
    assert [(one.type_, one.percent) for one in service.traffic_statuses] == [(LATEST, 100)]
    answer = get(service)
    assert answer["revision"] == short(service.latest_ready_revision)
    assert answer["env"]["GREETING"] == "hi"
    assert answer["env"]["K_SERVICE"] == "web"
    assert "x-cloud-trace-context" in answer["headers"]


def test_what_the_caller_set_is_read_back(cloud: Any) -> None:
    wanted = cloud.service(A="1")
    wanted.annotations["emonk/inverse"] = "kept"
    wanted.labels["team"] = "ops"
    wanted.template.service_account = "runner@my-project.iam.gserviceaccount.com"
    wanted.template.containers[0].resources.cpu_idle = False
    wanted.template.scaling.min_instance_count = 1
    created = cloud.create(wanted)
    found = cloud.services.get_service(name=created.name, timeout=5)
    assert found.annotations["emonk/inverse"] == "kept"
    assert found.template.service_account.startswith("runner@")
    assert found.template.containers[0].resources.cpu_idle is False
    revision = cloud.revisions.get_revision(name=found.latest_ready_revision, timeout=5)
    assert revision.scaling.min_instance_count == 1
    assert revision.containers[0].env[0].value == "1"
    assert revision.service == "web"


def test_a_change_of_the_template_makes_a_revision_and_anything_else_does_not(cloud: Any) -> None:
    service = cloud.create(cloud.service())
    first = service.latest_ready_revision
    service.annotations["note"] = "only that"
    service = cloud.update(service, "annotations")
    assert service.latest_created_revision == first
    assert service.generation == 2
    service = redeployed(cloud, service, VERSION="2")
    assert short(service.latest_created_revision).startswith("web-00003-")
    assert service.annotations["note"] == "only that"
    assert get(service)["revision"] == short(service.latest_ready_revision)
    listed = list(cloud.revisions.list_revisions(parent=service.name, timeout=5))
    assert [one.name for one in listed] == [service.latest_ready_revision, first]


def test_after_a_pin_every_later_deployment_gets_no_traffic(cloud: Any) -> None:
    service = cloud.create(cloud.service())
    first = short(service.latest_ready_revision)
    pin(service, **{first: 100})
    service = cloud.update(service, "traffic")
    service = redeployed(cloud, service, VERSION="2")
    assert short(service.latest_ready_revision) != first
    assert [one.revision for one in service.traffic_statuses] == [first]
    assert get(service)["revision"] == first
    service.traffic = [TrafficTarget(type_=LATEST, percent=100)]
    service = cloud.update(service, "traffic")
    assert get(service)["revision"] == short(service.latest_ready_revision)


def test_traffic_is_split_by_percent(cloud: Any) -> None:
    service = cloud.create(cloud.service())
    first = short(service.latest_ready_revision)
    service = redeployed(cloud, service, VERSION="2")
    second = short(service.latest_ready_revision)
    pin(service, **{first: 75, second: 25})
    service = cloud.update(service, "traffic")
    with httpx.Client(timeout=10, trust_env=False) as client:
        seen = Counter(client.get(service.uri).json()["revision"] for _ in range(200))
    assert 120 < seen[first] < 180
    assert seen[first] + seen[second] == 200


def test_a_tagged_revision_without_traffic_has_an_address_of_its_own(cloud: Any) -> None:
    service = cloud.create(cloud.service())
    first = short(service.latest_ready_revision)
    pin(service, **{first: 100})
    service = cloud.update(service, "traffic")
    service = redeployed(cloud, service, VERSION="2")
    second = short(service.latest_ready_revision)
    service.traffic.append(TrafficTarget(type_=REVISION, revision=second, percent=0, tag="green"))
    service = cloud.update(service, "traffic")
    tagged = next(one for one in service.traffic_statuses if one.tag == "green")
    assert httpx.get(tagged.uri, timeout=10, trust_env=False).json()["revision"] == second
    assert get(service)["revision"] == first


def test_a_container_that_exits_fails_the_deployment_and_moves_no_traffic(cloud: Any) -> None:
    cloud.add_image("broken", "-c", "print('no such module'); raise SystemExit(3)")
    service = cloud.create(cloud.service())
    first = short(service.latest_ready_revision)
    service.template.containers[0].image = "broken"
    with pytest.raises(GoogleAPICallError, match="failed to start and listen on the port"):
        cloud.update(service, "template")
    found = cloud.services.get_service(name=service.name, timeout=5)
    assert found.terminal_condition.state == Condition.State.CONDITION_FAILED
    assert "is not ready and cannot serve traffic" in found.terminal_condition.message
    assert short(found.latest_ready_revision) == first
    assert short(found.latest_created_revision) != first
    assert get(found)["revision"] == first
    broken = short(found.latest_created_revision)
    lines = cloud.logs(f'resource.labels.revision_name="{broken}"')
    assert any("no such module" in line for line in lines)


def test_a_container_that_never_listens_fails_after_its_startup_probe(cloud: Any) -> None:
    cloud.add_image("deaf", "-c", "import time; time.sleep(60)")
    wanted = cloud.service("deaf")
    wanted.template.containers[0].startup_probe.period_seconds = 1
    wanted.template.containers[0].startup_probe.failure_threshold = 1
    with pytest.raises(GoogleAPICallError, match="PORT=8080"):
        cloud.create(wanted)
    cloud.until(lambda: not cloud.instances())


def test_an_unknown_image_fails_in_the_words_of_the_platform(cloud: Any) -> None:
    with pytest.raises(GoogleAPICallError, match=r"Image 'gcr.io/no/such:1' not found"):
        cloud.create(cloud.service("gcr.io/no/such:1"))


def test_an_image_is_found_by_its_last_name(cloud: Any) -> None:
    service = cloud.create(cloud.service("us-docker.pkg.dev/my-project/repo/echo:v7"))
    assert get(service)["path"] == "/"


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"service_id": "Web"}, InvalidArgument, "lowercase"),
        ({"parent": "projects/x"}, InvalidArgument, "parent"),
        ({"service": Service()}, InvalidArgument, "at least one container"),
    ],
)
def test_a_malformed_service_is_refused(
    cloud: Any, change: dict[str, Any], error: type[Exception], words: str
) -> None:
    request = {"parent": cloud.parent, "service_id": "web", "service": cloud.service(), **change}
    with pytest.raises(error, match=words):
        cloud.services.create_service(request, timeout=5)


def test_reserved_variables_are_refused(cloud: Any) -> None:
    with pytest.raises(InvalidArgument, match="PORT"):
        cloud.create(cloud.service(PORT="1"))


def test_missing_and_existing_names_are_told_apart(cloud: Any) -> None:
    with pytest.raises(NotFound, match="web"):
        cloud.services.get_service(name=f"{cloud.parent}/services/web", timeout=5)
    service = cloud.create(cloud.service())
    with pytest.raises(AlreadyExists):
        cloud.create(cloud.service())
    with pytest.raises(NotFound):
        cloud.revisions.get_revision(name=f"{service.name}/revisions/web-00009-abc", timeout=5)
    pin(service, web_00009_abc=100)
    with pytest.raises(NotFound, match="web-00009-abc"):
        cloud.update(service, "traffic")
    pin(service, **{short(service.latest_ready_revision): 60})
    with pytest.raises(InvalidArgument, match="100"):
        cloud.update(service, "traffic")


def test_an_old_etag_is_a_conflict_and_the_right_one_is_taken(cloud: Any) -> None:
    service = cloud.create(cloud.service())
    stale = service.etag
    service.labels["a"] = "1"
    service = cloud.update(service, "labels")
    assert service.etag != stale
    service.etag = stale
    with pytest.raises(Aborted, match="Conflict for resource"):
        cloud.update(service, "labels")


def test_validate_only_changes_nothing(cloud: Any) -> None:
    service = cloud.create(cloud.service())
    service.template = cloud.service(VERSION="2").template
    request = {"service": service, "validate_only": True}
    answer = cloud.services.update_service(request, timeout=5).result(timeout=5)
    assert answer.latest_created_revision != service.latest_created_revision
    found = cloud.services.get_service(name=service.name, timeout=5)
    assert found.latest_created_revision == service.latest_created_revision
    assert found.generation == 1


def test_update_with_allow_missing_creates(cloud: Any) -> None:
    service = cloud.service()
    service.name = f"{cloud.parent}/services/fresh"
    request = {"service": service, "allow_missing": True}
    made = cloud.finished(cloud.services.update_service(request, timeout=5))
    assert get(made)["env"]["K_SERVICE"] == "fresh"


def test_a_serving_revision_cannot_be_deleted_and_an_old_one_can(cloud: Any) -> None:
    service = cloud.create(cloud.service())
    first = service.latest_ready_revision
    with pytest.raises(FailedPrecondition):
        cloud.revisions.delete_revision(name=first, timeout=5)
    service = redeployed(cloud, service, VERSION="2")
    cloud.revisions.delete_revision(name=first, timeout=5).result(timeout=5)
    listed = [one.name for one in cloud.revisions.list_revisions(parent=service.name, timeout=5)]
    assert listed == [service.latest_ready_revision]


def test_a_deleted_service_leaves_no_process_and_no_address(cloud: Any) -> None:
    service = cloud.create(cloud.service())
    get(service)
    cloud.services.delete_service(name=service.name, timeout=15).result(timeout=5)
    assert cloud.instances() == []
    with pytest.raises(httpx.ConnectError):
        get(service)
    assert not list(cloud.services.list_services(parent=cloud.parent, timeout=5))


def test_the_client_polls_an_operation_to_its_end(cloud: Any) -> None:
    request = {"parent": cloud.parent, "service_id": "web", "service": cloud.service()}
    operation = cloud.services.create_service(request, timeout=5)
    assert operation.metadata.name == f"{cloud.parent}/services/web"
    assert operation.result(timeout=20).terminal_condition.state == READY


def test_a_request_in_flight_ends_where_it_began(cloud: Any) -> None:
    service = cloud.create(cloud.service())
    first = short(service.latest_ready_revision)
    get(service)
    answers: list[str] = []
    slow = threading.Thread(
        target=lambda: answers.append(get(service, "/slow?seconds=1.5")["revision"])
    )
    slow.start()
    cloud.until(lambda: any(one["in_flight"] for one in cloud.instances()))
    service = redeployed(cloud, service, VERSION="2")
    assert get(service)["revision"] != first
    slow.join(timeout=10)
    assert answers == [first]
    cloud.until(lambda: all(one["revision"] != first for one in cloud.instances()))
    assert any("leaving on SIGTERM" in line for line in cloud.logs())

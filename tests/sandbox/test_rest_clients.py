"""Google's own clients with transport="rest", and plain HTTP, against a running sandbox."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import grpc
import httpx
import pytest
from google.api_core.client_options import ClientOptions
from google.api_core.exceptions import BadRequest, Conflict, MethodNotImplemented, NotFound
from google.auth.credentials import AnonymousCredentials
from google.cloud.run_v2 import JobsClient, RevisionsClient, ServicesClient
from google.cloud.run_v2.types import TrafficTarget
from google.cloud.scheduler_v1 import CloudSchedulerClient, HttpTarget, Job
from google.cloud.scheduler_v1.types import UpdateJobRequest
from google.protobuf.duration_pb2 import Duration

from emonk_ops.sandbox.served import coverage_lines


@pytest.fixture
def cloud(shared_cloud: Any) -> Any:
    return shared_cloud


@pytest.fixture
def rest(cloud: Any) -> Iterator[Callable[[Any], Any]]:
    """Google's clients over REST; their connections are closed after the test."""
    with ExitStack() as opened:

        def make(kind: Any) -> Any:
            client = kind(
                transport="rest",
                credentials=AnonymousCredentials(),  # type: ignore[no-untyped-call]
                client_options=ClientOptions(api_endpoint=cloud.endpoint.http),
            )
            # Of a client's own sessions, one is for long-running operations and made late.
            opened.callback(lambda: _close(client))
            return client

        yield make


def _close(client: Any) -> None:
    client.transport.close()
    operations = getattr(client.transport, "_operations_client", None)
    if operations is not None:
        operations.transport._session.close()  # its own close is not implemented


@pytest.fixture
def http(cloud: Any) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=cloud.endpoint.http, trust_env=False) as client:
        yield client


def test_a_job_lives_and_dies_over_rest_and_grpc_sees_the_same(cloud: Any, rest: Any) -> None:
    client = rest(CloudSchedulerClient)
    name = f"{cloud.parent}/jobs/tick"
    target = HttpTarget(uri="http://127.0.0.1:9/", body=b"\x00\xff", headers={"x-a": "b"})
    job = Job(name=name, schedule="0 0 1 1 *", http_target=target)
    created = client.create_job(parent=cloud.parent, job=job, timeout=5)
    assert created.state == Job.State.ENABLED
    assert created.http_target.body == b"\x00\xff"
    over_grpc = cloud.client(CloudSchedulerClient)
    assert over_grpc.get_job(name=name, timeout=5) == client.get_job(name=name, timeout=5)
    changed = client.update_job(
        UpdateJobRequest(
            job=Job(name=name, attempt_deadline=Duration(seconds=20), schedule="not this"),
            update_mask={"paths": ["attempt_deadline"]},
        ),
        timeout=5,
    )
    assert (changed.attempt_deadline.seconds, changed.schedule) == (20, "0 0 1 1 *")
    assert client.pause_job(name=name, timeout=5).state == Job.State.PAUSED
    assert [one.name for one in client.list_jobs(parent=cloud.parent, timeout=5)] == [name]
    client.delete_job(name=name, timeout=5)
    with pytest.raises(NotFound, match=r"Job not found\."):
        client.get_job(name=name, timeout=5, retry=None)


def test_a_service_is_deployed_and_pinned_over_rest(cloud: Any, rest: Any) -> None:
    client, revisions = rest(ServicesClient), rest(RevisionsClient)
    request = {"parent": cloud.parent, "service_id": "web", "service": cloud.service(A="1")}
    service = client.create_service(request, timeout=5).result(timeout=20)
    assert httpx.get(service.uri, trust_env=False).json()["env"]["A"] == "1"
    listed = list(revisions.list_revisions(parent=service.name, timeout=5))
    assert [one.name for one in listed] == [service.latest_ready_revision]
    service.etag = '"stale"'
    with pytest.raises(Conflict, match="current version is"):
        client.update_service(service=service, timeout=5)
    service.etag = ""
    service.traffic = [TrafficTarget(type_=1, percent=7)]
    with pytest.raises(BadRequest, match="must sum to 100"):
        client.update_service(service=service, timeout=5)


def test_a_method_that_is_not_there_is_named_on_both_wires(cloud: Any, rest: Any) -> None:
    named = r"google\.cloud\.run\.v2\.Jobs/ListJobs"
    for client in (rest(JobsClient), cloud.client(JobsClient)):
        with pytest.raises(MethodNotImplemented, match=named):
            list(client.list_jobs(parent=cloud.parent, timeout=5, retry=None))


def test_a_method_of_an_api_nobody_serves_is_unknown_to_grpc(cloud: Any) -> None:
    with grpc.insecure_channel(cloud.endpoint.grpc) as channel:
        call = channel.unary_unary("/google.pubsub.v1.Publisher/Publish", bytes, bytes)
        with pytest.raises(grpc.RpcError) as refusal:
            call(b"", timeout=5)
    assert refusal.value.code() == grpc.StatusCode.UNIMPLEMENTED


def test_log_entries_are_written_and_listed_by_plain_http(cloud: Any, http: httpx.Client) -> None:
    entry = {
        "logName": f"projects/{cloud.project}/logs/mine",
        "resource": {"type": "global"},
        "severity": "WARNING",
        "jsonPayload": {"message": "hi", "n": 5, "half": 0.5},
        "timestamp": "2026-01-31T12:00:00.5Z",
    }
    assert http.post("/v2/entries:write", json={"entries": [entry]}).json() == {}
    asked = {
        "resourceNames": [f"projects/{cloud.project}"],
        "filter": 'severity>=WARNING AND jsonPayload.message="hi" AND timestamp>"2026-01-01"',
    }
    found = http.post("/v2/entries:list?prettyPrint=false", json=asked)
    (read,) = found.json()["entries"]
    assert (read["severity"], read["timestamp"]) == ("WARNING", "2026-01-31T12:00:00.500Z")
    assert '"n": 5.' not in found.text
    bad = http.post("/v2/entries:list", json={**asked, "filter": "(("})
    assert (bad.status_code, bad.json()["error"]["status"]) == (400, "INVALID_ARGUMENT")


def test_a_batch_with_a_bad_entry_says_in_its_details_which(cloud: Any) -> None:
    entries = [{"logName": "nonsense"}, {"logName": f"projects/{cloud.project}/logs/ok"}]
    answer = httpx.post(
        f"{cloud.endpoint.http}/v2/entries:write",
        json={"entries": entries, "partialSuccess": True, "resource": {"type": "global"}},
        trust_env=False,
    )
    (detail,) = answer.json()["error"]["details"]
    assert detail["@type"].endswith("google.logging.v2.WriteLogEntriesPartialErrors")
    assert list(detail["logEntryErrors"]) == ["0"]


def test_a_path_of_no_api_gets_the_platform_s_page_and_an_absent_api_a_sentence(
    cloud: Any,
) -> None:
    page = httpx.get(f"{cloud.endpoint.http}/v7/<x>", trust_env=False)
    assert (page.status_code, page.headers["content-type"][:9]) == (404, "text/html")
    assert "was not found on this server" in page.text
    assert "<x>" not in page.text
    port = httpx.URL(cloud.endpoint.http).port
    absent = httpx.get(
        f"{cloud.endpoint.http}/v1/projects/p/secrets",
        headers={"host": f"secretmanager.absent.localhost:{port}"},
        trust_env=False,
    )
    assert absent.status_code == 404
    assert absent.json()["error"]["message"] == "The sandbox has no secretmanager.googleapis.com."


def test_the_control_plane_keeps_its_own_errors(cloud: Any) -> None:
    answer = httpx.get(f"{cloud.endpoint.http}/sandbox/nothing", trust_env=False)
    assert answer.status_code == 404
    assert "POST /sandbox/reset" in json.dumps(answer.json())


def test_the_coverage_table_is_read_from_the_handlers() -> None:
    rows = {line.split("|")[1].strip(" `"): line for line in coverage_lines()[4:]}
    assert "ListJobs, GetJob" in rows["google.cloud.scheduler.v1.CloudScheduler"]
    assert "TailLogEntries (gRPC only)" in rows["google.logging.v2.LoggingServiceV2"]
    assert rows["google.cloud.run.v2.Jobs"].split("|")[2].strip() == "none"


def test_faults_and_permissions_are_those_of_grpc(cloud: Any, http: httpx.Client) -> None:
    jobs = f"/v1/{cloud.parent}/jobs"
    cloud.control("POST", "faults", {"method": "ListJobs", "code": "UNAVAILABLE", "count": 1})
    assert http.get(jobs).status_code == 503
    assert http.get(jobs).status_code == 200
    token = cloud.control("POST", "iam/identity", {"email": "stranger@example.com"})["token"]
    for path in (jobs, "/apis/serving.knative.dev/v1/namespaces/my-project/services"):
        refused = http.get(
            path,
            headers={"authorization": f"Bearer {token}", "host": "us-central1-run.localhost"},
        )
        error = refused.json()["error"]
        assert (error["code"], error["status"]) == (403, "PERMISSION_DENIED")

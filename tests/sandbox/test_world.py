"""A whole sandbox: the world before the migration, down and up again, death of its process."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from google.cloud.run_v2 import ServicesClient
from google.cloud.scheduler_v1 import CloudSchedulerClient
from google.cloud.scheduler_v1.types import Job

from emonk_ops.sandbox import launcher
from emonk_ops.sandbox.endpoint import AlreadyUp, Endpoint, NotUp, SandboxError, read_endpoint
from emonk_ops.sandbox.processes import end_leftovers

Launch = Callable[..., Endpoint]
Reach = Callable[[Endpoint], Any]
QA = "projects/emonk-qa/locations/us-central1/services/emonk-agent"


def alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


def services(status: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {one["name"].split("/")[1]: one for one in status["run"]["services"]}


def test_it_starts_with_the_world_before_the_migration(launch: Launch, reach: Reach) -> None:
    endpoint = launch(empty=False)
    status = launcher.wait_for_services(endpoint)
    found = services(status)
    assert set(found) == {"emonk-qa", "emonk-production"}
    for one in found.values():
        assert one["ready"] == "succeeded"
        health = httpx.get(f"{one['uri']}/health", timeout=5, trust_env=False).json()
        assert health["status"] == "ok"
        assert health["driver"]["driver"] == "legacy"
        refused = httpx.post(f"{one['uri']}/cron/tick", timeout=5, trust_env=False)
        assert refused.status_code == 401
    service = reach(endpoint).client(ServicesClient).get_service(name=QA, timeout=5)
    env = {one.name: one.value for one in service.template.containers[0].env}
    assert env["SCHEDULER_CADENCE"] == "*/5 * * * *"
    assert env["TICK_AUDIENCE"] == service.uri
    assert service.template.scaling.max_instance_count == 1
    assert service.template.containers[0].resources.cpu_idle is False


def test_its_tokens_open_the_admin_api_of_the_service(launch: Launch, reach: Reach) -> None:
    endpoint = launch(empty=False)
    uri = services(launcher.wait_for_services(endpoint))["emonk-qa"]["uri"]
    wanted = {"email": "operator@example.com", "audience": uri}
    token = reach(endpoint).control("POST", "token", wanted)["token"]
    headers = {"authorization": f"Bearer {token}"}
    jobs = httpx.get(f"{uri}/admin/jobs", headers=headers, timeout=5, trust_env=False)
    assert jobs.status_code == 200
    assert {one["id"] for one in jobs.json()["jobs"]} == {"heartbeat", "queue-report", "digest"}
    token = reach(endpoint).control("POST", "token", {**wanted, "email": "x@example.com"})["token"]
    headers = {"authorization": f"Bearer {token}"}
    refused = httpx.get(f"{uri}/admin/jobs", headers=headers, timeout=5, trust_env=False)
    assert refused.status_code == 401


def test_the_legacy_loop_runs_the_declared_jobs_through_a_day(launch: Launch, reach: Reach) -> None:
    cloud = reach(launch(empty=False))
    launcher.wait_for_services(cloud.endpoint)
    before = datetime.fromisoformat(cloud.control("GET", "clock")["now"])
    after = cloud.control("POST", "clock/advance", {"seconds": 86_400}, seconds=60)["now"]
    passed = (datetime.fromisoformat(after) - before).total_seconds()
    assert passed == pytest.approx(86_400, abs=1)
    digests = cloud.logs('jsonPayload.message="Digest written"', "emonk-production")
    assert len(digests) == 1
    reports = cloud.logs('jsonPayload.message="Queue report"', "emonk-production")
    assert len(reports) in (143, 144, 145)


def test_the_scheduler_ticks_the_service_on_the_virtual_clock(launch: Launch, reach: Reach) -> None:
    cloud = reach(launch(empty=False))
    uri = services(launcher.wait_for_services(cloud.endpoint))["emonk-qa"]["uri"]
    client = cloud.client(CloudSchedulerClient)
    parent = "projects/emonk-qa/locations/us-central1"
    job = Job(name=f"{parent}/jobs/emonk-agent-tick", schedule="* * * * *", time_zone="UTC")
    job.http_target.uri = f"{uri}/cron/tick"
    job.http_target.oidc_token.audience = uri
    invoker = "emonk-scheduler@emonk-qa.iam.gserviceaccount.com"
    job.http_target.oidc_token.service_account_email = invoker
    client.create_job(parent=parent, job=job, timeout=5)
    cloud.control("POST", "clock/advance", {"seconds": 600}, seconds=30)
    requests = cloud.logs('log_id("run.googleapis.com/requests")', "emonk-qa")
    ticks = [line for line in requests if "POST 200" in line and "/cron/tick" in line]
    assert len(ticks) == 10
    # The legacy loop drives: the tick is answered, and executes nothing.
    answered = cloud.logs('jsonPayload.reason="not the driver"', "emonk-qa")
    assert len(answered) == 10


def test_what_was_deployed_survives_down_and_up(launch: Launch, reach: Reach) -> None:
    endpoint = launch(empty=False)
    before = launcher.wait_for_services(endpoint)
    reach(endpoint).control("POST", "clock/advance", {"seconds": 7_200}, seconds=30)
    lines = reach(endpoint).logs("", "emonk-production")
    assert launcher.end(Path(endpoint.directory))
    again = launch(empty=False)
    after = launcher.wait_for_services(again)
    assert (again.grpc, again.http) == (endpoint.grpc, endpoint.http)
    for project, one in services(after).items():
        assert one["uri"] == services(before)[project]["uri"]
        assert one["latest_ready_revision"] == services(before)[project]["latest_ready_revision"]
        assert httpx.get(f"{one['uri']}/health", timeout=5, trust_env=False).status_code == 200
    passed = datetime.fromisoformat(after["clock"]["now"]) - datetime.fromisoformat(
        before["clock"]["now"]
    )
    assert passed.total_seconds() >= 7_200
    assert set(lines) & set(reach(again).logs("", "emonk-production"))


def test_a_second_one_on_the_same_directory_is_refused_by_name(launch: Launch) -> None:
    endpoint = launch()
    with pytest.raises(AlreadyUp, match=f"process id {endpoint.pid}.*sandbox down --dir"):
        launch()
    assert read_endpoint(Path(endpoint.directory)) == endpoint


def test_two_sandboxes_do_not_see_each_other(launch: Launch) -> None:
    first, second = launch("first"), launch("second")
    assert {first.grpc, first.http}.isdisjoint({second.grpc, second.http})


def test_a_taken_port_is_named_and_nothing_stays_behind(launch: Launch) -> None:
    endpoint = launch("first")
    port = int(endpoint.http.rpartition(":")[2])
    with pytest.raises(SandboxError, match="address already in use"):
        launch("second", http_port=port)
    with pytest.raises(NotUp):
        read_endpoint(Path(endpoint.directory).with_name("second"))


def test_a_killed_sandbox_takes_its_processes_along_and_is_taken_up_again(
    launch: Launch, reach: Reach
) -> None:
    endpoint = launch(empty=False)
    before = services(launcher.wait_for_services(endpoint))
    children = [one["pid"] for one in reach(endpoint).instances()]
    assert len(children) == 2
    assert all(alive(pid) for pid in children)
    os.kill(endpoint.pid, signal.SIGKILL)
    reach(endpoint).until(lambda: not any(alive(pid) for pid in children))
    launcher.end(Path(endpoint.directory))
    again = services(launcher.wait_for_services(launch(empty=False)))
    for project, one in again.items():
        assert one["latest_ready_revision"] == before[project]["latest_ready_revision"]


def test_a_recorded_process_that_began_at_another_time_is_left_alone(tmp_path: Path) -> None:
    record = tmp_path / "one" / "pid"
    record.parent.mkdir()
    record.write_text(f"{os.getpid()} 1\n")
    assert end_leftovers(tmp_path) == []


def test_reset_begins_again(launch: Launch, reach: Reach) -> None:
    cloud = reach(launch(empty=False))
    before = services(launcher.wait_for_services(cloud.endpoint))
    old = {one["pid"] for one in cloud.instances()}
    cloud.services.delete_service(name=QA, timeout=15)
    cloud.control("POST", "reset", {}, seconds=30)
    after = services(launcher.wait_for_services(cloud.endpoint))
    assert set(after) == set(before)
    assert not any(alive(pid) for pid in old)
    assert all(one["ready"] == "succeeded" for one in after.values())

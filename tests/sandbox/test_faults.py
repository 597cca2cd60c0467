"""Faults, duplicates and snapshots, seen through Google's clients and the control plane."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from google.api_core import exceptions
from google.cloud.logging_v2.services.logging_service_v2 import LoggingServiceV2Client
from google.cloud.scheduler_v1 import CloudSchedulerClient

from emonk_ops.sandbox import launcher, snapshots
from emonk_ops.sandbox.clock import real_seconds
from emonk_ops.sandbox.endpoint import SandboxError


def job_of(cloud: Any, uri: str = "http://127.0.0.1:9/", name: str = "j") -> dict[str, Any]:
    return {
        "name": f"{cloud.parent}/jobs/{name}",
        "schedule": "* * * * *",
        "time_zone": "Etc/UTC",
        "http_target": {"uri": uri, "http_method": "GET"},
    }


def create(cloud: Any, jobs: Any, **given: str) -> Any:
    return jobs.create_job(parent=cloud.parent, job=job_of(cloud, **given), timeout=5)


def test_a_refused_call_is_not_applied_and_a_lost_one_is(cloud: Any) -> None:
    jobs = cloud.client(CloudSchedulerClient)
    cloud.control("POST", "faults", {"method": "CreateJob", "code": "UNAVAILABLE", "count": 1})
    with pytest.raises(exceptions.ServiceUnavailable, match="fault f1 of the sandbox"):
        create(cloud, jobs)
    assert list(jobs.list_jobs(parent=cloud.parent, timeout=5)) == []
    cloud.control(
        "POST", "faults", {"method": "CreateJob", "code": "DEADLINE_EXCEEDED", "lost": True}
    )
    with pytest.raises(exceptions.DeadlineExceeded):
        create(cloud, jobs)
    (made,) = jobs.list_jobs(parent=cloud.parent, timeout=5)
    assert made.name.endswith("/jobs/j")
    assert cloud.control("POST", "faults/clear", {})["cleared"] == ["f2"]
    jobs.delete_job(name=made.name, timeout=5)


def test_latency_comes_before_the_call(cloud: Any) -> None:
    jobs = cloud.client(CloudSchedulerClient)
    jobs.list_jobs(parent=cloud.parent, timeout=5)
    cloud.control("POST", "faults", {"method": "ListJobs", "latency": 0.3})
    began = real_seconds()
    jobs.list_jobs(parent=cloud.parent, timeout=5)
    assert 0.3 <= real_seconds() - began < 3
    (fault,) = cloud.control("GET", "faults")["faults"]
    assert fault["hits"] == 1


def test_a_bad_fault_is_refused_in_words(cloud: Any) -> None:
    with pytest.raises(SandboxError, match="no error code"):
        cloud.control("POST", "faults", {"code": "MAYBE"})
    with pytest.raises(SandboxError, match="in force: none"):
        cloud.control("POST", "faults/clear", {"ids": ["f9"]})


def test_reads_of_the_log_can_be_as_few_as_on_the_platform(cloud: Any) -> None:
    cloud.control("POST", "logging/quota", {"reads_per_minute": 2})
    logs = cloud.client(LoggingServiceV2Client)
    request = {"resource_names": [f"projects/{cloud.project}"]}

    def read() -> list[Any]:
        return list(logs.list_log_entries(request, timeout=5, retry=None))

    read()
    read()
    with pytest.raises(exceptions.ResourceExhausted, match="Read requests per minute"):
        read()
    cloud.control("POST", "clock/advance", {"seconds": 60})
    read()


def test_a_scheduled_run_is_delivered_twice_on_demand(cloud: Any) -> None:
    uri = cloud.create(cloud.service()).uri
    jobs = cloud.client(CloudSchedulerClient)
    made = create(cloud, jobs, uri=f"{uri}/twice")
    cloud.control("POST", "scheduler/duplicate", {"job": made.name})
    cloud.control("POST", "clock/advance", {"seconds": 181})
    requests = cloud.logs('httpRequest.requestUrl:"/twice"')
    by_minute = [line[:16] for line in requests]
    assert len(by_minute) == 4
    assert sorted(by_minute.count(minute) for minute in set(by_minute)) == [1, 1, 2]


def test_a_snapshot_brings_the_world_back(
    launch: Callable[..., Any], reach: Callable[[Any], Any], tmp_path: Path
) -> None:
    cloud = reach(launch("kept"))
    directory = tmp_path / "kept"
    jobs = cloud.client(CloudSchedulerClient)
    create(cloud, jobs, name="before")
    then = cloud.control("GET", "clock")["now"]
    snapshots.save(directory, "good")
    create(cloud, jobs, name="after")
    cloud.control("POST", "clock/advance", {"seconds": 3_600})
    endpoint = snapshots.restore(directory, "good")
    assert endpoint is not None
    again = reach(endpoint)
    listed = again.client(CloudSchedulerClient).list_jobs(parent=again.parent, timeout=5)
    assert [one.name.rpartition("/")[2] for one in listed] == ["before"]
    now = again.control("GET", "clock")["now"]
    assert then <= now < f"{then[:11]}{'~'}"
    assert endpoint.grpc == cloud.endpoint.grpc
    with pytest.raises(SandboxError, match="there are: good"):
        snapshots.restore(directory, "bad")
    with pytest.raises(SandboxError, match="cannot name a snapshot"):
        snapshots.save(directory, "../x")
    launcher.end(directory)
    with pytest.raises(SandboxError, match="holds no sandbox"):
        snapshots.save(tmp_path / "nowhere", "x")

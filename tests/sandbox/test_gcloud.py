"""The guide's commands, in the form that gcloud knows, with the real gcloud on the real clock."""

from __future__ import annotations

import http.client
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from emonk_ops.sandbox import launcher
from emonk_ops.sandbox.clock import real_seconds, wait_a_moment
from tests.sandbox.gcloud_shell import (
    INVOKER,
    JOB,
    LOCATION,
    NEEDED,
    PATIENCE,
    REGION,
    RUNNER,
    SERVICE,
    Shell,
)

pytestmark = NEEDED


@pytest.fixture(scope="module")
def gcloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shell]:
    directory = tmp_path_factory.mktemp("gcloud") / "world"
    try:
        launcher.wait_for_services(launcher.launch(directory, clock="real"))
        yield Shell(directory)
    finally:
        launcher.end(directory)


def eventually(holds: Callable[[], object]) -> None:
    deadline = real_seconds() + PATIENCE
    while not holds():
        assert real_seconds() < deadline, "it never came to hold"
        wait_a_moment()


def call(method: str, url: str, **content: Any) -> httpx.Response:
    return httpx.request(method, url, trust_env=False, timeout=10, **content)


def found(gcloud: Shell, filter_text: str) -> bool:
    asked = {"resourceNames": ["projects/emonk-qa"], "filter": filter_text}
    return "entries" in call("POST", f"{gcloud.http}/v2/entries:list", json=asked).json()


def test_stage_1_the_service_is_described_answers_and_logs_its_start(gcloud: Shell) -> None:
    url = gcloud.service()
    assert call("GET", f"{url}/health").status_code == 200
    assert call("POST", f"{url}/cron/tick").status_code in (401, 403)
    content = {"message": {"sender": {"email": "test@example.com"}, "text": "test"}}
    assert call("POST", f"{url}/webhook", json=content).status_code in (401, 403)
    entries = gcloud.entries(
        f'resource.type="cloud_run_revision" AND resource.labels.service_name="{SERVICE}"'
    )
    said = " ".join(str(one.get("jsonPayload", one.get("textPayload", ""))) for one in entries)
    assert "Scheduler storage initialized" in said
    assert "Agent Core created" in said
    assert gcloud.entries(f'severity>=ERROR AND resource.labels.service_name="{SERVICE}"') == []
    requests = gcloud(
        *("run", "services", "logs", "read", SERVICE, *REGION),
        *("--limit", "5", "--log-filter", "httpRequest.status>0"),
    )
    assert f"GET 200 {url}/health" in requests
    listed = gcloud("run", "services", "list", "--format", "value(metadata.name,status.url)")
    assert listed.split() == [SERVICE, url]


def test_stage_1_s_rollback_pins_the_traffic_and_later_deployments_get_none(
    gcloud: Shell,
) -> None:
    before = gcloud.service("status.latestReadyRevisionName")
    update = ("run", "services", "update", SERVICE, *REGION)
    traffic = ("run", "services", "update-traffic", SERVICE, *REGION)
    gcloud(*update, "--update-env-vars", "SCHEDULER_STANDBY_SECONDS=0")
    gcloud(*traffic, f"--to-revisions={before}=100")
    listed = gcloud.json("run", "revisions", "list", "--service", SERVICE, *REGION)
    assert [one["metadata"]["name"] for one in listed][-1] == before
    gcloud(*update, "--update-env-vars", "SCHEDULER_LEASE_SECONDS=301")
    assert gcloud.service("status.traffic[0].revisionName") == before
    gcloud(*traffic, "--to-latest")
    latest = gcloud.service("status.latestReadyRevisionName")
    assert gcloud.service("status.traffic[0].revisionName") == latest != before
    revision = gcloud.json("run", "revisions", "describe", latest, *REGION)
    env = {one["name"]: one["value"] for one in revision["spec"]["containers"][0]["env"]}
    assert env["SCHEDULER_LEASE_SECONDS"] == "301"
    assert revision["metadata"]["labels"]["serving.knative.dev/service"] == SERVICE


def test_stage_2_the_scheduler_ticks_the_service(gcloud: Shell) -> None:
    driven = "SCHEDULER_LEGACY_LOOP=false,SCHEDULER_STANDBY_SECONDS=0"
    gcloud("run", "services", "update", SERVICE, *REGION, "--update-env-vars", driven)
    url = gcloud.service()
    gcloud(
        *("scheduler", "jobs", "create", "http", JOB, *LOCATION, "--schedule", "0 0 1 1 *"),
        *("--uri", f"{url}/cron/tick", "--http-method", "POST"),
        *("--oidc-service-account-email", INVOKER, "--oidc-token-audience", url),
    )
    gcloud(
        *("scheduler", "jobs", "update", "http", JOB, *LOCATION),
        *("--schedule", "*/5 * * * *", "--attempt-deadline", "170s"),
    )
    gcloud("scheduler", "jobs", "run", JOB, *LOCATION)
    name = f"projects/emonk-qa/locations/us-central1/jobs/{JOB}"
    eventually(lambda: "lastAttemptTime" in call("GET", f"{gcloud.http}/v1/{name}").json())
    job = gcloud.job()
    assert (job["state"], job["schedule"], job["attemptDeadline"]) == (
        "ENABLED",
        "*/5 * * * *",
        "170s",
    )
    assert job["httpTarget"]["oidcToken"] == {"audience": url, "serviceAccountEmail": INVOKER}
    assert job["lastAttemptTime"] >= job["userUpdateTime"]
    eventually(lambda: found(gcloud, 'jsonPayload.jobs_due>=0 AND jsonPayload.path="cron"'))
    told = [one["jsonPayload"] for one in gcloud.entries('jsonPayload.message:"scheduler tick"')]
    assert {one["message"] for one in told} >= {
        "Running scheduler tick",
        "Scheduler tick completed",
    }
    (report, *_) = [one for one in told if one.get("path") == "cron"]
    metrics = [f"jobs_{word}" for word in ("checked", "due", "executed", "succeeded", "failed")]
    assert all(isinstance(report[name], int) for name in metrics)
    assert report["jobs_failed"] == 0
    posts = gcloud.entries('httpRequest.requestUrl:"/cron/tick" AND httpRequest.status=200')
    assert posts[0]["httpRequest"]["userAgent"] == "Google-Cloud-Scheduler"
    gcloud("scheduler", "jobs", "pause", JOB, *LOCATION)
    assert gcloud.job()["state"] == "PAUSED"
    assert "must be ENABLED" in gcloud.refused("scheduler", "jobs", "pause", JOB, *LOCATION)
    gcloud("scheduler", "jobs", "resume", JOB, *LOCATION)
    assert gcloud("scheduler", "jobs", "list", *LOCATION, "--format", "value(state)") == "ENABLED"
    gcloud("scheduler", "jobs", "delete", JOB, *LOCATION)
    assert call("GET", f"{gcloud.http}/v1/{name}").status_code == 404


def test_stage_4_access_is_taken_away_and_given_back(gcloud: Shell) -> None:
    def bound() -> list[Any]:
        policy = gcloud.json("projects", "get-iam-policy", "emonk-qa")
        return [one for one in policy["bindings"] if one["role"] == "roles/datastore.user"]

    who = ("emonk-qa", "--member", RUNNER, "--role", "roles/datastore.user")
    gcloud("projects", "remove-iam-policy-binding", *who)
    assert bound() == []
    condition = 'request.time >= timestamp("2030-01-01T00:00:00Z")'
    gcloud(
        *("projects", "add-iam-policy-binding", *who),
        f"--condition=title=heals,expression={condition}",
    )
    assert [one["condition"]["expression"] for one in bound()] == [condition]
    gcloud("projects", "remove-iam-policy-binding", *who, "--all")
    gcloud("projects", "add-iam-policy-binding", *who, "--condition=None")
    assert [one["members"] for one in bound()] == [[RUNNER]]


def test_what_stage_0_and_the_alerts_ask(gcloud: Shell, tmp_path: Path) -> None:
    project = gcloud.json("projects", "describe", "emonk-qa")
    assert (project["projectId"], project["lifecycleState"]) == ("emonk-qa", "ACTIVE")
    enabled = gcloud("services", "list", "--format", "value(config.name)").split()
    assert "cloudscheduler.googleapis.com" in enabled
    gcloud("services", "enable", "firestore.googleapis.com")
    database = gcloud.json("firestore", "databases", "describe")
    assert database["name"] == "projects/emonk-qa/databases/(default)"
    threshold = {
        "filter": 'resource.type="cloud_run_revision" AND'
        ' metric.type="run.googleapis.com/request_count"',
        "comparison": "COMPARISON_GT",
        "thresholdValue": 0.05,
        "duration": "300s",
        "aggregations": [{"alignmentPeriod": "60s", "perSeriesAligner": "ALIGN_RATE"}],
    }
    policy = {
        "displayName": "Scheduler Tick Failures",
        "combiner": "OR",
        "conditions": [{"displayName": "High error rate", "conditionThreshold": threshold}],
    }
    file = tmp_path / "policy.json"
    file.write_text(json.dumps(policy))
    gcloud("alpha", "monitoring", "policies", "create", "--policy-from-file", str(file))
    (found,) = gcloud.json("alpha", "monitoring", "policies", "list")
    assert found["conditions"][0]["conditionThreshold"]["thresholdValue"] == 0.05


def test_entries_are_written_and_read_and_a_bad_filter_is_told(gcloud: Shell) -> None:
    content = '{"message": "by hand", "n": 5}'
    gcloud("logging", "write", "mine", content, "--payload-type=json", "--severity=WARNING")
    (entry,) = gcloud.entries('logName:"logs/mine" AND severity=WARNING')
    assert entry["jsonPayload"] == {"message": "by hand", "n": 5}
    assert "INVALID_ARGUMENT: Unparseable filter" in gcloud.refused("logging", "read", "((")


def test_what_is_not_there_is_told_in_gcloud_s_own_words(gcloud: Shell) -> None:
    missing = gcloud.refused("scheduler", "jobs", "describe", "none", *LOCATION)
    assert "NOT_FOUND: Job not found." in missing
    missing = gcloud.refused("run", "services", "describe", "none", *REGION)
    assert "Cannot find service [none]" in missing
    absent = gcloud.refused("iam", "service-accounts", "list")
    assert "The sandbox has no iam.googleapis.com." in absent


def test_no_way_leads_past_the_sandbox(gcloud: Shell) -> None:
    """gcloud has no other proxy, so an API without an override is not reached either."""
    proxy = [gcloud.environment[f"CLOUDSDK_PROXY_{name}"] for name in ("ADDRESS", "PORT")]
    assert gcloud.http == f"http://{':'.join(proxy)}"
    tunnel = http.client.HTTPSConnection(proxy[0], int(proxy[1]), timeout=5)
    tunnel.set_tunnel("storage.googleapis.com", 443)
    with pytest.raises(OSError, match="Tunnel connection failed: 403"):
        tunnel.request("GET", "/")
    tunnel.close()


def test_gcloud_is_an_account_when_it_is_told_to_be(gcloud: Shell) -> None:
    stranger = gcloud.exports("--as", "stranger@example.com")
    ran = gcloud.run("scheduler", "jobs", "list", *LOCATION, environment=stranger)
    assert ran.returncode == 1
    assert "PERMISSION_DENIED" in ran.stderr

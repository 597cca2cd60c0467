"""Taking roles/datastore.user from a running service: what its ticks do, and how it heals."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import httpx
import pytest
from google.cloud.resourcemanager_v3 import ProjectsClient
from google.cloud.run_v2.types import Container, EnvVar, RevisionTemplate, Service

PROJECT = "projects/my-project"
AGENT = "emonk-agent@my-project.iam.gserviceaccount.com"
TICKER = "ticker@my-project.iam.gserviceaccount.com"
ROLE = "roles/datastore.user"
HEALS_AFTER = timedelta(minutes=10)


@pytest.fixture
def agent(cloud: Any) -> Any:
    """The bundled service on Firestore storage, driven by ticks, with the three demo jobs."""
    variables = {
        "ENVIRONMENT": "qa",
        "SCHEDULER_STORAGE": "firestore",
        "SCHEDULER_CADENCE": "* * * * *",
        "SCHEDULER_LEGACY_LOOP": "false",
        "SCHEDULER_HANDLERS": "emonk_ops.sandbox.demo_jobs",
        "SCHEDULER_STANDBY_SECONDS": "0",
        "VERTEX_AI_PROJECT_ID": "my-project",
        "TICK_AUDIENCE": "ticks",
        "TICK_INVOKER": TICKER,
    }
    env = [EnvVar(name=name, value=value) for name, value in variables.items()]
    template = RevisionTemplate(
        containers=[Container(image="emonk-agent", env=env)], service_account=AGENT
    )
    template.scaling.min_instance_count = 1
    template.containers[0].resources.cpu_idle = False
    return cloud.create(Service(template=template, invoker_iam_disabled=True), "agent")


@pytest.fixture
def tick(cloud: Any, agent: Any) -> Callable[[], httpx.Response]:
    """One authenticated tick, a virtual minute after the last one."""

    def once() -> httpx.Response:
        cloud.control("POST", "clock/advance", {"seconds": 60}, seconds=60)
        asked = {"email": TICKER, "audience": "ticks"}
        token = cloud.control("POST", "token", asked)["token"]
        headers = {"authorization": f"Bearer {token}"}
        return httpx.post(f"{agent.uri}/cron/tick", headers=headers, timeout=30, trust_env=False)

    return once


def swap(cloud: Any, condition: str = "") -> None:
    """The account's binding, replaced by one under a condition; by none without one."""
    projects = cloud.client(ProjectsClient)
    options = {"resource": PROJECT, "options": {"requested_policy_version": 3}}
    policy = projects.get_iam_policy(options, timeout=5)
    kept = [one for one in policy.bindings if one.role != ROLE]
    del policy.bindings[:]
    policy.bindings.extend(kept)
    if condition:
        policy.version = 3
        binding = policy.bindings.add(role=ROLE, members=[f"serviceAccount:{AGENT}"])
        binding.condition.title = "emonk-ops fault until then"
        binding.condition.expression = condition
    projects.set_iam_policy({"resource": PROJECT, "policy": policy}, timeout=5)


def test_a_role_taken_away_degrades_the_ticks_and_an_expiring_condition_heals_them(
    cloud: Any, tick: Callable[[], httpx.Response]
) -> None:
    before = tick()
    assert before.status_code == 200
    assert before.json()["storage_errors"] == {}

    now = datetime.fromisoformat(cloud.control("GET", "clock")["now"])
    heals = now + HEALS_AFTER
    swap(cloud, f'request.time >= timestamp("{heals.isoformat()}")')
    denied = tick()
    assert denied.status_code == 503
    assert denied.json()["storage_errors"]["PERMISSION_DENIED"]["transient"] is False
    (instance,) = cloud.instances()
    assert instance["state"] == "ready"
    lines = cloud.logs("severity>=ERROR")
    assert any("PERMISSION_DENIED" in line for line in lines)

    cloud.control("POST", "clock/advance", {"seconds": HEALS_AFTER.total_seconds()}, seconds=120)
    healed = tick()
    assert healed.status_code == 200
    assert healed.json()["storage_errors"] == {}
    assert healed.json()["jobs_succeeded"] >= 1
    (after,) = cloud.instances()
    assert after["id"] == instance["id"]


def test_an_editor_keeps_its_access_whatever_is_taken_away(
    cloud: Any, tick: Callable[[], httpx.Response]
) -> None:
    """A basic role makes the removal vacuous, as on the platform."""
    assert tick().status_code == 200
    projects = cloud.client(ProjectsClient)
    policy = projects.get_iam_policy({"resource": PROJECT}, timeout=5)
    policy.bindings.add(role="roles/editor", members=[f"serviceAccount:{AGENT}"])
    projects.set_iam_policy({"resource": PROJECT, "policy": policy}, timeout=5)
    swap(cloud)
    assert tick().status_code == 200

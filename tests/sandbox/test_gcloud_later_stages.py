"""The guide's stages 3 to 5 with the real gcloud on the virtual clock."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest
from google.cloud.firestore_v1.services.firestore import FirestoreClient
from google.cloud.firestore_v1.services.firestore.transports import FirestoreGrpcTransport

from emonk_ops.sandbox import launcher
from tests.sandbox.gcloud_shell import (
    INVOKER,
    JOB,
    LOCATION,
    NEEDED,
    REGION,
    RUNNER,
    SERVICE,
    Shell,
)

pytestmark = NEEDED
DOCUMENTS = "projects/emonk-qa/databases/(default)/documents"
DECISIONS = 'jsonPayload.message="Scheduler decision" AND jsonPayload.decision="execute"'
COMPLETED = 'jsonPayload.message="Scheduler tick completed"'


class World(Shell):
    """The shell, and the clock of its sandbox."""

    def advance(self, seconds: float) -> None:
        content = {"seconds": seconds}
        httpx.post(
            f"{self.http}/sandbox/clock/advance", json=content, timeout=120, trust_env=False
        ).raise_for_status()

    def deploy(self, **variables: str) -> None:
        """What `export X; ./deploy.sh` was meant to do."""
        words = ",".join(f"{name}={value}" for name, value in variables.items())
        self("run", "services", "update", SERVICE, *REGION, "--update-env-vars", words)

    def stored(self) -> dict[str, Any]:
        """The documents of `scheduler_jobs`, as the console would show them."""
        channel = grpc.insecure_channel(self.environment["EMONK_SANDBOX_GRPC"])
        client = FirestoreClient(transport=FirestoreGrpcTransport(channel=channel))
        asked = {"parent": DOCUMENTS, "collection_id": "scheduler_jobs"}
        found = list(client.list_documents(asked, timeout=5, retry=None))
        return {one.name.rpartition("/")[2]: one for one in found}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """QA as stage 2 leaves it: Cloud Scheduler ticks each minute."""
    directory: Path = tmp_path_factory.mktemp("gcloud") / "world"
    try:
        launcher.wait_for_services(launcher.launch(directory, clock="virtual"))
        shell = World(directory)
        url = shell.service()
        shell(
            *("scheduler", "jobs", "create", "http", JOB, *LOCATION, "--schedule", "* * * * *"),
            *("--uri", f"{url}/cron/tick", "--http-method", "POST"),
            *("--oidc-service-account-email", INVOKER, "--oidc-token-audience", url),
        )
        yield shell
    finally:
        launcher.end(directory)


def test_stage_3_both_paths_run_and_nothing_runs_twice(world: World) -> None:
    world.deploy(
        SCHEDULER_SHADOW_MODE="true",
        SCHEDULER_LEGACY_LOOP="true",
        SCHEDULER_STANDBY_SECONDS="0",
        SCHEDULER_CADENCE="* * * * *",
    )
    world.advance(3_700)
    ticks = world.entries('jsonPayload.message:"scheduler tick"', limit=5)
    assert ticks[0]["jsonPayload"]["driver"] == "shadow"
    runs = [one["jsonPayload"] for one in world.entries(DECISIONS, limit=300)]
    paths = Counter(one["path"] for one in runs)
    assert min(paths["cron"], paths["loop"]) >= len(runs) // 3 > 15
    assert max(Counter(one["idempotency_key"] for one in runs).values()) == 1
    assert world.entries('jsonPayload.decision="takeover"') == []

    # The guide's way back: Cloud Scheduler paused, the legacy loop alone.
    world("scheduler", "jobs", "pause", JOB, *LOCATION)
    world.deploy(SCHEDULER_SHADOW_MODE="false")
    world.advance(130)
    (newest, *_) = world.entries(COMPLETED, limit=1)
    assert newest["jsonPayload"]["path"] == "loop"


def test_stage_4_firestore_holds_the_jobs_and_its_failures_pass(world: World) -> None:
    world.deploy(
        SCHEDULER_STORAGE="firestore",
        VERTEX_AI_PROJECT_ID="emonk-qa",
        SCHEDULER_LEGACY_LOOP="false",
    )
    world("scheduler", "jobs", "resume", JOB, *LOCATION)
    world.advance(200)
    jobs = world.stored()
    assert set(jobs) == {"digest", "heartbeat", "queue-report"}
    assert {"due_at", "lease_until", "schedule_at"} <= set(jobs["heartbeat"].fields)
    (tick, *_) = world.entries(COMPLETED, limit=1)
    assert tick["jsonPayload"]["path"] == "cron"
    assert tick["jsonPayload"]["storage_errors"] == {}

    # Failure injection 1: triggered twice, each slot runs once.
    for _ in range(2):
        world("scheduler", "jobs", "run", JOB, *LOCATION)
    world.advance(120)
    succeeded = world.entries('jsonPayload.message="Job succeeded"', limit=300)
    keys = Counter(one["jsonPayload"]["idempotency_key"] for one in succeeded)
    assert max(keys.values()) == 1

    # Failure injection 3: no access to Firestore, and back.
    who = ("emonk-qa", "--member", RUNNER, "--role", "roles/datastore.user")
    world("projects", "remove-iam-policy-binding", *who)
    world.advance(130)
    (error, *_) = world.entries(
        f'severity>=ERROR AND resource.labels.service_name="{SERVICE}"', limit=3
    )
    assert "PERMISSION_DENIED" in str(error["jsonPayload"])
    assert httpx.get(f"{world.service()}/health", trust_env=False).status_code == 503
    world("projects", "add-iam-policy-binding", *who)
    world.advance(130)
    (healed, *_) = world.entries(COMPLETED, limit=1)
    assert healed["jsonPayload"]["jobs_succeeded"] >= 1
    assert httpx.get(f"{world.service()}/health", trust_env=False).status_code == 200


def test_the_emergency_rollback_and_the_debug_commands(world: World) -> None:
    world("scheduler", "jobs", "pause", JOB, *LOCATION)
    world.deploy(SCHEDULER_STORAGE="json", SCHEDULER_LEGACY_LOOP="true")
    world.advance(130)
    assert httpx.get(f"{world.service()}/health", trust_env=False).status_code == 200
    (newest, *_) = world.entries(COMPLETED, limit=1)
    assert newest["jsonPayload"]["path"] == "loop"
    about = world.entries('jsonPayload.job_id:"heartbeat"', limit=5)
    assert {one["jsonPayload"]["job_id"] for one in about} == {"heartbeat"}
    # Firestore's own operations are in audit logs, which are off unless somebody turns them on.
    assert world.entries("resource.type=cloud_firestore") == []

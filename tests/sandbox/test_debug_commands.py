"""`logs …` and `scheduler run` with --show-query: what is shown is what was asked."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.cloud.audit.audit_log_pb2 import AuditLog  # type: ignore[import-untyped]
from google.cloud.logging_v2.services.logging_service_v2 import LoggingServiceV2Client
from google.cloud.logging_v2.services.logging_service_v2.transports import (
    LoggingServiceV2GrpcTransport,
)
from google.cloud.logging_v2.types import LogEntry
from google.protobuf.any_pb2 import Any as AnyMessage

from emonk_ops.ports import TickJobSpec
from emonk_ops.sandbox import launcher
from emonk_ops.sandbox.endpoint import Endpoint
from emonk_ops.settings import Target
from emonk_ops.settings_file import read_settings
from emonk_ops.settings_sample import sample
from emonk_ops.wiring import Wiring
from tests.sandbox.gcloud_shell import Shell

PROJECT = "projects/emonk-qa"
COMMANDS = (("logs", "ticks"), ("logs", "errors"), ("logs", "job", "digest"), ("logs", "firestore"))


class Place:
    """A folder with settings, whose sandbox's QA has a job and has ticked for half an hour."""

    def __init__(self, folder: Path, endpoint: Endpoint) -> None:
        self.folder = folder
        channel = grpc.insecure_channel(endpoint.grpc)
        self.logging = LoggingServiceV2Client(
            transport=LoggingServiceV2GrpcTransport(channel=channel)
        )

    def types(self, *words: str, code: int = 0) -> tuple[Mapping[str, Any], str]:
        """What is in the envelope, and what a person sees."""
        ended = subprocess.run(
            [sys.executable, "-m", "emonk_ops", *words, "--env", "qa", "--json"],
            cwd=self.folder,
            env={**os.environ, "EMONK_ACTOR": "ann"},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert ended.returncode == code, (words, ended.stdout, ended.stderr)
        data: Mapping[str, Any] = json.loads(ended.stdout)["data"]
        return data, ended.stderr

    def found(self, filter_text: str) -> list[Any]:
        """What Google's own client finds with this filter."""
        asked = {"resource_names": [PROJECT], "filter": filter_text, "order_by": "timestamp desc"}
        return list(self.logging.list_log_entries(request=asked, timeout=10, retry=None))


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp("debug")
    (folder / "emonk-ops.toml").write_text(sample(Target.SANDBOX))
    directory = folder / ".emonk-sandbox"
    endpoint = launcher.launch(directory, clock="virtual")
    try:
        launcher.wait_for_services(endpoint)
        body = {"seconds": 1800}
        launcher.call(endpoint, "POST", "/sandbox/clock/advance", body, seconds=60.0)
        yield Place(folder, endpoint)
    finally:
        launcher.end(directory)


@pytest.mark.parametrize("words", COMMANDS)
def test_the_filter_that_is_shown_finds_what_was_shown(
    place: Place, words: tuple[str, ...]
) -> None:
    data, told = place.types(*words, "--show-query", "--limit", "3")
    for call in data["calls"]:
        assert f"gcloud:   {call['gcloud']}" in told
        assert call["resource"] == PROJECT
    by_hand = place.found(data["calls"][0]["filter"])[:3]
    shown = data.get("entries", data.get("ticks"))
    stamps = {one["timestamp"] for one in shown}
    assert {one.timestamp.isoformat() for one in by_hand} == stamps
    if words[1] in ("ticks", "firestore"):
        assert len(shown) == 3


def test_without_the_option_nothing_is_shown_of_it(place: Place) -> None:
    data, told = place.types("logs", "ticks")
    assert "calls" not in data
    assert "gcloud" not in told


def test_what_the_ticks_asked_of_their_storage_is_summed_up(place: Place) -> None:
    data, told = place.types("logs", "firestore")
    total, ticks = data["total"], data["ticks"]
    assert total["ticks"] == len(ticks) >= 6
    for name in ("storage_ops", "storage_reads", "storage_writes"):
        assert total[name] == sum(one[name] for one in ticks) > 0
    assert data["audit"]["enabled"] == []
    assert "Data Access logs of Firestore are not enabled" in told


def test_an_entry_of_the_audit_log_is_read(place: Place) -> None:
    payload = AnyMessage()
    audited = AuditLog(service_name="firestore.googleapis.com", method_name="…Firestore.Commit")
    audited.authentication_info.principal_email = "agent@emonk-qa"
    audited.status.code = 7
    audited.status.message = "Missing or insufficient permissions."
    payload.Pack(audited)
    entry = LogEntry.pb()(
        log_name=f"{PROJECT}/logs/cloudaudit.googleapis.com%2Fdata_access",
        proto_payload=payload,
        severity=500,
    )
    entry.resource.type = "audited_resource"
    place.logging.write_log_entries(
        request={"entries": [LogEntry.wrap(entry)]}, timeout=10, retry=None
    )
    data, told = place.types("logs", "firestore")
    (found,) = data["audit"]["entries"]
    assert found["payload"]["methodName"] == "…Firestore.Commit"
    assert "ERROR    …Firestore.Commit 7 Missing or insufficient permissions. by agent@" in told


def test_the_job_is_run_and_the_call_is_shown(place: Place) -> None:
    env = read_settings(place.folder / "emonk-ops.toml", {}).environment("qa")
    Wiring(env).jobs.create(TickJobSpec("0 0 1 1 *", "Etc/UTC", "http://127.0.0.1/"), paused=True)
    data, told = place.types("scheduler", "run", "--show-query")
    (call,) = data["calls"]
    assert call["method"] == "google.cloud.scheduler.v1.CloudScheduler.RunJob"
    assert call["resource"] == f"{PROJECT}/locations/us-central1/jobs/emonk-agent-tick"
    assert call["rest"].endswith("/jobs/emonk-agent-tick:run")
    assert call["gcloud"] in told


@pytest.mark.skipif(shutil.which("gcloud") is None, reason="gcloud is not installed")
def test_the_twins_are_typed_as_they_are_shown(place: Place) -> None:
    data, _ = place.types("logs", "firestore", "--show-query", "--limit", "2")
    shell = Shell(place.folder / ".emonk-sandbox")
    ticks, _audit, policy = (shlex.split(one["gcloud"])[1:] for one in data["calls"])
    found = [one["timestamp"][:22] for one in shell.json(*ticks)]
    assert found[::-1] == [one["timestamp"][:22] for one in data["ticks"]]
    assert shell(*policy) in ("null", "{}")

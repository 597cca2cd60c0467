from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest

from emonk_ops.errors import CloudError, OpsError, PermissionMissing, Unreachable
from emonk_ops.gcp.cloud_monitoring import GcpMonitoring
from emonk_ops.settings import Environment, Target

Answers = list[tuple[int, bytes]]


@pytest.fixture
def answers() -> Answers:
    """What the API says next: (status, body)."""
    return []


@pytest.fixture
def monitoring(answers: Answers) -> Iterator[GcpMonitoring]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            known = self.path.startswith("/v3/projects/emonk-qa/alerts?")
            status, body = answers.pop(0) if known else (404, b"no such path")
            self.send_response(status)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *words: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    http = f"http://127.0.0.1:{server.server_address[1]}"
    yield GcpMonitoring(
        Environment("qa", Target.SANDBOX, "emonk-qa", sandbox_grpc="127.0.0.1:1", sandbox_http=http)
    )
    server.shutdown()
    thread.join()
    server.server_close()


def test_an_alert_is_known_by_its_policy_s_id_whatever_names_the_project(
    monitoring: GcpMonitoring, answers: Answers
) -> None:
    policy = {"name": "projects/1234/alertPolicies/77", "displayName": "Scheduler Lag"}
    alerts: list[dict[str, Any]] = [
        {"state": "OPEN", "openTime": "2026-01-05T12:00:00.123456789Z", "policy": policy},
        {
            "state": "CLOSED",
            "openTime": "2026-01-05T11:00:00Z",
            "closeTime": "2026-01-05T11:30:00Z",
            "policy": policy,
        },
    ]
    answers.append((200, json.dumps({"alerts": alerts}).encode()))
    opened, closed = monitoring.incidents()
    assert opened.policy == "projects/emonk-qa/alertPolicies/77"
    assert (opened.display_name, opened.state, opened.closed_at) == ("Scheduler Lag", "OPEN", None)
    assert closed.closed_at == datetime(2026, 1, 5, 11, 30, tzinfo=UTC)


def test_no_alert_is_an_empty_answer(monitoring: GcpMonitoring, answers: Answers) -> None:
    answers.append((200, b"{}"))
    assert monitoring.incidents() == ()


@pytest.mark.parametrize(
    ("status", "ours"), [(403, PermissionMissing), (500, CloudError), (404, CloudError)]
)
def test_a_refusal_is_an_error_of_ours_that_names_the_call(
    monitoring: GcpMonitoring, answers: Answers, status: int, ours: type[OpsError]
) -> None:
    answers.append((status, b"said no"))
    with pytest.raises(ours, match=r"monitoring\.alerts\.list.*said no") as failure:
        monitoring.incidents()
    assert type(failure.value) is ours


def test_nobody_there_is_unreachable() -> None:
    env = Environment(
        "qa",
        Target.SANDBOX,
        "emonk-qa",
        sandbox_grpc="127.0.0.1:1",
        sandbox_http="http://127.0.0.1:1",
    )
    with pytest.raises(Unreachable, match="no answer"):
        GcpMonitoring(env).incidents()

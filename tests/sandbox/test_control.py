"""The control plane: clock, tokens, and what happens to instances."""

from __future__ import annotations

import threading
from typing import Any

import httpx
import pytest
from google.auth.jwt import decode

from emonk_ops.sandbox.endpoint import SandboxError

TOMORROW = {"seconds": 86_400}
verified: Any = decode  # google-auth has no types


def test_an_unknown_action_is_told_what_there_is(cloud: Any) -> None:
    with pytest.raises(SandboxError, match="POST /sandbox/clock/wait"):
        cloud.control("GET", "nothing")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ({}, "lacks until"),
        ({"until": "soon"}, "not a time"),
        ({"until": "2026-01-01T00:00:00"}, "no zone"),
    ],
)
def test_a_wait_for_no_time_is_refused(cloud: Any, content: dict[str, str], words: str) -> None:
    with pytest.raises(SandboxError, match=words):
        cloud.control("POST", "clock/wait", content)


def test_a_body_that_is_no_json_is_refused(cloud: Any) -> None:
    url = f"{cloud.endpoint.http}/sandbox/clock/wait"
    answer = httpx.post(url, content=b"{", timeout=5, trust_env=False)
    assert answer.status_code == 400
    assert "not JSON" in answer.json()["error"]["message"]


def test_a_real_clock_is_not_advanced(launch: Any, reach: Any) -> None:
    cloud = reach(launch(clock="real"))
    with pytest.raises(SandboxError, match="--clock virtual"):
        cloud.control("POST", "clock/advance", TOMORROW)


def test_a_dropped_wait_is_withdrawn(cloud: Any) -> None:
    cloud.create(cloud.service())
    hung = threading.Thread(target=_give_up, args=(cloud,))
    hung.start()
    cloud.until(lambda: cloud.control("GET", "clock")["waiting"])
    hung.join(timeout=10)
    cloud.until(lambda: cloud.control("GET", "clock")["waiting"] is None)


def _give_up(cloud: Any) -> None:
    """Wait for tomorrow while a slow request keeps time from jumping, then go away."""
    uri = cloud.services.get_service(name=f"{cloud.parent}/services/web", timeout=5).uri
    slow = threading.Thread(target=httpx.get, args=(f"{uri}/slow?s=2",), kwargs={"timeout": 10})
    slow.start()
    cloud.until(lambda: any(one["in_flight"] for one in cloud.instances()))
    with pytest.raises(httpx.ReadTimeout):
        httpx.post(
            f"{cloud.endpoint.http}/sandbox/clock/advance",
            json=TOMORROW,
            timeout=0.5,
            trust_env=False,
        )
    slow.join(timeout=10)


def test_tokens_verify_by_the_published_certificates(cloud: Any) -> None:
    answer = httpx.get(f"{cloud.endpoint.http}/oidc/certs", timeout=5, trust_env=False)
    assert answer.headers["cache-control"].endswith("max-age=3600")
    wanted = {"email": "who@example.com", "audience": "https://service"}
    token = cloud.control("POST", "token", wanted)["token"]
    claims = verified(token, certs=answer.json(), audience="https://service")
    assert claims["email"] == "who@example.com"
    assert claims["email_verified"] is True
    assert claims["iss"] == "https://accounts.google.com"
    assert claims["exp"] - claims["iat"] == 3_600
    with pytest.raises(ValueError, match="audience"):
        verified(token, certs=answer.json(), audience="https://another")


def test_a_frozen_instance_is_idle_and_answers_after_it_is_thawed(cloud: Any) -> None:
    uri = cloud.create(cloud.service()).uri
    httpx.get(uri, timeout=10, trust_env=False)
    cloud.control("POST", "instances/freeze", {"service": "web"})
    answers: list[int] = []
    asking = threading.Thread(
        target=lambda: answers.append(httpx.get(uri, timeout=20, trust_env=False).status_code)
    )
    asking.start()
    cloud.until(lambda: any(one["in_flight"] for one in cloud.instances()))
    assert cloud.control("GET", "clock")["busy"] == []
    cloud.control("POST", "clock/advance", {"seconds": 30})
    assert answers == []
    cloud.control("POST", "instances/thaw", {"service": "web"})
    asking.join(timeout=10)
    assert answers == [200]


def test_a_request_that_outlives_the_revisions_timeout_gets_504(cloud: Any) -> None:
    wanted = cloud.service()
    wanted.template.timeout = {"seconds": 60}
    uri = cloud.create(wanted).uri
    httpx.get(uri, timeout=10, trust_env=False)
    cloud.control("POST", "instances/freeze", {"service": "web"})
    answers: list[int] = []
    asking = threading.Thread(
        target=lambda: answers.append(httpx.get(uri, timeout=20, trust_env=False).status_code)
    )
    asking.start()
    cloud.until(lambda: any(one["in_flight"] for one in cloud.instances()))
    cloud.control("POST", "clock/advance", {"seconds": 61})
    asking.join(timeout=10)
    assert answers == [504]
    assert any("maximum request timeout" in line or " 504 " in line for line in cloud.logs())


def test_an_instance_that_dies_in_a_request_gives_503_and_is_replaced(cloud: Any) -> None:
    wanted = cloud.service()
    wanted.template.scaling.min_instance_count = 1
    uri = cloud.create(wanted).uri
    first = cloud.instances()[0]["id"]
    assert httpx.get(f"{uri}/die", timeout=10, trust_env=False).status_code == 503

    def replaced() -> bool:
        found = cloud.instances()
        return any(one["state"] == "ready" and one["id"] != first for one in found)

    cloud.until(replaced)
    assert httpx.get(uri, timeout=10, trust_env=False).status_code == 200
    assert any("Container terminated with exit(9)" in line for line in cloud.logs())


def test_a_killed_instance_is_replaced_too(cloud: Any) -> None:
    wanted = cloud.service()
    wanted.template.scaling.min_instance_count = 1
    uri = cloud.create(wanted).uri
    first = cloud.instances()[0]["id"]
    cloud.control("POST", "instances/kill", {"instance": first[:12]})
    cloud.until(lambda: first not in [one["id"] for one in cloud.instances()])
    assert httpx.get(uri, timeout=10, trust_env=False).status_code == 200
    with pytest.raises(SandboxError, match="no instance matches"):
        cloud.control("POST", "instances/kill", {"instance": first})


def test_requests_and_output_become_log_entries(cloud: Any) -> None:
    service = cloud.create(cloud.service())
    headers = {"user-agent": "a-test", "traceparent": f"00-{'ab' * 16}-{'cd' * 8}-01"}
    answer = httpx.get(f"{service.uri}/missing", headers=headers, timeout=10, trust_env=False)
    assert answer.status_code == 404
    requests = cloud.logs('log_id("run.googleapis.com/requests") httpRequest.userAgent="a-test"')
    assert len(requests) == 1
    assert " WARNING " in requests[0]
    assert "GET 404" in requests[0]
    assert cloud.logs(f'trace="projects/my-project/traces/{"ab" * 16}"') == requests
    (lifted,) = cloud.logs('severity=WARNING jsonPayload.message="hello"')
    assert '"answer": 42' in lifted
    assert len(cloud.logs('log_id("run.googleapis.com/stderr") textPayload="plain words"')) == 1

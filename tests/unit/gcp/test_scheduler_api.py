"""Cloud Scheduler over REST: what is sent, what is asked again, and what each refusal becomes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest

from emonk_ops.errors import (
    CloudError,
    Conflict,
    CredentialsMissing,
    NotFound,
    NotOffered,
    PermissionMissing,
    QuotaExceeded,
    Unreachable,
)
from emonk_ops.gcp.tick_jobs import GcpTickJobs
from emonk_ops.ports import TickJobSpec
from emonk_ops.settings import Environment, Target

NAME = "projects/emonk-qa/locations/us-central1/jobs/emonk-agent-tick"
JOB = {
    "name": NAME,
    "schedule": "*/5 * * * *",
    "timeZone": "Etc/UTC",
    "state": "PAUSED",
    "attemptDeadline": "180.500s",
    "httpTarget": {"uri": "http://a/cron/tick", "httpMethod": "POST"},
    "lastAttemptTime": "2026-01-05T12:00:00.123456789Z",
}


class Api:
    """`answers` are given in turn; `asked` is what came: method, path, caller, body."""

    def __init__(self) -> None:
        self.answers: list[tuple[int, dict[str, Any] | str]] = []
        self.asked: list[tuple[str, str, str, Any]] = []
        self.http = ""

    def jobs(self, token: str = "") -> GcpTickJobs:
        return GcpTickJobs(
            Environment(
                "qa",
                Target.SANDBOX,
                "emonk-qa",
                sandbox_grpc="127.0.0.1:1",
                sandbox_http=self.http,
                sandbox_token=token,
            )
        )

    def verbs(self) -> list[str]:
        return [f"{method} {path.rpartition('/jobs')[2]}" for method, path, _, _ in self.asked]


@pytest.fixture
def api() -> Iterator[Api]:
    made = Api()

    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            length = int(self.headers.get("content-length") or 0)
            body = json.loads(self.rfile.read(length) or "null")
            caller = self.headers.get("authorization", "")
            made.asked.append((self.command, self.path, caller, body))
            status, told = made.answers.pop(0)
            blob = (told if isinstance(told, str) else json.dumps(told)).encode()
            self.send_response(status)
            self.send_header("content-length", str(len(blob)))
            self.end_headers()
            self.wfile.write(blob)

        def __getattr__(self, name: str) -> Any:
            if name.startswith("do_"):
                return self._answer
            raise AttributeError(name)

        def log_message(self, *words: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    made.http = f"http://127.0.0.1:{server.server_address[1]}"
    yield made
    server.shutdown()
    thread.join()
    server.server_close()


def refusal(status: str, message: str = "words") -> dict[str, Any]:
    return {"error": {"status": status, "message": message}}


def test_a_job_is_read_with_what_json_leaves_out(api: Api) -> None:
    api.answers = [(200, JOB)]
    found = api.jobs().describe()
    assert found is not None
    assert (found.name, found.state, found.spec.retry_count) == ("emonk-agent-tick", "PAUSED", 0)
    assert found.spec.attempt_deadline_seconds == 180
    assert found.last_attempt_at is not None
    assert found.last_attempt_at.microsecond == 123456
    assert (found.last_status_code, found.next_run_at) == (0, None)
    api.answers = [(404, refusal("NOT_FOUND"))]
    assert api.jobs().describe() is None


def test_a_read_is_asked_again_and_a_write_never(api: Api) -> None:
    api.answers = [(503, "<h1>no</h1>"), (504, refusal("DEADLINE_EXCEEDED")), (200, JOB)]
    assert api.jobs().describe() is not None
    api.answers = [(503, refusal("UNAVAILABLE")), (200, JOB)]
    with pytest.raises(Unreachable, match=r"jobs\.pause: no answer: words"):
        api.jobs().pause()
    assert api.verbs() == ["GET /emonk-agent-tick"] * 3 + ["POST /emonk-agent-tick:pause"]


def test_jobs_are_counted_page_by_page(api: Api) -> None:
    api.answers = [(200, {"jobs": [JOB, JOB], "nextPageToken": "a&b"}), (200, {"jobs": [JOB]})]
    assert api.jobs().count() == 3
    assert api.verbs() == ["GET ", "GET ?pageToken=a%26b"]
    api.answers = [(200, {})]
    assert api.jobs().count() == 0


def test_what_is_so_already_is_no_error(api: Api) -> None:
    api.answers = [(400, refusal("FAILED_PRECONDITION")), (200, JOB)]
    assert api.jobs().pause().state == "PAUSED"
    api.answers = [(400, refusal("FAILED_PRECONDITION")), (200, JOB)]
    with pytest.raises(CloudError, match=r"jobs\.resume"):
        api.jobs().resume()


def test_an_update_names_its_fields_and_the_caller_is_told(api: Api) -> None:
    api.answers = [(200, JOB), (200, {})]
    spec = TickJobSpec("* * * * *", "Etc/UTC", "http://a/cron/tick", oidc_account="a@b")
    api.jobs("t-1").update(spec)
    api.jobs().delete()
    (method, path, caller, body), (_, _, nobody, nothing) = api.asked
    assert (method, caller, nobody, nothing) == ("PATCH", "Bearer t-1", "", None)
    assert "updateMask=description%2Cschedule%2CtimeZone" in path
    assert body["httpTarget"]["oidcToken"] == {"serviceAccountEmail": "a@b", "audience": ""}
    assert body["attemptDeadline"] == "180s"


@pytest.mark.parametrize(
    ("status", "said", "expected"),
    [
        (403, refusal("PERMISSION_DENIED", "lacks cloudscheduler.jobs.run"), PermissionMissing),
        (403, "<h1>Forbidden</h1>", PermissionMissing),
        (401, refusal("UNAUTHENTICATED"), CredentialsMissing),
        (404, refusal("NOT_FOUND"), NotFound),
        (409, refusal("ABORTED"), Conflict),
        (409, refusal("ALREADY_EXISTS"), Conflict),
        (429, refusal("RESOURCE_EXHAUSTED"), QuotaExceeded),
        (501, refusal("UNIMPLEMENTED"), NotOffered),
        (500, refusal("INTERNAL"), CloudError),
        (503, "", Unreachable),
    ],
)
def test_a_refusal_is_named(
    api: Api, status: int, said: dict[str, Any] | str, expected: type[Exception]
) -> None:
    api.answers = [(status, said)]
    with pytest.raises(expected, match=r"cloudscheduler\.jobs\.run"):
        api.jobs().run()


def test_nobody_there_is_unreachable(api: Api) -> None:
    jobs = api.jobs()
    jobs_elsewhere = GcpTickJobs(
        Environment(
            "qa",
            Target.SANDBOX,
            "emonk-qa",
            sandbox_grpc="127.0.0.1:1",
            sandbox_http="http://127.0.0.1:1",
        )
    )
    with pytest.raises(Unreachable, match="no answer"):
        jobs_elsewhere.run()
    api.answers = [(200, JOB)]
    assert jobs.run().name == "emonk-agent-tick"

from __future__ import annotations

import json
import socket
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from google.api_core import exceptions
from google.auth.exceptions import RefreshError

from emonk_ops.clock import Stopwatch
from emonk_ops.commands import LocalCommands
from emonk_ops.errors import (
    CloudError,
    Conflict,
    CredentialsMissing,
    NotFound,
    NotOffered,
    OpsError,
    PermissionMissing,
    Unreachable,
    UsageError,
)
from emonk_ops.gcp.endpoints import sandbox_address
from emonk_ops.gcp.faults import translated
from emonk_ops.gcp.tick_service import HttpTickService
from emonk_ops.settings import CommandSettings, Environment, ServiceSettings, Target
from emonk_ops.wiring import Wiring


def sandbox(**settings: object) -> Environment:
    return Environment("qa", Target.SANDBOX, "emonk-qa", **settings)  # type: ignore[arg-type]


def test_a_sandbox_that_does_not_run_names_the_command_that_starts_it(tmp_path: Path) -> None:
    with pytest.raises(Unreachable) as failure:
        sandbox_address(sandbox(sandbox_dir=tmp_path))
    assert failure.value.hint.startswith("emonk-ops sandbox up --detach")


@pytest.mark.parametrize("host", ["192.0.2.7", "example.com", "0.0.0.0"])
def test_a_sandbox_that_is_not_on_loopback_is_refused(host: str) -> None:
    for grpc, http in ((f"{host}:1", "http://127.0.0.1:2"), ("127.0.0.1:1", f"http://{host}:2")):
        with pytest.raises(UsageError, match="not on loopback"):
            sandbox_address(sandbox(sandbox_grpc=grpc, sandbox_http=http))


def test_the_address_is_read_from_the_directory_of_a_running_sandbox(tmp_path: Path) -> None:
    endpoint = {"grpc": "127.0.0.1:1", "http": "http://127.0.0.1:2/", "clock": "real", "pid": 3}
    (tmp_path / "endpoint.json").write_text(json.dumps(endpoint))
    found = sandbox_address(sandbox(sandbox_dir=tmp_path))
    assert (found.grpc, found.http) == ("127.0.0.1:1", "http://127.0.0.1:2")


def test_nobody_at_the_address_is_unreachable_within_ten_seconds() -> None:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))  # bound, and nobody listens
        address = f"127.0.0.1:{held.getsockname()[1]}"
        env = sandbox(sandbox_grpc=address, sandbox_http=f"http://{address}")
        stopwatch = Stopwatch()
        with pytest.raises(Unreachable, match=r"cloudscheduler\.jobs\.pause") as failure:
            Wiring(env).jobs.pause()
    assert stopwatch.seconds < 10.0
    assert failure.value.hint == "emonk-ops sandbox status"


google: Any = exceptions  # its exceptions have no annotations
refused: Any = RefreshError


@pytest.mark.parametrize(
    ("raised", "ours", "told"),
    [
        (google.NotFound("no such service"), NotFound, "no such service"),
        (
            google.PermissionDenied("Permission 'run.services.get' denied on resource"),
            PermissionMissing,
            "(permission run.services.get)",
        ),
        (google.Forbidden("no"), PermissionMissing, "(permission known.by.us)"),
        (google.Unauthenticated("who"), CredentialsMissing, "who"),
        (google.MethodNotImplemented("nothing here"), NotOffered, "does not offer"),
        (google.Aborted("etag"), Conflict, "somebody else"),
        (google.AlreadyExists("is there"), Conflict, "is there"),
        (google.DeadlineExceeded("slow"), Unreachable, "no answer: slow"),
        (google.ServiceUnavailable("down"), Unreachable, "no answer: down"),
        (google.RetryError("tried", google.ServiceUnavailable("down")), Unreachable, "down"),
        (google.FailedPrecondition("not now"), CloudError, "not now"),
        (refused("expired"), CredentialsMissing, "expired"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
def test_an_error_of_google_s_names_the_call_and_the_next_command(
    raised: Exception, ours: type[OpsError], told: str
) -> None:
    permission = "known.by.us" if type(raised) is google.Forbidden else ""
    with pytest.raises(ours) as failure, translated("a.call", sandbox(), permission=permission):
        raise raised
    assert type(failure.value) is ours
    assert failure.value.message.startswith("a.call: ")
    assert told in failure.value.message
    assert failure.value.__cause__ is raised
    hint = failure.value.hint
    assert hint.startswith(("emonk-ops ", "gcloud ")) or isinstance(failure.value, NotOffered)


class _Tokens:
    def operator(self, audience: str) -> str:
        return f"operator for {audience}"

    def invoker(self, audience: str) -> str:
        return f"invoker for {audience}"


@pytest.fixture
def answering() -> Iterator[tuple[HttpTickService, list[tuple[int, str, bytes]]]]:
    """A service that answers what the list says: (status, content type, body)."""
    answers: list[tuple[int, str, bytes]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, kind, body = answers.pop(0)
            self.send_response(status)
            self.send_header("content-type", kind)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("content-length", 0)))
            self.do_GET()

        def log_message(self, *words: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    uri = f"http://127.0.0.1:{server.server_address[1]}"
    service = HttpTickService(sandbox(), lambda: uri, _Tokens())
    yield service, answers
    service.close()
    server.shutdown()
    thread.join()
    server.server_close()


Answering = tuple[HttpTickService, list[tuple[int, str, bytes]]]


def test_a_refusal_by_the_platform_is_told_from_one_by_the_app(answering: Answering) -> None:
    service, answers = answering
    answers += [
        (403, "text/html; charset=UTF-8", b"<h1>Error: Forbidden</h1>"),
        (401, "application/json", b'{"error": {"code": "unauthorized"}}'),
        (200, "text/html", b"hello"),
    ]
    found = [service.probe("POST", "/cron/tick") for _ in range(3)]
    assert [(one.status, one.by) for one in found] == [
        *((403, "platform"), (401, "app"), (200, "app"))
    ]


@pytest.mark.parametrize(
    ("status", "body", "ours"),
    [
        (404, b'{"error": {"code": "error", "message": "there is no admin API"}}', NotOffered),
        (404, b"<h1>not found</h1>", NotOffered),
        (401, b'{"error": {"message": "who are you"}}', PermissionMissing),
        (409, b'{"error": {"message": "the epoch is 4"}}', Conflict),
        (503, b'{"error": {"message": "storage"}}', Unreachable),
        (400, b'{"error": {"message": "bad", "hint": "do better"}}', CloudError),
        (400, b'["odd"]', CloudError),
    ],
)
def test_each_refusal_of_the_admin_api_is_an_error_of_ours(
    answering: Answering, status: int, body: bytes, ours: type[OpsError]
) -> None:
    service, answers = answering
    kind = "text/html" if body.startswith(b"<") else "application/json"
    answers.append((status, kind, body))
    with pytest.raises(ours) as failure:
        service.driver()
    assert type(failure.value) is ours
    assert "GET /admin/driver" in failure.value.message


def test_a_page_that_is_no_answer_of_an_admin_api_is_told_from_one(answering: Answering) -> None:
    service, answers = answering
    answers.append((200, "text/html", b"<h1>welcome</h1>"))
    with pytest.raises(NotOffered, match="no JSON object"):
        service.driver()


def test_a_service_that_is_known_to_have_none_is_not_asked() -> None:
    env = sandbox(service=ServiceSettings(admin_api=False))

    def asked() -> str:
        raise AssertionError("it was asked")

    service = HttpTickService(env, asked, _Tokens())
    for call in (service.driver, service.export_jobs, lambda: next(service.list_jobs())):
        with pytest.raises(NotOffered, match="admin_api is false"):
            call()
    service.close()


def test_all_pages_of_jobs_are_read(answering: Answering) -> None:
    service, answers = answering
    answers += [
        (200, "application/json", b'{"jobs": [{"id": "a b"}], "next": "a b"}'),
        (200, "application/json", b'{"jobs": [{"id": "c"}], "next": null}'),
    ]
    assert [job["id"] for job in service.list_jobs()] == ["a b", "c"]


def commands(tmp_path: Path, seconds: float = 30.0) -> LocalCommands:
    return LocalCommands(CommandSettings(directory=tmp_path, timeout_seconds=seconds))


def test_a_command_of_pytest_is_counted_from_its_report(tmp_path: Path) -> None:
    (tmp_path / "test_it.py").write_text(
        "import pytest\n"
        "def test_good(): pass\n"
        "def test_bad(): assert False\n"
        "@pytest.mark.skip\n"
        "def test_skipped(): pass\n"
    )
    words = (sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "test_it.py")
    found = commands(tmp_path).run(words, env={}, junit=True)
    assert (found.exit_code, found.tests, found.failures, found.skipped) == (1, 3, 1, 1)
    assert found.argv == words


def test_a_command_gets_the_environment_and_its_last_lines_are_kept(tmp_path: Path) -> None:
    code = "import os; [print(n) for n in range(99)]; print(os.environ['TOLD'])"
    found = commands(tmp_path).run((sys.executable, "-c", code), env={"TOLD": "so"})
    assert (found.exit_code, found.last_lines[-2:], found.tests) == (0, ("98", "so"), None)


def test_a_command_that_does_not_end_is_ended_with_its_children(tmp_path: Path) -> None:
    mark = tmp_path / "child"
    code = (
        "import subprocess, sys, time\n"
        f"child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])\n"
        f"open({str(mark)!r}, 'w').write(str(child.pid))\n"
        "time.sleep(60)\n"
    )
    with pytest.raises(OpsError, match="did not end within 6 s"):
        commands(tmp_path, 6.0).run((sys.executable, "-c", code), env={})
    child = Path("/proc") / mark.read_text()
    if child.exists():  # dead, and not yet collected by whoever inherited it
        assert child.joinpath("stat").read_text().split()[2] == "Z"


def test_a_command_that_is_not_there_says_where_to_correct_it(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as failure:
        commands(tmp_path).run(("./deploy.sh",), env={})
    assert "emonk-ops.toml" in failure.value.hint

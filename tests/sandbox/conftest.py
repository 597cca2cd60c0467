"""A running sandbox for tests: a process of its own, on a directory of its own."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.cloud.run_v2 import RevisionsClient, ServicesClient
from google.cloud.run_v2.types import Container, EnvVar, RevisionTemplate, Service
from google.longrunning.operations_pb2 import Operation, WaitOperationRequest
from google.protobuf.duration_pb2 import Duration

from emonk_ops.sandbox import launcher
from emonk_ops.sandbox.clock import real_seconds, wait_a_moment
from emonk_ops.sandbox.endpoint import Endpoint
from emonk_ops.sandbox.reading import read_lines

ECHO = """
import json, os, signal, sys, time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

class Answer(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        if self.path.startswith("/slow"):
            time.sleep(float(self.path.partition("=")[2]))
        body = json.dumps({
            "revision": os.environ["K_REVISION"], "path": self.path,
            "headers": {k.lower(): v for k, v in self.headers.items()},
            "env": {k: v for k, v in os.environ.items()}, "cwd": os.getcwd(), "pid": os.getpid(),
        }).encode()
        if self.path == "/missing":
            self.send_response(404)
        elif self.path == "/die":
            os._exit(9)
        else:
            self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def do_POST(self):
        self.rfile.read(int(self.headers.get("content-length", 0)))
        self.do_GET()
    def log_message(self, *words):
        pass

def leave(*_):
    print("leaving on SIGTERM", flush=True)
    os._exit(0)

signal.signal(signal.SIGTERM, leave)
print(json.dumps({"severity": "WARNING", "message": "hello", "answer": 42}), flush=True)
print("plain words", file=sys.stderr, flush=True)
ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Answer).serve_forever()
"""

Launch = Callable[..., Endpoint]


@pytest.fixture
def launch(tmp_path: Path) -> Iterator[Launch]:
    """Starts sandboxes (by default empty, on a virtual clock) and ends them after the test."""
    started: list[Path] = []

    def start(name: str = "world", **options: Any) -> Endpoint:
        started.append(tmp_path / name)
        return launcher.launch(tmp_path / name, **{"clock": "virtual", "empty": True, **options})

    yield start
    for directory in started:
        launcher.end(directory)


class Cloud:
    """One sandbox as Google's clients see it, and its control plane."""

    project = "my-project"
    parent = f"projects/{project}/locations/us-central1"

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint
        self.services = self.client(ServicesClient)
        self.revisions = self.client(RevisionsClient)

    def client(self, kind: Any) -> Any:
        transport = kind.get_transport_class("grpc")
        return kind(transport=transport(channel=grpc.insecure_channel(self.endpoint.grpc)))

    def control(self, method: str, path: str, content: Any = None, seconds: float = 20.0) -> Any:
        return launcher.call(self.endpoint, method, f"/sandbox/{path}", content, seconds=seconds)

    def add_image(self, name: str, *words: str) -> None:
        self.control("POST", "images", {"name": name, "command": [sys.executable, *words]})

    def service(self, image: str = "echo", **env: str) -> Service:
        """A service to create: one container, one instance at most, none at least."""
        variables = [EnvVar(name=name, value=value) for name, value in env.items()]
        template = RevisionTemplate(containers=[Container(image=image, env=variables)])
        template.scaling.max_instance_count = 1
        return Service(template=template, invoker_iam_disabled=True)

    def create(self, service: Service, name: str = "web") -> Any:
        request = {"parent": self.parent, "service_id": name, "service": service}
        return self.finished(self.services.create_service(request, timeout=5))

    def update(self, service: Service, *paths: str) -> Any:
        request = {"service": service, "update_mask": {"paths": paths}}
        return self.finished(self.services.update_service(request, timeout=5))

    def finished(self, operation: Any) -> Any:
        """The result of an operation, without the client's second between two looks."""
        name = operation.operation.name
        request = WaitOperationRequest(name=name, timeout=Duration(seconds=20))
        # The client hands this answer on as it came over the wire.
        ended = Operation.FromString(self.services.wait_operation(request, timeout=25))
        assert ended.done
        return operation.result(timeout=5)

    def logs(self, filter_text: str = "", project: str = project) -> list[str]:
        return read_lines(self.endpoint, project, filter_text, 200)

    def instances(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.control("GET", "instances")["instances"]
        return found

    def until(self, holds: Callable[[], object], seconds: float = 10.0) -> None:
        """Look again and again until something holds; an AssertionError if it never does."""
        deadline = real_seconds() + seconds
        while not holds():
            assert real_seconds() < deadline, "it never came to hold"
            wait_a_moment()


@pytest.fixture
def cloud(launch: Launch) -> Cloud:
    """An empty sandbox on a virtual clock that knows the image `echo`."""
    found = Cloud(launch())
    found.add_image("echo", "-c", ECHO)
    return found


@pytest.fixture
def reach() -> Callable[[Endpoint], Cloud]:
    """Clients for a sandbox that a test launched itself."""
    return Cloud

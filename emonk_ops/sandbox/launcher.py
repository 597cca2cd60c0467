"""Starts, finds and ends a sandbox from another process. Cheap to import."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from emonk_ops.sandbox.clock import real_seconds, wait_a_moment
from emonk_ops.sandbox.endpoint import (
    LOCK_FILE,
    OUTPUT_FILE,
    AlreadyUp,
    Endpoint,
    NotUp,
    SandboxError,
    is_locked,
    read_endpoint,
    remove_endpoint,
)
from emonk_ops.sandbox.processes import end_leftovers

START_SECONDS = 30.0
STOP_SECONDS = 30.0
CALL_SECONDS = 5.0
_LAST_LINES = 15
# Sandboxes that this process started: whoever is their parent must wait for their end.
_launched: dict[Path, subprocess.Popen[bytes]] = {}


def command(directory: Path, *, clock: str, grpc_port: int, http_port: int) -> list[str]:
    """The command line that runs a sandbox in the foreground."""
    return [
        *(sys.executable, "-m", "emonk_ops.sandbox", str(directory), "--clock", clock),
        *("--grpc-port", str(grpc_port), "--http-port", str(http_port)),
    ]


def launch(
    directory: Path,
    *,
    clock: str = "virtual",
    grpc_port: int = 0,
    http_port: int = 0,
    empty: bool = False,
) -> Endpoint:
    """Start a sandbox as a process of its own and return once its APIs answer.

    Raises AlreadyUp when one runs on the directory, SandboxError when it does not come up (the
    message has the end of its output).
    """
    directory.mkdir(parents=True, exist_ok=True)
    if is_locked(directory):
        raise AlreadyUp(
            f"{directory} is in use by the sandbox with process id {_holder(directory)};"
            f" end it with: emonk-ops sandbox down --dir {directory}"
        )
    remove_endpoint(directory)
    words = command(directory, clock=clock, grpc_port=grpc_port, http_port=http_port)
    with (directory / OUTPUT_FILE).open("ab") as output:
        process = subprocess.Popen(
            [*words, *(["--empty"] if empty else [])],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    _launched[directory.resolve()] = process
    deadline = real_seconds() + START_SECONDS
    while real_seconds() < deadline and process.poll() is None:
        with contextlib.suppress(NotUp):
            return read_endpoint(directory)
        wait_a_moment()
    if process.poll() is None:
        process.terminate()
    _await_end(directory)
    raise SandboxError(f"the sandbox on {directory} did not come up:\n{_last_output(directory)}")


def _last_output(directory: Path) -> str:
    lines = (directory / OUTPUT_FILE).read_text(errors="replace").splitlines()
    return "\n".join(lines[-_LAST_LINES:])


def wait_for_services(endpoint: Endpoint, seconds: float = START_SECONDS) -> dict[str, Any]:
    """The status once no service is still being brought up; as it is after `seconds`."""
    deadline = real_seconds() + seconds
    while True:
        status: dict[str, Any] = call(endpoint, "GET", "/sandbox/status")
        services = status.get("run", {}).get("services", [])
        if all(one["ready"] in ("succeeded", "failed") for one in services):
            return status
        if real_seconds() > deadline:
            return status
        wait_a_moment()


def end(directory: Path) -> bool:
    """Stop the sandbox of a directory, its processes included; False when none ran.

    Whatever a killed sandbox left running is ended too.
    """
    instances = directory.resolve() / "instances"
    if not is_locked(directory):
        _await_end(directory)
        ended = end_leftovers(instances)
        remove_endpoint(directory)
        return bool(ended)
    pid = _holder(directory)
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGTERM)
    deadline = real_seconds() + STOP_SECONDS
    while is_locked(directory):
        if real_seconds() > deadline:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
            break
        wait_a_moment()
    _await_end(directory)
    end_leftovers(instances)
    remove_endpoint(directory)
    return True


def _await_end(directory: Path) -> None:
    process = _launched.pop(directory.resolve(), None)
    if process is not None:
        process.wait(STOP_SECONDS)


def _holder(directory: Path) -> int:
    return int((directory / LOCK_FILE).read_text())


def call(
    endpoint: Endpoint,
    method: str,
    path: str,
    content: Mapping[str, Any] | None = None,
    *,
    seconds: float = CALL_SECONDS,
) -> Any:
    """One control request; SandboxError with the sandbox's own sentence when it refuses."""
    body = None if content is None else json.dumps(content).encode()
    request = urllib.request.Request(f"{endpoint.http}{path}", data=body, method=method)
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=seconds) as answer:
            return json.loads(answer.read())
    except urllib.error.HTTPError as problem:
        with problem:
            raise SandboxError(_sentence(problem.read())) from None
    except OSError as problem:
        raise SandboxError(
            f"the sandbox at {endpoint.http} did not answer {method} {path}: {problem};"
            f" look at {endpoint.directory}/{OUTPUT_FILE}"
        ) from problem


def _sentence(body: bytes) -> str:
    try:
        error = json.loads(body)["error"]
        return f"{error['message']}; {error['hint']}" if error["hint"] else str(error["message"])
    except (ValueError, KeyError, TypeError):
        return body.decode(errors="replace")

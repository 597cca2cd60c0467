"""Instances as processes: scaling, disks, ends; and the sandbox's own commands as processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from emonk_ops.sandbox import launcher
from emonk_ops.sandbox.clock import real_seconds
from emonk_ops.sandbox.endpoint import read_endpoint


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A working directory whose sandbox is ended after the test."""
    yield tmp_path
    launcher.end(tmp_path / ".emonk-sandbox")


def emonk_ops(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "emonk_ops", "sandbox", *words],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
    )


def runs(pid: int) -> bool:
    """Whether a process lives; one that only waits to be collected by its parent does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def in_parallel(count: int, ask: Callable[[], Any]) -> list[Any]:
    answers: list[Any] = []
    threads = [threading.Thread(target=lambda: answers.append(ask())) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=20)
    return answers


def test_a_full_instance_makes_another_one_up_to_the_maximum(cloud: Any) -> None:
    wanted = cloud.service()
    wanted.template.max_instance_request_concurrency = 1
    wanted.template.scaling.max_instance_count = 2
    uri = cloud.create(wanted).uri
    slow = f"{uri}/slow?s=0.7"
    answers = in_parallel(3, lambda: httpx.get(slow, timeout=15, trust_env=False).json()["pid"])
    assert len(answers) == 3
    assert len(set(answers)) == 2


def test_an_instance_beyond_the_minimum_ends_after_idling(cloud: Any) -> None:
    uri = cloud.create(cloud.service()).uri
    httpx.get(uri, timeout=10, trust_env=False)
    assert len(cloud.instances()) == 1
    cloud.control("POST", "clock/advance", {"seconds": 3_600})
    cloud.until(lambda: not cloud.instances())
    assert httpx.get(uri, timeout=10, trust_env=False).status_code == 200


def test_each_instance_has_a_disk_that_dies_with_it(cloud: Any) -> None:
    service = cloud.create(cloud.service())
    disk = Path(httpx.get(service.uri, timeout=10, trust_env=False).json()["cwd"])
    assert disk.is_dir()
    assert list(disk.iterdir()) == []
    cloud.services.delete_service(name=service.name, timeout=15)
    assert not disk.exists()


def test_an_instance_sees_nothing_of_the_sandboxs_own_environment(
    launch: Any, reach: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET_OF_THE_SHELL", "1")
    cloud = reach(launch())
    words = "import http.server, os; print(sorted(os.environ), flush=True);"
    words += "http.server.HTTPServer(('', int(os.environ['PORT'])), None).serve_forever()"
    cloud.add_image("shows", "-c", words)
    cloud.create(cloud.service("shows", MINE="1"))
    (shown,) = cloud.logs('textPayload:"K_SERVICE"')
    assert "SECRET_OF_THE_SHELL" not in shown
    assert "'MINE'" in shown


def test_a_deaf_process_is_killed_after_its_grace(cloud: Any) -> None:
    words = "import signal, os, http.server; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
    words += "http.server.HTTPServer(('', int(os.environ['PORT'])), None).serve_forever()"
    cloud.add_image("stubborn", "-c", words)
    service = cloud.create(cloud.service("stubborn"))
    began = real_seconds()
    cloud.services.delete_service(name=service.name, timeout=20)
    assert 9.5 < real_seconds() - began < 15
    assert cloud.instances() == []


def test_up_in_the_foreground_ends_everything_on_ctrl_c(folder: Path) -> None:
    words = [sys.executable, "-m", "emonk_ops", "sandbox", "up", "--clock", "virtual"]
    process = subprocess.Popen(words, cwd=folder, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline().startswith("sandbox up: grpc 127.0.0.1:")
    status = emonk_ops(folder, "status")
    assert "emonk-qa" in status.stdout
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=30)
    assert process.returncode == 0
    assert "sandbox down" in output
    gone = emonk_ops(folder, "status")
    assert gone.returncode == 3
    assert "sandbox up --detach" in gone.stderr


def test_the_commands_of_a_detached_sandbox(folder: Path) -> None:
    up = emonk_ops(folder, "up", "--detach", "--clock", "virtual")
    assert up.returncode == 0, up.stderr
    assert up.stdout.count("succeeded") == 2
    again = emonk_ops(folder, "up", "--detach")
    assert again.returncode == 3
    assert "is in use" in again.stderr
    exports = emonk_ops(folder, "env").stdout.splitlines()
    assert exports[0].startswith("export EMONK_SANDBOX_GRPC=127.0.0.1:")
    assert exports[1].startswith("export EMONK_SANDBOX_HTTP=http://127.0.0.1:")
    address = exports[0].partition("=")[2]
    assert f"export FIRESTORE_EMULATOR_HOST={address}" in exports
    before = emonk_ops(folder, "clock", "now").stdout
    after = emonk_ops(folder, "clock", "advance", "2h").stdout
    assert before[:13] != after[:13]
    wrong = emonk_ops(folder, "clock", "advance", "soon")
    assert wrong.returncode == 2
    added = emonk_ops(folder, "image", "add", "mine", "--", "python", "-m", "mine", "--flag")
    assert added.stdout == "image mine: python -m mine --flag\n"
    lines = emonk_ops(folder, "logs", "--limit", "5", "--project", "emonk-production")
    assert len(lines.stdout.splitlines()) == 5
    reset = emonk_ops(folder, "reset")
    assert reset.returncode == 0, reset.stderr
    assert emonk_ops(folder, "down").stdout == "sandbox down\n"
    assert "already so" in emonk_ops(folder, "down").stdout


def test_down_after_a_kill_leaves_no_process(folder: Path) -> None:
    assert emonk_ops(folder, "up", "--detach", "--clock", "virtual").returncode == 0
    endpoint = read_endpoint(folder / ".emonk-sandbox")
    found = launcher.call(endpoint, "GET", "/sandbox/instances")["instances"]
    os.kill(endpoint.pid, signal.SIGKILL)
    down = emonk_ops(folder, "down")
    assert down.returncode == 0
    assert found
    assert not any(runs(one["pid"]) for one in found)


def cpu_of(cloud: Any) -> tuple[str, str]:
    """What the platform says of the only instance, and the state of its process."""
    (one,) = cloud.instances()
    stat = Path(f"/proc/{one['pid']}/stat").read_text()
    return one["cpu"], stat.rpartition(")")[2].split()[0]


def test_without_a_request_a_process_is_stopped_unless_its_cpu_is_always_allocated(
    cloud: Any,
) -> None:
    wanted = cloud.service()
    wanted.template.scaling.min_instance_count = 1
    service = cloud.create(wanted)
    cloud.until(lambda: cpu_of(cloud) == ("throttled", "T"))
    slow = threading.Thread(
        target=httpx.get, args=(f"{service.uri}/slow?s=1",), kwargs={"timeout": 10}
    )
    slow.start()
    cloud.until(lambda: cpu_of(cloud)[0] == "allocated" and cpu_of(cloud)[1] != "T")
    slow.join()
    cloud.until(lambda: cpu_of(cloud) == ("throttled", "T"))
    wanted.name = service.name
    wanted.template.containers[0].resources.cpu_idle = False
    cloud.update(wanted)
    cloud.until(lambda: [one["cpu"] for one in cloud.instances()] == ["allocated"])
    httpx.get(service.uri, timeout=10, trust_env=False)
    assert cpu_of(cloud)[0] == "allocated"
    assert cpu_of(cloud)[1] != "T"


def test_a_start_takes_as_long_as_it_was_set_to(cloud: Any) -> None:
    cloud.control("POST", "cold-start", {"seconds": 0.5})
    uri = cloud.create(cloud.service()).uri
    began = real_seconds()
    httpx.get(uri, timeout=10, trust_env=False)
    first = real_seconds() - began
    (instance,) = cloud.instances()
    cloud.control("POST", "instances/kill", {"instance": instance["id"]})
    cloud.until(lambda: not cloud.instances())
    began = real_seconds()
    httpx.get(uri, timeout=10, trust_env=False)
    assert real_seconds() - began >= 0.5
    assert first < 5

"""`shadow watch`, `shadow compare` and `jobs watch` as processes, on a shadow in the sandbox."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from emonk_ops.clock import sleep
from emonk_ops.operations.tick_job import ensure_enabled, ensure_job
from emonk_ops.operations.waiting import ask_until
from emonk_ops.ports import DeployRequest
from emonk_ops.sandbox import launcher
from emonk_ops.sandbox.endpoint import Endpoint
from emonk_ops.settings import Environment, Target
from emonk_ops.settings_sample import sample
from emonk_ops.toolbox import Toolbox
from emonk_ops.wiring import Wiring

LONGEST_SECONDS = 120.0
CADENCE = "* * * * *"
WEBHOOK = {"message": {"sender": {"email": "nobody@example.com"}, "text": "hello"}}


class Operator:
    """Types commands in a folder whose sandbox runs, and looks behind them through the ports."""

    def __init__(self, folder: Path, tools: Toolbox, endpoint: Endpoint) -> None:
        self._folder = folder
        self._endpoint = endpoint
        self.tools = tools
        self.directory = tools.env.sandbox_dir

    def starts(self, *words: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "emonk_ops", *words, "--env", "qa"],
            cwd=self._folder,
            env={**os.environ, "EMONK_ACTOR": "ann"},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def types(self, *words: str) -> tuple[int, list[str], str]:
        process = self.starts(*words)
        try:
            out, err = process.communicate(timeout=LONGEST_SECONDS)
        finally:
            process.kill()
        return process.returncode, out.splitlines(), err

    def limits_reads(self, a_minute: int) -> None:
        body = {"reads_per_minute": a_minute}
        launcher.call(self._endpoint, "POST", "/sandbox/logging/quota", body, seconds=5.0)

    def begins_the_shadow(self) -> None:
        tools = self.tools
        ensure_job(tools)
        ensure_enabled(tools)
        # JSON storage dies with its instance: the new revision has the declared jobs only.
        tools.service.quiesce(wait_seconds=5.0)
        env = {"SCHEDULER_SHADOW_MODE": "true", "SCHEDULER_CADENCE": CADENCE}
        tools.run.deploy(DeployRequest(env=env), timeout_seconds=60.0)
        state = ask_until(
            tools.clock, tools.service.driver, lambda one: bool(one.driver), seconds=60.0
        )
        assert state.driver == "shadow"


@pytest.fixture
def operator(tmp_path: Path) -> Iterator[Operator]:
    text = sample(Target.SANDBOX).replace('"*/5 * * * *"', f'"{CADENCE}"')
    (tmp_path / "emonk-ops.toml").write_text(text)
    directory = tmp_path / ".emonk-sandbox"
    endpoint = launcher.launch(directory, clock="virtual")
    env = Environment("qa", Target.SANDBOX, "emonk-qa", cadence=CADENCE, sandbox_dir=directory)
    ports = Wiring(env)
    try:
        launcher.wait_for_services(endpoint)
        yield Operator(tmp_path, Toolbox(env, ports, tmp_path / "keep"), endpoint)
    finally:
        ports.close()
        launcher.end(directory)


@pytest.mark.timeout(600)
def test_a_shadow_is_watched_its_jobs_too_and_its_neighbours_compared(operator: Operator) -> None:
    tools = operator.tools
    code, lines, _ = operator.types("shadow", "watch", "--for", "1")
    assert (code, len(lines)) == (0, 2)
    assert "one path drives alone" in lines[1]
    _call_webhook(tools, 25)
    operator.begins_the_shadow()
    _watch_for_half_an_hour(operator)
    _stream_ticks(operator)
    _watch_jobs(operator)
    _call_webhook(tools, 25)
    _compare(operator)
    _spend_a_quota(operator)
    _interrupt(operator)
    _go_away(operator)
    _lose_the_cloud(operator)


def _watch_for_half_an_hour(operator: Operator) -> None:
    code, lines, err = operator.types("shadow", "watch", "--for", "30")
    assert code == 0, err
    looks = [line for line in lines if " | ticks " in line]
    assert len(looks) == 120
    times = [datetime.fromisoformat(line.split(" |")[0].replace("Z", "+00:00")) for line in looks]
    assert min(two - one for one, two in pairwise(times)) >= timedelta(seconds=14)
    last = looks[-1]
    assert "FAIL" not in last, last
    assert "duplicates 0" in last
    assert "coverage 100.0%" in last
    assert "ONE_WINNER 2" in last  # of about 28 slots of the heartbeat
    assert "slots-are-told" in last  # less than an hour
    assert "of shadow, no soak on record" in last


def _stream_ticks(operator: Operator) -> None:
    code, lines, err = operator.types("shadow", "watch", "--json", "--ticks", "6")
    assert code == 0, err
    ticks: list[dict[str, Any]] = [json.loads(line) for line in lines]
    assert len(ticks) == 6
    assert all(set(one) == {"time", "message", "metrics"} for one in ticks)
    assert {one["message"] for one in ticks} == {"Scheduler tick completed"}
    assert {"jobs_checked", "jobs_due", "jobs_executed"} <= set(ticks[0]["metrics"])
    assert len({one["metrics"]["tick_id"] for one in ticks}) == 6


def _watch_jobs(operator: Operator) -> None:
    code, lines, err = operator.types("jobs", "watch", "--json", "--changes", "3")
    assert code == 0, err
    changes = [json.loads(line) for line in lines]
    assert [one["change"] for one in changes] == ["changed"] * 3
    assert all(one["id"] in ("heartbeat", "queue-report", "digest") for one in changes)
    assert all("fence" in one["changed"] for one in changes)


def _call_webhook(tools: Toolbox, count: int) -> None:
    """A neighbour of the tick: refused, for it brings no token, by the service itself."""
    import httpx

    url = tools.run.describe_service().uri + tools.env.service.webhook_path
    for _ in range(count):
        assert httpx.post(url, json=WEBHOOK, trust_env=False, timeout=5.0).status_code == 401
        sleep(tools.clock, 10.0)


def _compare(operator: Operator) -> None:
    code, lines, err = operator.types("shadow", "compare", "--hours", "0.6", "--json")
    assert code == 5, err
    (document,) = [json.loads(line) for line in lines]
    rulings = {one["name"]: one for one in document["data"]["rulings"]}
    found = rulings["other-endpoints"]
    assert found["verdict"] == "INCONCLUSIVE", found
    assert found["facts"]["n"] == 25, found
    assert found["facts"]["n_before"] == 25, found
    assert found["facts"]["left_out"]["ticks"] > 30
    assert found["facts"]["left_out"]["admin"] > 100


def _spend_a_quota(operator: Operator) -> None:
    """Four reads a minute are enough for it; with two it is slower, says so, and goes on."""
    operator.limits_reads(4)
    code, lines, _ = operator.types("shadow", "watch", "--for", "5")
    assert (code, [line for line in lines if "!" in line]) == (0, [])
    operator.limits_reads(2)
    code, lines, _ = operator.types("shadow", "watch", "--for", "5")
    assert code == 0
    said = [line for line in lines if "!" in line]
    assert said
    assert all("Quota exceeded" in line for line in said)
    assert len([line for line in lines if " | ticks " in line]) > 4
    operator.limits_reads(0)


def _interrupt(operator: Operator) -> None:
    process = operator.starts("shadow", "watch")
    assert process.stdout is not None
    for line in process.stdout:
        if " | ticks " in line:
            break
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=LONGEST_SECONDS)
    assert process.returncode == 130
    assert "Traceback" not in err


def _go_away(operator: Operator) -> None:
    """The reader's end is seen where there is nothing to write, too."""
    process = operator.starts("shadow", "watch", "--json", "--since", "2100-01-01T00:00:00Z")
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    err = process.stderr.read()
    process.stderr.close()
    assert process.wait(timeout=LONGEST_SECONDS) == 0
    assert "Traceback" not in err


def _lose_the_cloud(operator: Operator) -> None:
    process = operator.starts("shadow", "watch", "--for", "600000")
    assert process.stdout is not None
    for line in process.stdout:
        if " | ticks " in line:
            break
    launcher.end(operator.directory)
    for line in process.stdout:
        if "(the next look is in 30 s)" in line:
            break
    assert "! " in line
    assert process.poll() is None
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=LONGEST_SECONDS)
    assert process.returncode == 130

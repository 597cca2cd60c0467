"""`emonk-ops inject …` as processes, against services that run in the sandbox's virtual time."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from emonk_ops.access_ports import Binding
from emonk_ops.operations.injection.access import snapshot
from emonk_ops.operations.injection.catalogue import judged_again
from emonk_ops.operations.tick_job import ensure_enabled, ensure_job
from emonk_ops.ports import DeployRequest
from emonk_ops.sandbox import launcher
from emonk_ops.sandbox.endpoint import Endpoint
from emonk_ops.settings import Environment, Target
from emonk_ops.settings_sample import sample
from emonk_ops.toolbox import Toolbox
from emonk_ops.wiring import Wiring

ROOT = Path(__file__).parents[2]
LONGEST_SECONDS = 120.0
MEMBER = "serviceAccount:emonk-agent@emonk-qa.iam.gserviceaccount.com"
ROLE = "roles/datastore.user"


class Operator:
    """Types commands in a folder whose sandbox runs, and looks behind them through the ports."""

    def __init__(self, folder: Path, tools: Toolbox, endpoint: Endpoint) -> None:
        self.folder = folder
        self.tools = tools
        self._endpoint = endpoint

    def control(self, path: str, **content: Any) -> dict[str, Any]:
        found: dict[str, Any] = launcher.call(self._endpoint, "POST", f"/sandbox/{path}", content)
        return found

    def start(self, *words: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "emonk_ops", *words, "--env", "qa", "--json"],
            cwd=self.folder,
            env={**os.environ, "EMONK_ACTOR": "ann"},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def types(self, *words: str, code: int = 0) -> dict[str, Any]:
        with self.start(*words) as process:
            out, err = process.communicate(timeout=LONGEST_SECONDS)
        assert process.returncode == code, (words, process.returncode, out, err)
        found: dict[str, Any] = json.loads(out)["data"]
        return found

    def stopped(self, signum: signal.Signals, *words: str, at: str = "prove landed") -> int:
        """Type it, send the signal once it says `at`, and wait for its end."""
        with self.start(*words) as process:
            assert process.stderr is not None
            for line in process.stderr:
                if at in line:
                    process.send_signal(signum)
                    break
            process.communicate(timeout=LONGEST_SECONDS)
        return process.returncode

    @contextmanager
    def failing(self, method: str) -> Iterator[None]:
        fault = self.control("faults", method=method, code="UNAVAILABLE")["id"]
        yield
        self.control("faults/clear", ids=[fault])

    def serve(self, **request: Any) -> None:
        self.tools.run.deploy(DeployRequest(**request), timeout_seconds=60.0)
        state = self.tools.service.driver()
        self.tools.service.activate("cloud", expected_epoch=state.epoch)

    def serve_weak(self, weakness: str) -> None:
        script = str(ROOT / "tests" / "rehearsal" / "weak_service.py")
        command = [sys.executable, script, weakness]
        self.control("images", name=weakness, command=command, source=str(ROOT))
        self.serve(image=weakness)

    def bindings(self) -> list[list[Any]]:
        """Of the project, in an order of their own: the platform keeps none."""
        return snapshot(self.tools.access.policy())

    def seen(self, told: dict[str, Any]) -> dict[str, str]:
        return {one["id"]: one["verdict"] for one in told["observations"]}

    def evidence(self, told: dict[str, Any]) -> dict[str, Any]:
        (path,) = self.folder.rglob(told["evidence"])
        found: dict[str, Any] = json.loads(path.read_text())
        return found


@contextmanager
def sandbox(folder: Path) -> Iterator[Operator]:
    (folder / "emonk-ops.toml").write_text(sample(Target.SANDBOX))
    directory = folder / ".emonk-sandbox"
    endpoint = launcher.launch(directory, clock="virtual")
    ports = Wiring(Environment("qa", Target.SANDBOX, "emonk-qa", sandbox_dir=directory))
    try:
        launcher.wait_for_services(endpoint)
        tools = Toolbox(ports.env, ports, folder / "keep")
        ensure_job(tools)
        ensure_enabled(tools)
        yield Operator(folder, tools, endpoint)
    finally:
        ports.close()
        launcher.end(directory)


@pytest.fixture(scope="module")
def operator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Operator]:
    """The service on Firestore, driven by Cloud Scheduler alone."""
    with sandbox(tmp_path_factory.mktemp("injections")) as found:
        found.tools.service.quiesce(wait_seconds=5.0)
        env = {"SCHEDULER_STORAGE": "firestore", "SCHEDULER_LEGACY_LOOP": "false"}
        found.serve(env=env)
        yield found


@pytest.mark.timeout(300)
def test_a_sound_service_passes_the_suite_and_its_evidence_says_so_again(
    operator: Operator,
) -> None:
    before = operator.bindings()
    told = operator.types("inject", "suite", "--reason", "before the soak")
    assert {one["name"]: one["verdict"] for one in told["parts"]} == dict.fromkeys(
        ("duplicate-trigger", "restart", "firestore-outage", "overdue-job"), "PASS"
    )
    assert told["verdict"] == "PASS"
    for part in told["parts"]:
        verdict, observations = judged_again(operator.evidence(part))
        assert verdict == part["verdict"]
        assert [one.to_data() for one in observations] == part["observations"]
    assert operator.bindings() == before
    assert not operator.tools.run.describe_service().pinned
    for name in ("slow-tick", "missed-ticks", "bad-auth"):
        assert operator.types("inject", name)["verdict"] == "PASS"
    told = operator.types("inject", "duplicate-trigger", "--via", "http")
    assert told["verdict"] == "PASS"
    assert operator.types("inject", "firestore-outage", "--mode", "transient")["verdict"] == "PASS"


@pytest.mark.timeout(300)
def test_access_that_takes_minutes_to_change_is_waited_for(operator: Operator) -> None:
    operator.control("iam/delay", seconds=240)
    told = operator.types("inject", "firestore-outage")
    operator.control("iam/delay", seconds=0)
    assert told["verdict"] == "PASS"
    evidence = operator.evidence(told)
    assert evidence["landed"]["first"] > evidence["injected"]["at"]
    assert len(evidence["recovered"]["slots"]) >= 1


@pytest.mark.timeout(300)
def test_ctrl_c_restores_at_once(operator: Operator) -> None:
    before = operator.bindings()
    assert operator.stopped(signal.SIGINT, "inject", "firestore-outage") == 130
    assert operator.bindings() == before
    assert not operator.types("inject", "restore")["restored"]
    assert operator.stopped(signal.SIGTERM, "inject", "missed-ticks", at="inject: ") == 143
    job = operator.tools.jobs.describe()
    assert job is not None
    assert job.state == "ENABLED"


@pytest.mark.timeout(300)
def test_a_second_ctrl_c_gives_up_and_says_what_is_left(operator: Operator) -> None:
    before = operator.bindings()
    slow = {"method": "google.cloud.resourcemanager.v3.Projects/GetIamPolicy", "latency": 3.0}
    fault = ""
    with operator.start("inject", "firestore-outage") as process:
        assert process.stderr is not None
        said = []
        for line in process.stderr:
            said.append(line)
            if "prove landed" in line:
                fault = operator.control("faults", **slow)["id"]
                process.send_signal(signal.SIGINT)
            if line.strip() == "restore":
                process.send_signal(signal.SIGINT)
        process.wait(timeout=LONGEST_SECONDS)
    operator.control("faults/clear", ids=[fault])
    assert process.returncode == 7
    assert "left: the fault firestore-outage by ann" in "".join(said)
    assert operator.types("inject", "restore")["restored"][0]["ok"]
    assert operator.bindings() == before


@pytest.mark.timeout(300)
def test_real_jobs_that_fail_end_a_fault_early(operator: Operator) -> None:
    service = operator.tools.service
    schedule = {"cron": "*/5 * * * *", "tz": "UTC"}
    job = {"type": "http", "schedule": schedule, "payload": {"url": "http://127.0.0.1:9/"}}
    service.schedule_job({"id": "real", **job})
    told = operator.types("inject", "overdue-job", code=1)
    service.cancel_job("real")
    assert operator.seen(told)["guard"] == "FAIL"
    assert "real jobs failed during the fault: real" in told["summary"]


@pytest.mark.timeout(300)
def test_after_a_kill_everybody_says_what_is_left_and_restore_ends_it(operator: Operator) -> None:
    before = operator.bindings()
    assert operator.stopped(signal.SIGKILL, "inject", "firestore-outage") == -signal.SIGKILL
    assert operator.bindings() != before
    operator.types("inject", "bad-auth", code=3)
    with operator.start("history") as process:
        _, err = process.communicate(timeout=LONGEST_SECONDS)
    assert "firestore-outage by ann" in err
    assert "emonk-ops inject restore" in err
    (restored,) = operator.types("inject", "restore")["restored"]
    assert restored["ok"]
    assert operator.bindings() == before
    assert not operator.types("inject", "restore", "--all")["restored"]
    assert operator.types("inject", "bad-auth")["verdict"] == "PASS"


@pytest.mark.timeout(300)
def test_what_somebody_else_took_away_is_not_given_back_and_is_said(operator: Operator) -> None:
    access = operator.tools.access
    before = access.policy()
    assert operator.stopped(signal.SIGKILL, "inject", "firestore-outage") == -signal.SIGKILL
    kept = tuple(one for one in access.policy().bindings if one.role != ROLE)
    access.set_policy(replace(access.policy(), bindings=kept))
    (left,) = operator.types("inject", "restore", code=7)["restored"]
    assert "somebody took it away" in left["left"][0]
    assert left["commands"][0].startswith("gcloud projects add-iam-policy-binding emonk-qa")
    operator.types("inject", "bad-auth", code=3)
    access.set_policy(replace(access.policy(), bindings=before.bindings))
    assert operator.types("inject", "restore")["restored"][0]["ok"]


@pytest.mark.timeout(300)
def test_a_fault_that_cannot_land_is_not_exercised(operator: Operator) -> None:
    with operator.failing("google.cloud.scheduler.v1.CloudScheduler/RunJob"):
        for words in (("duplicate-trigger",), ("restart", "--mode", "kill"), ("slow-tick",)):
            assert operator.types("inject", *words, code=5)["verdict"] == "NOT_EXERCISED"
    access = operator.tools.access
    policy = access.policy()
    owner = Binding("roles/datastore.owner", (MEMBER,))
    access.set_policy(replace(policy, bindings=(*policy.bindings, owner)))
    told = operator.types("inject", "firestore-outage", code=5)
    assert told["verdict"] == "NOT_EXERCISED"
    assert "roles/datastore.owner" in told["summary"]
    access.set_policy(replace(access.policy(), bindings=policy.bindings))


@pytest.mark.parametrize(
    ("weakness", "words", "failed"),
    [
        ("no-lease", ("duplicate-trigger",), {"second-skips"}),
        ("no-retry", ("restart", "--mode", "kill"), {"retry-next-tick", "one-effect"}),
        ("dies-of-denial", ("firestore-outage",), {"graceful", "logged-no-crash"}),
        ("skips-overdue", ("overdue-job",), {"catch-up"}),
    ],
)
@pytest.mark.timeout(300)
def test_a_planted_weakness_fails(
    operator: Operator, weakness: str, words: tuple[str, ...], failed: set[str]
) -> None:
    operator.serve_weak(weakness)
    try:
        told = operator.types("inject", *words, code=1)
    finally:
        operator.serve(image="emonk-agent")
    assert told["verdict"] == "FAIL"
    assert failed <= {name for name, verdict in operator.seen(told).items() if verdict == "FAIL"}


@pytest.mark.timeout(300)
def test_on_json_six_of_the_seven_tests_of_qa_pass_and_the_other_is_named(
    tmp_path: Path,
) -> None:
    with sandbox(tmp_path) as operator:
        tools = operator.tools
        tools.service.activate("cloud", expected_epoch=tools.service.driver().epoch)
        told = operator.types("inject", "suite", "--appendix", code=5)
        verdicts = [one["verdict"] for one in told["parts"]]
        assert verdicts == ["PASS"] * 6 + ["NOT_EXERCISED"]
        assert told["parts"][-1]["line"] == "Error handling test"
        operator.types("inject", "restart", "--mode", "kill", code=5)

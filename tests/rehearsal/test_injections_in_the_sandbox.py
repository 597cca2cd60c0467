"""`emonk-ops inject …` as processes, against services that run in the sandbox's virtual time."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from emonk_ops.operations.injection.catalogue import judged_again
from tests.rehearsal.injecting import LONGEST_SECONDS, Operator, on_firestore, sandbox

ROLE = "roles/datastore.user"


@pytest.fixture(scope="module")
def operator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Operator]:
    with sandbox(tmp_path_factory.mktemp("injections")) as found:
        yield on_firestore(found)


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
    run, _, _ = str(restored["id"]).partition("-")
    (judged,) = operator.types("judge", run)["evidence"]
    assert judged["verdicts"] == [
        {
            "name": "verdict",
            "verdict": "INTERRUPTED",
            "summary": "the command died; everything is restored",
            "recorded": "INTERRUPTED",
            "same": True,
        }
    ]
    told = [event for run in operator.types("history")["runs"] for event in run["events"]]
    assert "INTERRUPTED firestore-outage: the command died; everything is restored" in told


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

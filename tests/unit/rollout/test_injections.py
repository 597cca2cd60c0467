"""What the journal tells of injected faults."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from emonk_ops.cli.inject_run import require_free
from emonk_ops.cli.unfinished import injection_sentence
from emonk_ops.errors import OnHold, Refused
from emonk_ops.rollout import precedents
from emonk_ops.rollout.gates import closed_gate
from emonk_ops.rollout.model import Verdict
from emonk_ops.rollout.records import BEGINNING, Record, sealed
from emonk_ops.rollout.registry import load_stage
from emonk_ops.rollout.standing import Standing, stand
from emonk_ops.settings import Environment, Target
from emonk_ops.testing import InMemoryPorts, InMemoryWorld
from emonk_ops.toolbox import Toolbox

AT = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)
UNDO = [{"kind": "scheduler-job", "job": "emonk-agent-tick"}]
INTENT = {"id": "r1-x", "injection": "missed-ticks", "undo": UNDO, "plan": {"heals": ""}}


def told(*events: tuple[str, dict[str, Any]]) -> Standing:
    records: list[Record] = []
    for kind, body in events:
        prev = records[-1].hash if records else BEGINNING
        who = {"actor": "ann"}
        number = len(records) + 1
        records.append(
            sealed(seq=number, prev=prev, run="r1", at=AT, kind=kind, who=who, body=body)
        )
    return stand(records)


def test_an_intent_is_open_until_its_restore_is_complete() -> None:
    (one,) = told(("injection.intent", INTENT)).injections.open
    assert (one.id, one.run, one.name, one.undo) == ("r1-x", "r1", "missed-ticks", tuple(UNDO))
    failed = {"id": "r1-x", "ok": False, "left": ["it is PAUSED"]}
    (one,) = told(("injection.intent", INTENT), ("injection.restored", failed)).injections.open
    assert "it is PAUSED" in injection_sentence(one, "qa")
    done = {"id": "r1-x", "ok": True, "left": []}
    ended = {"id": "r1-x", "name": "missed-ticks", "verdict": "PASS", "summary": "well"}
    standing = told(
        ("injection.intent", INTENT),
        ("injection.injected", {"id": "r1-x", "undo": [{"kind": "canary", "id": "c"}]}),
        ("injection.landed", {"id": "r1-x"}),
        ("injection.restored", done),
        ("injection.ended", ended),
    )
    assert standing.injections.open == ()
    kept = standing.injections.all["r1-x"]
    assert (kept.landed, kept.verdict, kept.undo[0]["id"]) == (True, "PASS", "c")


def test_what_never_began_is_not_open() -> None:
    ended = {"id": "r1-x", "name": "restart", "verdict": "NOT_EXERCISED", "summary": "json"}
    assert told(("injection.ended", ended)).injections.open == ()


def test_a_run_that_died_is_unfinished_by_its_intent_alone() -> None:
    body = {"command": "inject", "stage": None, "title": "inject missed-ticks", "reason": ""}
    assert told(("run.started", body)).unfinished == ()
    standing = told(("run.started", body), ("injection.intent", INTENT))
    assert standing.unfinished == ()
    (one,) = standing.injections.open
    assert "emonk-ops inject restore r1 --env qa" in injection_sentence(one, "qa")
    assert "nothing ends it by itself" in injection_sentence(one, "qa")


def test_the_newest_suite_of_an_image_is_what_a_gate_reads() -> None:
    def suite(verdict: str, image: str) -> tuple[str, dict[str, Any]]:
        body = {"suite": "stage-4", "verdict": verdict, "about": {"image": image}, "parts": []}
        return "injection.suite", body

    found = told(suite("PASS", "a"), suite("FAIL", "b"), suite("PASS", "b")).injections
    newest = found.newest_suite("stage-4", "a")
    assert newest is not None
    assert newest.passed
    assert found.newest_suite("stage-4") is found.suites[-1]
    assert found.newest_suite("stage-4", "c") is None
    assert found.newest_suite("appendix") is None


@pytest.mark.parametrize(
    ("events", "error", "words"),
    [
        ([("injection.intent", INTENT)], Refused, "not undone yet"),
        ([("hold.set", {"reason": "an incident"})], OnHold, "an incident"),
        (
            [("run.started", {"command": "stage", "stage": 2, "title": "stage 2", "reason": ""})],
            Refused,
            "stage 2 stopped half way",
        ),
    ],
)
def test_a_fault_is_injected_only_into_what_is_whole(
    events: list[tuple[str, dict[str, Any]]], error: type[Refused], words: str
) -> None:
    with pytest.raises(error, match=words):
        require_free(told(*events), "qa")
    require_free(told(), "qa")


def suite_of(verdict: str, version: str) -> Standing:
    part = {"line": "Clock Skew / Overdue Jobs", "verdict": verdict}
    about = {"version": version}
    body = {"suite": "stage-4", "verdict": verdict, "about": about, "parts": [part]}
    return told(("injection.suite", body))


def test_production_waits_for_the_injections_of_the_environment_before_it(tmp_path: Path) -> None:
    world = InMemoryWorld()
    env = Environment("production", Target.SANDBOX, "p", gated_by="qa")
    standings = {"qa": Standing()}
    tools = Toolbox(env, InMemoryPorts(world), tmp_path, standing_of=lambda name: standings[name])
    version = precedents.version_of(tools)

    found = precedents.injections_passed(tools)
    assert (found.verdict, found.hint) == (Verdict.FAIL, "emonk-ops inject suite --env qa")
    for verdict, of, expected, words in (
        ("FAIL", version, Verdict.FAIL, "Clock Skew / Overdue Jobs: FAIL"),
        ("NOT_EXERCISED", version, Verdict.FAIL, "NOT_EXERCISED"),
        ("PASS", "0.0", Verdict.FAIL, "with version 0.0"),
        ("PASS", version, Verdict.PASS, "PASS in qa"),
    ):
        standings["qa"] = suite_of(verdict, of)
        found = precedents.injections_passed(tools)
        assert found.verdict is expected
        assert words in found.summary
    assert precedents.injections_passed(replace(tools, standing_of=None)).verdict is Verdict.ERROR
    free = replace(tools, env=replace(env, gated_by=""))
    assert precedents.injections_passed(free).verdict is Verdict.PASS


def test_no_stage_begins_over_a_fault_that_is_open() -> None:
    stage = load_stage(0)
    assert closed_gate(stage, told(), "qa") is None
    refusal = closed_gate(stage, told(("injection.intent", INTENT)), "qa")
    assert refusal is not None
    assert refusal.hint == "emonk-ops inject restore --all --env qa"

"""What a report makes of journals: finished, interrupted, refused, forced, rolled back."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from emonk_ops.errors import ExitCode
from emonk_ops.reporting.doubts import doubts
from emonk_ops.reporting.plots.soaks import soak_finding
from emonk_ops.reporting.sentences import sentences
from emonk_ops.reporting.verdicts import verdicts_data

from .telling import Event, Telling, captured, check, fault, look, soak, step, way_back


@pytest.fixture
def telling(tmp_path: Path) -> Telling:
    return Telling(tmp_path)


def said(telling: Telling) -> list[str]:
    """The five sentences as plain text."""
    return [
        "".join(one if isinstance(one, str) else one.text for one in spans)
        for spans in sentences(telling.story())
    ]


def kinds(telling: Telling) -> set[tuple[str, str]]:
    return {(one.kind, one.source) for one in doubts(telling.story())}


def cut_over(telling: Telling) -> None:
    """Stages 0 to 4 passed, each with a check."""
    for stage in range(5):
        changes = [captured(stage), *step("deploy", "cloud")] if stage else []
        telling.run("stage", check("ready"), *changes, stage=stage)


def test_of_a_rollout_that_goes_well_it_says_where_it_stands_and_what_is_next(
    telling: Telling,
) -> None:
    for stage in (0, 1):
        changes = [captured(1), *step("deploy", "legacy")] if stage else []
        telling.run("stage", check("ready"), *changes, stage=stage)
    stands, drives, proven, wrong, following = said(telling)
    assert "qa holds stages 0 and 1; stage 1 last passed on" in stands
    assert "(run run-2)" in stands
    assert "the legacy loop inside the service" in drives
    assert "2 of 2 checks of the stages that hold were measured and passed" in proven
    assert "nothing that the journal tells of" in wrong
    assert "emonk-ops stage 2 --env qa" in following
    assert doubts(telling.story()) == []


def test_a_stage_that_was_rolled_back_at_once_is_told_with_its_end(telling: Telling) -> None:
    telling.run("stage", check("ready"), stage=0)
    broke = ("step.failed", {"id": "deploy", "error": "x", "message": "no", "seconds": 1.0})
    begun = ("step.started", {"id": "deploy", "title": "deploy"})
    telling.run(
        "stage",
        captured(1),
        begun,
        broke,
        *way_back(1, 5),
        stage=1,
        code=ExitCode.ROLLED_BACK,
    )
    (back,) = telling.story().rollbacks
    assert (back.kind, back.ok, back.seconds) == ("after a failure", True, 7.5)
    assert [one.id for one in back.over_budget] == ["undo"]
    (run,) = telling.story().runs_of_stage(1)
    assert [(one.id, one.ok) for one in run.steps] == [("deploy", False)]
    assert "rollback of stage 1 on 2026-01-05" in said(telling)[3]
    assert 'emonk-ops resume --env qa --reason "…"' in said(telling)[4]


@pytest.mark.parametrize(
    ("command", "events", "kind", "told"),
    [
        ("rollback", way_back(4, 15), "ordinary", "rollback of stage 4"),
        ("rollback", way_back(4, 15, emergency=True), "emergency", "emergency rollback of stage 4"),
        ("rollback", way_back(4, 15, ok=False), "ordinary", "NOT completed"),
        ("rollback", way_back(4, 15)[:2], "ordinary", "not ended"),
        (
            "rollback --partial",
            [("rollback.partial", {"stage": 4, "reason": "slow"}), *way_back(4, 15)[1:3]],
            "partial",
            "partial rollback of stage 4",
        ),
    ],
)
def test_each_way_back_has_its_kind(
    telling: Telling, command: str, events: list[Event], kind: str, told: str
) -> None:
    cut_over(telling)
    telling.run(command, *events, stage=4, seconds=8.0)
    (back,) = telling.story().rollbacks
    assert (back.kind, back.steps[0].id, back.stage) == (kind, "undo", 4)
    assert told in said(telling)[3]
    assert "the legacy loop" in said(telling)[1] or back.ok is None


def test_an_emergency_tells_what_it_did_before_it_had_a_journal(telling: Telling) -> None:
    cut_over(telling)
    pause = {"id": "pause-job", "ok": True, "changed": True, "summary": "PAUSED", "seconds": 0.2}
    events = way_back(4, 15, emergency=True, began=[pause | {"budget_seconds": 5.0}])
    events[-1][1]["since_enter"] = {"moved": 0.9, "stopped": 0.4}  # type: ignore[index]
    telling.run("rollback", *events)
    (back,) = telling.story().rollbacks
    assert [one.id for one in back.steps] == ["pause-job", "undo"]
    assert back.notes[0] == "the driver was stopped 0.4 s after Enter"


def test_a_drill_is_a_way_back_and_nothing_that_went_wrong(telling: Telling) -> None:
    cut_over(telling)
    back = {"id": "undo", "changed": True, "summary": "", "seconds": 1.0, "budget_seconds": 5.0}
    ended = {"ok": True, "why": "", "version": "1", "back_seconds": 1.1, "forth_seconds": 2.0}
    telling.run("drill", ("drill.step.ended", back), ("drill.ended", ended), stage=4)
    (told,) = telling.story().rollbacks
    assert (told.kind, told.ok, told.seconds) == ("drill", True, 1.1)
    assert "nothing that the journal tells of" in said(telling)[3]


def test_a_run_that_was_killed_is_unfinished_and_not_proven(telling: Telling) -> None:
    run = telling.run("stage", captured(1), *step("deploy")[:1], stage=1, code=None)
    assert ("UNFINISHED", run) in kinds(telling)
    assert "nothing says how it ended" in said(telling)[3]
    assert "emonk-ops status --env qa" in said(telling)[4]
    (told,) = telling.story().runs
    assert [(one.id, one.ok) for one in told.steps] == [("deploy", None)]


def test_words_forced_gates_and_too_little_evidence_are_doubts(telling: Telling) -> None:
    word: dict[str, Any] = {"stage": 0, "check": "review", "word": "PR 4", "over": "ASK"}
    run = telling.run(
        "stage",
        ("forced", {"gate": "gate", "passed": "stage 3 has not passed", "reason": "a date"}),
        ("attested", word),
        check("review", "ASK", word="PR 4"),
        check("api", "ERROR", word="the console says so"),
        check("rate", "INCONCLUSIVE", advisory=True),
        check("ready"),
        stage=0,
    )
    expected = ("FORCED", "word only", "attested over ERROR", "INCONCLUSIVE (advisory)")
    assert kinds(telling) == {(kind, run) for kind in expected}
    assert [(one.check, one.who, one.word) for one in telling.story().words] == [
        ("review", "ann", "PR 4")
    ]
    assert "1 of 4 checks" in said(telling)[2]
    assert "2 rest on a person's word" in said(telling)[2]


def test_only_the_newest_answer_to_a_check_counts(telling: Telling) -> None:
    telling.run("stage", check("ready", "FAIL"), stage=0, code=ExitCode.CHECK_FAILED)
    assert ("FAIL", "run-1") in kinds(telling)
    telling.run("stage", check("ready", n=3), stage=0)
    assert kinds(telling) == set()
    (newest,) = telling.story().newest_checks(0)
    assert (newest.run, newest.n) == ("run-2", 3)
    answers = verdicts_data([telling.story()])["qa"]
    assert [(one["run"], one["verdict"]) for one in answers] == [
        ("run-1", "FAIL"),
        ("run-2", "PASS"),
    ]


@pytest.mark.parametrize(
    ("verdict", "restored", "kind"),
    [("PASS", True, ""), ("NOT_EXERCISED", True, "NOT_EXERCISED"), ("FAIL", False, "NOT RESTORED")],
)
def test_a_fault_is_told_with_its_proof_and_its_restore(
    telling: Telling, verdict: str, restored: bool, kind: str
) -> None:
    run = telling.run("inject", *fault(verdict=verdict, restored=restored))
    ((told, seen),) = telling.story().faults
    assert (told.title, told.proof) == ("restart --mode kill", "status: 503; died: yes")
    assert told.restore_seconds == (180.0 if restored else None)
    assert told.bound_seconds == 90.0
    assert "there is no evidence restart.json" in seen.why
    graver = kinds(telling) - {("NOT HERE", "restart.json")}
    assert graver == ({(kind, run)} if kind else set())
    assert ("emonk-ops inject restore --all --env qa" in said(telling)[4]) is not restored


def test_a_soak_is_told_with_breaches_extensions_and_how_it_ended(telling: Telling) -> None:
    longer = ("soak.extended", {"stage": 3, "needed_seconds": 900.0, "why": "more samples"})
    telling.run(
        "stage",
        *soak(look(5, 300.0), look(10, 0.0, "latency"), look(15, 300.0)),
        longer,
        stage=3,
        code=ExitCode.WAITING,
    )
    (told,) = telling.story().soaks
    assert (told.covered_seconds, told.needed_seconds) == (600.0, 900.0)
    assert told.coverage == pytest.approx(2 / 3)
    assert [criterion for _, criterion, _ in told.breaches] == ["latency"]
    assert "10 m 0 s covered of 15 m 0 s needed, coverage 66.7%, 1 breach" in soak_finding(told)
    assert "breached by latency" in said(telling)[3]
    assert "the soak of stage 3 lacks 5 m 0 s" in said(telling)[4]
    ended = ("soak.ended", {"stage": 3, "how": "breached", "summary": "too slow"})
    telling.run("stage", ended, *soak(), stage=3)
    assert [one.how for one in telling.story().soaks] == ["breached", ""]


def test_a_soak_shorter_than_the_guides_is_no_evidence(telling: Telling) -> None:
    telling.run("stage", *soak(look(5, 300.0), needed=300.0, guide=3600.0), stage=3)
    (doubt,) = doubts(telling.story())
    assert (doubt.kind, doubt.what) == ("NO EVIDENCE", "soak shadow of stage 3")
    assert "the guide asks for 1 h 0 m" in doubt.why


def test_holds_are_told_from_their_beginning_to_whoever_lifted_them(telling: Telling) -> None:
    telling.note("hold.set", {"reason": "wait for ann"})
    telling.note("hold.lifted", {"reason": "ann is back", "was": "wait for ann"})
    telling.note("hold.set", {"reason": "again"})
    first, second = telling.story().holds
    assert first.until is not None
    assert first.until - first.since == timedelta(minutes=1)
    assert (first.lifted_by, first.lifted_why) == ("ann", "ann is back")
    assert second.until is None
    assert "and is on hold" in said(telling)[0]


def test_a_clock_that_jumped_is_noticed(telling: Telling) -> None:
    telling.run("stage", check("ready"), stage=0, seconds=60.0)
    assert not telling.story().virtual
    telling.run("stage", *[check("ready")] * 30, stage=0, seconds=2.0)
    assert telling.story().virtual

"""What pictures take from kept evidence; where it is missing or another, they say so."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from emonk_ops.operations.analysis.records import CRON, LOOP
from emonk_ops.operations.evidence.saving import ACCEPTANCE, SAVED
from emonk_ops.reporting.folder import files_of
from emonk_ops.reporting.plots.lateness import lateness_figure
from emonk_ops.reporting.plots.shadow import pairs_figure, pairs_of, slots_figure
from emonk_ops.reporting.plots.ticks import ticks_figure
from emonk_ops.reporting.told.kept import HEALTHY, MISSING, UNWELL, all_kept
from emonk_ops.reporting.told.leases import fault_seen
from emonk_ops.rollout.book import Heading
from tests.judging.day_model import Day
from tests.judging.model import World
from tests.judging.test_day import Told
from tests.judging.test_evidence import kept as shadow_kept

from .telling import Telling, fault


@pytest.fixture
def telling(tmp_path: Path) -> Telling:
    return Telling(tmp_path)


def live(telling: Telling, day: Day) -> None:
    """A run of stage 4 that judges such a day, and keeps what it judged it by."""
    with telling.book.locked_run(Heading("stage", "stage 4: cutover", 4)) as run:

        def note(kind: str, body: Mapping[str, Any]) -> None:
            run.write(kind, {"stage": 4, **body})

        told = Told(day, telling.folder)
        told.tools = replace(told.tools, evidence=telling.evidence, run_id=run.id, note=note)
        for name, found in told.findings().items():
            said = {"id": name, "verdict": found.verdict, "summary": found.summary}
            run.write("check", {"phase": "acceptance", "holds": True, **said})


def shadow(telling: Telling, world: World) -> None:
    """A run of stage 3 that judged such a shadow."""
    file, verdicts = shadow_kept(telling.folder / "evidence", world, ACCEPTANCE)
    blob = telling.evidence.load(file.name)
    rules = world.rules()
    body = {"name": file.name, "sha256": telling.evidence.save(file.name, blob), "stage": 3}
    told = {
        name: {"verdict": one.verdict, "summary": one.summary} for name, one in verdicts.items()
    }
    window = {"from": rules.begin.isoformat(), "until": rules.end.isoformat()}
    about = {"kind": "shadow", "purpose": ACCEPTANCE, "verdicts": told}
    telling.run("stage", (SAVED, {**body, **window, **about}), stage=3)


@pytest.mark.parametrize(
    ("defect", "state", "told"),
    [
        ("", HEALTHY, "All 240 expected ticks arrived in 3 h 59 m"),
        ("scheduler paused", MISSING, "237 of 240 expected ticks arrived"),
        ("ticks fail", UNWELL, "3 of them were not healthy"),
    ],
)
def test_a_day_is_shown_tick_by_tick(telling: Telling, defect: str, state: str, told: str) -> None:
    live(telling, Day(1, 4.0, defect))
    (kept,) = all_kept(telling.subject())
    assert kept.why == ""
    found = Counter(one.state for one in kept.ticks)
    assert found.total() == 240
    assert found[state] == (240 if state == HEALTHY else 3)
    assert told in ticks_figure("t", kept).finding
    late = [one.late_seconds for one in kept.ticks if one.late_seconds is not None]
    assert all(5 <= one <= 6.1 for one in late)
    assert "ticks 5." in lateness_figure("l", kept).finding
    assert "jobs 5." in lateness_figure("l", kept).finding


def test_acceptance_names_the_evidence_that_it_was_judged_by(telling: Telling) -> None:
    live(telling, Day(1, 2.0))
    (run,) = telling.story().runs
    (kept,) = all_kept(telling.subject())
    by_it = {one.id for one in run.checks if one.evidence == kept.name}
    assert by_it == set(kept.verdicts)
    assert "reliable" in by_it


def test_a_shadow_is_shown_slot_by_slot(telling: Telling) -> None:
    shadow(telling, World(7, 1, 2.0))
    (kept,) = all_kept(telling.subject())
    by_path = Counter(one.path for one in kept.runs)
    assert min(by_path[CRON], by_path[LOOP]) > 30
    assert f"ticks ran {by_path[CRON]} and the legacy loop {by_path[LOOP]}" in (
        slots_figure("s", kept).finding
    )
    assert "none ran twice" in slots_figure("s", kept).finding
    assert len(pairs_of(kept.runs)) > 15
    assert "times as long as the loop" in pairs_figure("p", kept).finding


def test_a_slot_that_ran_twice_is_told(telling: Telling) -> None:
    shadow(telling, World(7, 1, 2.0, defect="doubled"))
    (kept,) = all_kept(telling.subject())
    assert {one.wrong for one in kept.runs} > {"DUPLICATE_EXECUTION"}
    assert "went wrong" in slots_figure("s", kept).finding


@pytest.mark.parametrize(
    ("damage", "why"),
    [
        (lambda path: path.unlink(), "there is no evidence"),
        (lambda path: path.write_bytes(path.read_bytes()[:-1] + b"x"), "is not what was saved"),
    ],
)
def test_evidence_that_is_not_here_is_said_and_the_report_made(
    telling: Telling, damage: Any, why: str
) -> None:
    live(telling, Day(1, 2.0))
    (path,) = (telling.folder / "evidence").iterdir()
    damage(path)
    (kept,) = all_kept(telling.subject())
    assert why in kept.why
    files = files_of([telling.story()])
    page = files["report.html"].decode()
    assert "NOT HERE" in page
    assert why in files["plots/qa-ticks-stage-4-production.svg"].decode()


def test_leases_under_a_fault_are_held_ended_or_cut_off(telling: Telling) -> None:
    at = datetime.fromisoformat("2026-01-05T12:00:00+00:00")

    def line(what: str, seconds: int, slot: str = "a") -> dict[str, str]:
        when = (at + timedelta(seconds=seconds)).isoformat()
        return {"at": when, "what": what, "job": "canary", "slot": slot}

    lines = [line("execution", 0), line("execution", 300), line("effect", 305)]
    lines += [line("execution", 310, "b"), line("effect", 311, "b"), line("execution", 320, "c")]
    evidence = {"observed": {"lines": lines}, "restored_at": at.isoformat()}
    telling.evidence.save("restart.json", json.dumps(evidence).encode())
    telling.run("inject", *fault())
    ((_, seen),) = telling.story().faults
    held = [(one.ended, one.rescued) for one in seen.leases]
    assert held == [(False, True), (True, False), (True, False), (False, False)]
    assert seen.leases[0].until == at + timedelta(seconds=300)
    assert "was run again after 300 s" in files_of([telling.story()])["report.html"].decode()


def test_damaged_evidence_of_a_fault_is_said(telling: Telling) -> None:
    telling.evidence.save("restart.json", b'{"observed": {"lines": [{"at": 3}]}}')
    telling.run("inject", *fault())
    ((told, _),) = telling.story().faults
    assert "is damaged" in fault_seen(telling.subject(), told).why

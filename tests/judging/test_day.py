"""A day after the cutover: each planted breach is found under its criterion, and none in health."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from emonk_ops.operations.acceptance.checks import acceptance_checks
from emonk_ops.operations.acceptance.soak import look
from emonk_ops.operations.acceptance.window import between
from emonk_ops.operations.evidence.again import judged_again
from emonk_ops.operations.evidence.files import Evidence
from emonk_ops.operations.evidence.thresholds import Thresholds
from emonk_ops.rollout.evidence import EvidenceFolder
from emonk_ops.rollout.model import Finding, Look, Verdict
from emonk_ops.rollout.soak import SoakState
from emonk_ops.settings import Environment, Target
from emonk_ops.testing import InMemoryPorts, InMemoryWorld
from emonk_ops.toolbox import Toolbox
from tests.judging.day_model import BEGIN, Day

CADENCES = {1: "* * * * *", 5: "*/5 * * * *"}


@dataclass
class Told:
    """A day in the log of a service in memory, and what was noted while it was judged."""

    day: Day
    folder: Path
    notes: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    def __post_init__(self) -> None:
        world = InMemoryWorld(jobs=())
        world.log = self.day.entries()
        cadence = CADENCES[self.day.minutes]
        env = Environment("production", Target.SANDBOX, "p", cadence=cadence, time_zone="UTC")
        self.tools = Toolbox(
            env,
            InMemoryPorts(world),
            self.folder,
            evidence=EvidenceFolder(self.folder),
            run_id="abc123",
            note=lambda kind, body: self.notes.append((kind, dict(body))),
        )

    def looks(self, now: datetime | None = None, since: datetime = BEGIN) -> list[Look]:
        return list(look(self.tools, since, now or self.day.end + timedelta(seconds=55)))

    def findings(self) -> dict[str, Finding]:
        state = SoakState(4, "production", {}, self.day.hours * 3600, BEGIN, self.day.end)
        self.tools.memo["soak"] = state
        checks = acceptance_checks(self.tools.env)
        return {one.id: one.measure(self.tools) for one in checks if one.measure is not None}

    def again(self, **thresholds: Any) -> list[dict[str, Finding]]:
        """Each piece of evidence, judged again."""
        found = []
        for _, body in self.notes:
            evidence = Evidence(body["name"], (self.folder / body["name"]).read_bytes())
            changed = Thresholds(**thresholds)
            found.append(dict(judged_again(evidence, body["purpose"], changed)))
        return found


def criteria(looks: list[Look]) -> set[str]:
    return {breach.criterion for one in looks for breach in one.breaches}


@pytest.mark.parametrize("minutes", [1, 5])
def test_a_healthy_day_is_covered_and_meets_every_criterion(tmp_path: Path, minutes: int) -> None:
    told = Told(Day(minutes), tmp_path)
    looks = told.looks()
    assert criteria(looks) == set()
    assert sum(one.covered_seconds for one in looks) == 24 * 3600
    verdicts = {name: found.verdict for name, found in told.findings().items()}
    few = {"latency-p99", "error-rate", "storage-errors-target"} if minutes == 5 else set()
    assert {name for name, found in verdicts.items() if found is not Verdict.PASS} == few


def test_what_n_cannot_bear_says_how_much_longer_it_takes(tmp_path: Path) -> None:
    found = Told(Day(5), tmp_path).findings()["latency-p99"]
    assert found.verdict is Verdict.INCONCLUSIVE
    assert "p95" in found.summary
    # 299 ticks of five minutes, of which 288 are there.
    assert found.more_seconds == pytest.approx(11 * 300)


PLANTED = {
    "duplicate": "duplicates",
    "overlap": "leases",
    "legacy loop": "two-drivers",
    "scheduler paused": "ticks-missing",
    "jobs fail": "errors",
    "ticks fail": "errors",
    "slow ticks": "latency",
    "late job": "late-jobs",
    "firestore errors": "firestore-errors",
    "not the driver": "driver",
}
CERTAIN = {"duplicates", "leases", "two-drivers"}


@pytest.mark.parametrize("minutes", [1, 5])
@pytest.mark.parametrize("defect", PLANTED)
def test_each_breach_is_found_under_its_criterion(
    tmp_path: Path, defect: str, minutes: int
) -> None:
    told = Told(Day(minutes, 8.0, defect), tmp_path)
    looks = told.looks()
    wrong = [one for one in looks if one.breaches]
    assert PLANTED[defect] in criteria(looks)
    assert all(one.covered_seconds == 0 for one in wrong)
    certain = {breach.criterion for one in wrong for breach in one.breaches if breach.certain}
    assert certain == criteria(looks) & CERTAIN
    # What is away from the planted ticks is as healthy as before.
    assert sum(one.covered_seconds for one in looks) >= (8 - 20 * minutes / 60) * 3600
    assert told.notes[0][1]["purpose"] == "breach"
    assert set(told.again()[0]) == criteria(looks)


@pytest.mark.parametrize(
    ("defect", "check"),
    [
        ("duplicate", "no-duplicates"),
        ("overlap", "locking"),
        ("scheduler paused", "reliable"),
        ("late job", "within-cadence"),
    ],
)
def test_a_breach_fails_the_day_too(tmp_path: Path, defect: str, check: str) -> None:
    found = Told(Day(1, 8.0, defect), tmp_path).findings()
    assert found[check].verdict is Verdict.FAIL


@pytest.mark.parametrize(
    ("defect", "check"), [("jobs fail", "error-rate"), ("slow ticks", "latency-p99")]
)
def test_a_tendency_fails_where_its_share_is_proven_too_large(
    tmp_path: Path, defect: str, check: str
) -> None:
    found = Told(Day(1, 8.0, defect, range(60, 90)), tmp_path).findings()
    assert found[check].verdict is Verdict.FAIL


def test_transient_errors_are_left_out_and_told(tmp_path: Path) -> None:
    told = Told(Day(1, 24.0, "transient errors"), tmp_path)
    assert criteria(told.looks()) == set()
    found = told.findings()
    assert found["error-rate"].verdict is Verdict.PASS
    assert found["error-rate"].facts["transient_storage_errors"] == 9
    assert found["storage-errors-target"].verdict is Verdict.PASS
    assert found["storage-errors-target"].facts["transient"] == 9


def test_a_missed_target_of_storage_errors_is_told_and_blocks_nothing(tmp_path: Path) -> None:
    told = Told(Day(1, 24.0, "firestore errors", range(60, 90)), tmp_path)
    found = told.findings()["storage-errors-target"]
    assert found.verdict is Verdict.FAIL
    assert "the target is 0.1%" in found.summary
    (check,) = (
        one for one in acceptance_checks(told.tools.env) if one.id == "storage-errors-target"
    )
    assert check.advisory


def test_lost_lines_cover_nothing_and_prove_nothing(tmp_path: Path) -> None:
    told = Told(Day(1, 8.0, "lost lines"), tmp_path)
    looks = told.looks()
    assert sum(one.covered_seconds for one in looks) < 8 * 3600 - 180
    assert told.findings()["no-duplicates"].verdict is Verdict.INCONCLUSIVE


def test_who_comes_back_after_hours_sees_what_one_that_waits_has_seen(tmp_path: Path) -> None:
    told = Told(Day(1, 8.0, "jobs fail"), tmp_path)
    waited: list[Look] = []
    for minutes in range(17, 8 * 60, 15):
        since = waited[-1].until if waited else BEGIN
        waited += told.looks(BEGIN + timedelta(minutes=minutes), since)
    waited += told.looks(since=waited[-1].until)
    at_once = told.looks()
    assert criteria(waited) == criteria(at_once) == {"errors"}
    covered = sum(one.covered_seconds for one in waited)
    assert covered == pytest.approx(sum(one.covered_seconds for one in at_once), abs=600)


def test_a_day_is_judged_again_from_its_evidence_alone(tmp_path: Path) -> None:
    told = Told(Day(1), tmp_path)
    found = told.findings()
    ((kind, body),) = told.notes
    assert kind == "evidence.saved"
    assert body["bytes"] < 20 * body["records"]
    (again,) = told.again()
    assert {name: one.summary for name, one in again.items()} == {
        name: found[name].summary for name in again
    }
    (tighter,) = told.again(production={"latency_p99_seconds": 0.1})
    changed = {name for name in again if tighter[name].verdict is not again[name].verdict}
    assert changed == {"latency-p99"}


def test_a_cadence_of_once_a_day_is_read_to_its_end(tmp_path: Path) -> None:
    told = Told(Day(1, 49.0), tmp_path)
    env = replace(told.tools.env, cadence="30 20 * * *")
    told.tools = replace(told.tools, env=env)
    found = list(between(told.tools, BEGIN, BEGIN + timedelta(hours=49)))
    slots = [slot.at for one in found for slot in one.slots]
    assert slots == [BEGIN + timedelta(hours=hours) for hours in (20.5, 44.5)]

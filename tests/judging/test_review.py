"""The review after days of service: each criterion fails on its breach, and none in health."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from emonk_ops.errors import ExitCode, GateClosed, UsageError
from emonk_ops.monitoring_ports import Incident
from emonk_ops.operations.evidence.thresholds import Thresholds
from emonk_ops.rollout.rejudging import rejudge
from emonk_ops.rollout.review import ReviewReport
from tests.judging.day_model import BEGIN
from tests.judging.days_model import DAY, SAID, Service

DAYS = 3
LAST = DAYS - 1
FEW, MANY, WHOLE = range(60, 61), range(60, 66), range(1441)
PLANTED = {
    "duplicate": ("no-duplicates", FEW),
    "ticks fail": ("success-rate", MANY),
    "jobs fail": ("success-rate", MANY),
    "scheduler paused": ("success-rate", MANY),
    "dear ticks": ("firestore-cost", WHOLE),
}


def failed(report: ReviewReport) -> set[str]:
    return {one.check.id for one in report.open}


@pytest.fixture(scope="module")
def two_days(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a service has whose first two days were reviewed, and were healthy."""
    folder = tmp_path_factory.mktemp("two-days")
    service = Service(folder)
    service.cut_over()
    report = service.validate(DAYS, over=LAST)
    assert report.exit_code is ExitCode.WAITING
    assert report.read == LAST
    return folder


@pytest.fixture(scope="module")
def three_days(two_days: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same when the third was reviewed, too."""
    folder = tmp_path_factory.mktemp("three-days") / "service"
    shutil.copytree(two_days, folder)
    assert Service(folder).validate(DAYS).exit_code is ExitCode.DONE
    return folder


@pytest.fixture
def folder(two_days: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(two_days, tmp_path / "service"))


@pytest.fixture
def whole(three_days: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(three_days, tmp_path / "service"))


def test_a_healthy_service_meets_all_seven(folder: Path) -> None:
    service = Service(folder)
    report = service.validate(DAYS)
    assert (report.exit_code, report.open) == (ExitCode.DONE, [])
    assert report.read == 1
    assert len(report.results) == 1 + 7 + 1
    rate = next(one for one in report.results if one.check.id == "success-rate").finding
    assert rate.facts["n"] == DAYS * 1440
    assert rate.facts["ticks"]["bound"] == pytest.approx(0.00069, abs=0.00001)


@pytest.mark.parametrize("defect", PLANTED)
def test_what_goes_wrong_in_the_log_fails_its_criterion(folder: Path, defect: str) -> None:
    criterion, at = PLANTED[defect]
    report = Service(folder, {LAST: (defect, at)}).validate(DAYS)
    assert report.exit_code is ExitCode.CHECK_FAILED
    assert failed(report) == {criterion}


def on_hold(service: Service) -> None:
    service.book.note("hold.set", {"reason": "posts went out twice"})


def rolled_back(service: Service) -> None:
    body = {"stage": 5, "capture_seq": 1, "reason": "the loop is wanted back", "steps": []}
    service.book.note("rollback.started", body)


def breached(service: Service) -> None:
    body = {"stage": 4, "soak": "production", "how": "breached", "criterion": "latency"}
    service.book.note("soak.ended", {**body, "summary": "3 s"})


def not_restored(service: Service) -> None:
    service.book.note("injection.restored", {"id": "i1", "ok": False, "left": ["the binding"]})


def alerted(service: Service) -> None:
    at = BEGIN + DAY
    service.ports.monitoring.happened.append(
        Incident(service.policy, "Scheduler lag", "CLOSED", at, at + timedelta(minutes=9))
    )


@pytest.mark.parametrize("happen", [on_hold, rolled_back, breached, not_restored, alerted])
def test_an_incident_fails_the_first_criterion(
    whole: Path, happen: Callable[[Service], None]
) -> None:
    service = Service(whole)
    service.clock.set(BEGIN + 1.5 * DAY)
    happen(service)
    report = service.validate(DAYS)
    assert report.exit_code is ExitCode.CHECK_FAILED
    assert failed(report) == {"zero-incidents"}
    # It is told before the window is full, too.
    assert "zero-incidents" in failed(service.validate(DAYS + 1, over=DAYS))


def test_an_alert_of_somebody_else_or_of_an_injection_is_none(whole: Path) -> None:
    service = Service(whole)
    at = BEGIN + DAY
    service.clock.set(at - timedelta(minutes=5))
    service.book.note("injection.intent", {"id": "i1", "injection": "slow-tick", "undo": []})
    service.clock.set(at)
    service.book.note("injection.restored", {"id": "i1", "ok": True, "left": []})
    theirs = Incident("projects/p/alertPolicies/99", "Disk", "OPEN", at, None)
    service.ports.monitoring.happened.append(theirs)
    alerted(service)
    report = service.validate(DAYS)
    assert report.exit_code is ExitCode.DONE
    assert "1 alerts were injections' doing" in report.results[1].finding.summary


def test_an_incident_grows_old(whole: Path) -> None:
    service = Service(whole)
    service.clock.set(BEGIN + 1.5 * DAY)
    on_hold(service)
    service.clock.set(BEGIN + 1.6 * DAY)
    service.book.note("hold.lifted", {"reason": "was", "was": "it"})
    assert "zero-incidents" in failed(service.validate(2, over=DAYS))
    assert "zero-incidents" not in failed(service.validate(1, over=DAYS))


def test_what_goes_on_since_before_the_window_is_an_incident_of_it(whole: Path) -> None:
    service = Service(whole)
    on_hold(service)
    assert "zero-incidents" in failed(service.validate(1, over=DAYS))
    service.book.note("hold.lifted", {"reason": "was", "was": "it"})
    assert "zero-incidents" not in failed(service.validate(1, over=DAYS))
    open_since = Incident(service.policy, "Scheduler lag", "OPEN", BEGIN, None)
    service.ports.monitoring.happened.append(open_since)
    assert "zero-incidents" in failed(service.validate(1, over=DAYS))


def test_fourteen_jobs_of_cloud_scheduler_are_no_free_tier(whole: Path) -> None:
    service = Service(whole)
    service.world.other_jobs = 14
    report = service.validate(DAYS)
    assert failed(report) == {"scheduler-cost"}
    assert "$1.10 a month for 14 jobs" in report.open[0].finding.summary


@pytest.mark.parametrize("unsaid", SAID)
def test_what_only_a_person_can_say_is_asked_for(whole: Path, unsaid: str) -> None:
    words = {name: word for name, word in SAID.items() if name != unsaid}
    report = Service(whole).validate(DAYS, words=words)
    assert report.exit_code is ExitCode.REFUSED
    assert failed(report) == {unsaid}


def test_words_on_other_days_count_for_nothing(whole: Path) -> None:
    service = Service(whole)
    assert service.validate(DAYS).exit_code is ExitCode.DONE
    assert service.validate(DAYS, words={}).exit_code is ExitCode.REFUSED
    with pytest.raises(UsageError, match="team-comfortable"):
        service.validate(DAYS, words={"team-comfy": "yes, all of us"})


def test_a_window_that_is_not_full_waits_and_asks_nobody(folder: Path) -> None:
    report = Service(folder).validate(DAYS, over=2.5)
    assert report.exit_code is ExitCode.WAITING
    assert report.read == 0
    blocking = [one for one in report.results if not one.advisory]
    assert {one.finding.verdict.value for one in blocking} == {"WAITING"}
    assert report.window.full_at == BEGIN + DAYS * DAY + timedelta(seconds=50)


def test_a_silent_day_is_named_and_read_again(folder: Path) -> None:
    report = Service(folder, silent=frozenset({LAST})).validate(DAYS)
    assert report.exit_code is ExitCode.INCONCLUSIVE
    assert "2026-01-07: the log is silent" in report.results[0].finding.summary
    again = Service(folder).validate(DAYS)
    assert (again.exit_code, again.read) == (ExitCode.DONE, 1)


def test_lost_lines_are_missing_coverage_and_no_pass(folder: Path) -> None:
    report = Service(folder, {LAST: ("lost lines", MANY)}).validate(DAYS)
    assert report.exit_code is ExitCode.INCONCLUSIVE
    assert "log lines are missing" in report.results[0].finding.summary


def test_few_ticks_prove_little(tmp_path: Path) -> None:
    service = Service(tmp_path)
    service.cut_over()
    report = service.validate(1)
    assert report.exit_code is ExitCode.INCONCLUSIVE
    assert failed(report) == {"success-rate"}
    assert "2 more days like these would" in report.open[0].finding.summary


def test_only_what_is_new_is_read(whole: Path) -> None:
    service = Service(whole)
    assert service.validate(DAYS).exit_code is ExitCode.DONE
    assert service.logs.asked == []
    assert service.validate(DAYS, over=DAYS + 1).read == 1
    assert min(since for since, _ in service.logs.asked) > BEGIN + DAYS * DAY - timedelta(hours=1)


def test_before_the_cutover_there_is_nothing_to_review(tmp_path: Path) -> None:
    with pytest.raises(GateClosed, match="stage 4 has not passed"):
        Service(tmp_path).validate(DAYS)


def test_the_verdicts_are_reached_again_from_evidence(folder: Path) -> None:
    service = Service(folder, {LAST: ("jobs fail", MANY)})
    service.validate(DAYS)
    records = service.book.journal.records()
    found = list(rejudge(records, records[-1].run, service.evidence, Thresholds()))
    assert [one.saved["purpose"] for one in found] == ["day-reviewed", "review"]
    assert all(line.same_words for one in found for line in one.lines)
    wider = Thresholds(review={"failure_rate": 0.01})
    (*_, last) = rejudge(records, records[-1].run, service.evidence, wider)
    assert {one.name for one in last.lines if not one.same} == {"success-rate"}


def test_one_that_was_cut_off_left_nothing_half_done(folder: Path) -> None:
    service = Service(folder)
    started: dict[str, Any] = {
        "command": "validate",
        "stage": None,
        "title": "validate",
        "reason": "",
        "argv": [],
    }
    service.book.note("run.started", started)
    assert service.book.standing().unfinished == ()
    assert service.validate(DAYS).read == 1


def test_warnings_are_told_and_are_no_criterion(whole: Path) -> None:
    service = Service(whole, {LAST: ("jobs fail", FEW)})
    report = service.validate(DAYS)
    (told,) = (one for one in report.results if one.check.id == "complaints")
    assert told.advisory
    assert "ERROR Job failed (1," in told.finding.summary
    assert report.exit_code is ExitCode.DONE

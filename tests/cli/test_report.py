"""`emonk-ops report`: made from stages that really ran, and what stands in its way."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from emonk_ops.errors import ExitCode

if TYPE_CHECKING:
    from .conftest import Place

QA = ("--env", "qa")


def test_a_rollout_of_two_environments_is_one_report(place: Place) -> None:
    place.pass_stage_0()
    assert place.type("stage", "1", *QA).code == 0
    assert place.type("rollback", *QA, "--yes", "--reason", "<script>it hung").code == 0
    place.pass_stage_0("production")
    made = place.type("report", *QA, "--also", "production", "--json")
    assert made.code == 0
    data = made.envelope["data"]
    page = Path(data["page"])
    assert page == place.folder / "emonk-report-qa-production" / "report.html"
    assert [one for one in data["files"] if not Path(one).is_file()] == []
    told = page.read_text()
    assert "Rollout of emonk-agent in qa and production" in told
    assert "said so" in told
    assert "&lt;script&gt;it hung" in told
    assert "<script" not in told
    assert "qa holds stage 0, and is on hold" in told
    runs = place.type("history", *QA, "--json").envelope["data"]["runs"]
    assert all(one["run"] in told for one in runs)


def test_the_page_to_open_is_named_and_a_second_report_takes_its_place(place: Place) -> None:
    place.pass_stage_0()
    first = place.type("report", *QA)
    assert first.code == 0
    assert f"next: open {place.folder}/emonk-report-qa/report.html in a browser" in first.out
    assert place.type("stage", "1", *QA).code == 0
    assert place.type("report", *QA).code == 0
    assert "serve b" in (place.folder / "emonk-report-qa" / "report.html").read_text()


def test_a_stage_that_was_refused_and_one_that_was_forced_are_told(place: Place) -> None:
    assert place.type("stage", "0", *QA).code == ExitCode.REFUSED
    forced = place.type("stage", "1", *QA, "--force", "--reason", "the date is fixed")
    assert forced.code == 0
    assert place.type("report", *QA).code == 0
    text = (place.folder / "emonk-report-qa" / "report.md").read_text()
    assert "**FORCED**" in text
    assert "the date is fixed" in text
    assert "**ASK**" in text


@pytest.mark.parametrize("words", [(), ("--also", "production")])
def test_without_records_there_is_nothing_to_report(place: Place, words: tuple[str, ...]) -> None:
    refused = place.type("report", *QA, *words)
    assert refused.code == ExitCode.REFUSED
    assert "next: emonk-ops stage 0 --env qa" in refused.err
    assert not list(place.folder.glob("emonk-report*"))


def test_a_damaged_journal_is_an_error_and_an_older_report_stays(place: Place) -> None:
    place.pass_stage_0()
    assert place.type("report", *QA).code == 0
    (journal,) = place.folder.glob(".emonk-ops/qa-*/journal.jsonl")
    journal.write_text(journal.read_text().replace('"seq":2', '"seq":3'))
    before = (place.folder / "emonk-report-qa" / "report.html").read_bytes()
    damaged = place.type("report", *QA)
    assert damaged.code == ExitCode.REFUSED
    assert "journal.jsonl:2: the journal is damaged" in damaged.err
    assert (place.folder / "emonk-report-qa" / "report.html").read_bytes() == before


def test_a_folder_of_somebody_elses_is_refused(place: Place) -> None:
    place.pass_stage_0()
    (place.folder / "notes.txt").write_text("mine")
    refused = place.type("report", *QA, "--out", ".")
    assert refused.code == ExitCode.REFUSED
    assert "holds what is no report of ours" in refused.err
    assert "next: Name another folder with --out" in refused.err
    unknown = place.type("report", *QA, "--also", "staging")
    assert unknown.code == ExitCode.USAGE

"""An exported log read day by day: once, front to back, and only the service's own."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pytest

from emonk_ops.errors import NotOffered, UsageError
from emonk_ops.operations.analysis.log_file import LogFile
from tests.judging.day_model import BEGIN
from tests.judging.days_model import DAY, write_export


@pytest.fixture(scope="module")
def export(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("export") / "logs.jsonl"
    write_export(path, BEGIN, 2)
    return path


def lines(path: Path) -> list[str]:
    return path.read_text().splitlines(keepends=True)


def test_days_are_cut_where_they_are_asked_for(export: Path) -> None:
    log = LogFile(export, "emonk-agent")
    spans = [(BEGIN, BEGIN + DAY), (BEGIN + DAY - timedelta(minutes=8), BEGIN + 2 * DAY)]
    found = [list(log.entries("", since=since, until=until)) for since, until in spans]
    for (since, until), entries in zip(spans, found, strict=True):
        stamps = [one.timestamp for one in entries]
        assert stamps == sorted(stamps)
        assert since <= stamps[0] < stamps[-1] < until
    # A day has 1,440 ticks of five lines each; the eight minutes before it are read again.
    assert len(found[1]) == pytest.approx(5 * (1440 + 8), abs=5)


def test_an_earlier_time_is_read_from_the_beginning(export: Path) -> None:
    log = LogFile(export, "emonk-agent")
    late = list(log.entries("", since=BEGIN + DAY, until=BEGIN + 1.5 * DAY))
    early = list(log.entries("", since=BEGIN, until=BEGIN + timedelta(hours=1)))
    assert late
    assert early[0].timestamp < BEGIN + timedelta(minutes=1)


def test_entries_of_another_service_are_passed_over(export: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.jsonl"
    other.write_text("".join(lines(export)[:40]))
    until = BEGIN + DAY
    assert list(LogFile(other, "emonk-agent").entries("", since=BEGIN, until=until))
    assert not list(LogFile(other, "somebody-else").entries("", since=BEGIN, until=until))


def test_a_file_with_the_newest_first_is_refused_by_name(export: Path, tmp_path: Path) -> None:
    other = tmp_path / "newest-first.json"
    other.write_text(json.dumps([json.loads(line) for line in lines(export)[::-1]]))
    with pytest.raises(UsageError, match=r"newest-first\.json is not in order") as refused:
        list(LogFile(other, "emonk-agent").entries("", since=BEGIN, until=BEGIN + DAY))
    assert "--order=asc" in refused.value.hint


def test_what_a_file_cannot_answer_is_said(export: Path) -> None:
    with pytest.raises(NotOffered):
        list(LogFile(export, "emonk-agent").entries("", since=BEGIN))


def test_what_is_passed_on_the_way_to_a_late_day_is_not_held(export: Path) -> None:
    log = LogFile(export, "emonk-agent")
    begin = BEGIN + 1.9 * DAY
    found = list(log.entries("", since=begin, until=begin + timedelta(minutes=30)))
    hours = (found[-1].timestamp - BEGIN) / timedelta(hours=1)
    assert log.held < 5 * 60 * 3 < 5 * 60 * hours

from __future__ import annotations

import json
import random
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emonk_ops.errors import UsageError
from emonk_ops.operations.analysis.coverage import Coverage, InstanceLines
from emonk_ops.operations.analysis.exported import entries_of
from emonk_ops.operations.analysis.ordering import PIECE, Disorder, in_order
from emonk_ops.operations.analysis.records import Decision, Stopped, Tick
from emonk_ops.operations.analysis.spool import Spool
from emonk_ops.operations.analysis.stream import Pass, noted, records
from tests.judging.exported import as_array, as_lines
from tests.judging.model import BEGIN, World


def tick(seconds: float, sequence: int = 0) -> Tick:
    at = BEGIN + timedelta(seconds=seconds)
    return Tick(at, "i", sequence, "completed", "loop", f"t{seconds}", "r", 1.0)


@pytest.mark.parametrize("written", [as_lines, as_array], ids=["lines", "gcloud-array"])
def test_a_file_gives_the_records_that_the_entries_tell(tmp_path: Path, written: object) -> None:
    told = World(3).records()
    path = tmp_path / "logs.json"
    path.write_text((as_lines if written is as_lines else as_array)(told))
    with Spool(entries_of(path)) as spool:
        found = list(spool)
        assert [one.at for one in found] == sorted(one.at for one in told)
        assert sorted(map(repr, found)) == sorted(map(repr, told))
        assert spool.seen.entries == len(told)
        assert list(spool) == found


def test_entries_told_twice_and_out_of_order_are_read_once_and_in_order(tmp_path: Path) -> None:
    told = World(4).records()
    lines = as_lines(told).splitlines(keepends=True)
    mixed = [*lines, *random.Random(1).sample(lines, 200)]
    for place in range(0, len(mixed) - 40, 40):
        part = mixed[place : place + 40]
        random.Random(place).shuffle(part)
        mixed[place : place + 40] = part
    path = tmp_path / "logs.jsonl"
    path.write_text("".join(mixed))
    with Spool(entries_of(path)) as spool:
        assert sorted(map(repr, spool)) == sorted(map(repr, told))
        assert spool.seen.repeated == 200
        assert spool.seen.disorder.late == 0
        assert spool.seen.coverage.gaps(BEGIN) == []


def test_a_long_log_with_the_newest_first_is_put_in_order() -> None:
    told = [tick(float(number)) for number in range(2 * PIECE + 7)]
    disorder = Disorder()
    assert list(in_order(reversed(told), disorder)) == told
    assert disorder.late == 0


def test_what_comes_too_late_for_its_place_is_counted_and_not_lost() -> None:
    told = [tick(float(number)) for number in range(3 * PIECE)]
    first = told.pop(0)
    disorder = Disorder()
    assert len(list(in_order([*told, first], disorder))) == 3 * PIECE
    assert disorder.late == 1


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"timestamp": "2026-01-05T00:00:00Z"}\n{"timesta', "line 2: no JSON"),
        ('[{"timestamp": "2026-01-05T00:00:00Z"}, {"tim', "behind entry 1: the array is cut off"),
        ('{"timestamp": "yesterday"}', "entry 1: no entry of Cloud Logging"),
        ('{"timestamp": "2026-01-05T00:00:00"}', "has no time zone"),
        ('{"severity": "INFO"}', "entry 1: no entry of Cloud Logging (KeyError('timestamp'))"),
        ("[1]", "entry 1: no entry of Cloud Logging"),
    ],
)
def test_a_damaged_file_is_refused_with_the_place(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "logs.json"
    path.write_text(text)
    with pytest.raises(UsageError) as refused:
        list(entries_of(path))
    assert said in refused.value.message
    assert str(path) in refused.value.message
    assert "gcloud logging read" in refused.value.hint


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be read: No such file"):
        list(entries_of(tmp_path / "none.json"))


def test_a_line_of_ours_that_lacks_a_field_is_counted_and_shown(tmp_path: Path) -> None:
    entry = {"timestamp": "2026-01-05T00:00:00Z"}
    whole = {**entry, "jsonPayload": {"message": "Somebody else's line"}}
    broken = {**entry, "jsonPayload": {"message": "Scheduler decision", "decision": "claim"}}
    path = tmp_path / "logs.jsonl"
    path.write_text(json.dumps(whole) + "\n" + json.dumps(broken))
    seen = Pass()
    assert list(records(entries_of(path), seen)) == []
    assert (seen.entries, seen.unreadable) == (2, 1)
    assert seen.first_unreadable == "\"Scheduler decision\": no 'slot'"


@given(st.permutations(list(range(1, 12))), st.sets(st.integers(1, 11)))
def test_lines_are_covered_whatever_their_order(order: list[int], missing: set[int]) -> None:
    lines = InstanceLines()
    kept = [number for number in order if number not in missing]
    assert all(lines.see(number, BEGIN + timedelta(seconds=number)) for number in kept)
    assert not any(lines.see(number, BEGIN) for number in kept)
    assert lines.seen == len(kept)
    inner = [one for one in missing if kept and min(kept) < one < max(kept)]
    assert sum(count for _, _, count in lines.gaps(BEGIN)) == len(inner)
    assert all(
        one.first <= one.last and (one.ended - one.began).total_seconds() == one.last - one.first
        for one in lines.stretches
    )


def test_the_last_word_of_an_instance_tells_of_lines_that_never_came() -> None:
    last, stopped = tick(2, 2), Stopped(BEGIN + timedelta(seconds=9), "i", 5)
    seen = Pass()
    assert list(noted([tick(1, 1), last, stopped], seen)) == [tick(1, 1), last, stopped]
    coverage = seen.coverage
    assert coverage.gaps(BEGIN) == [(last.at, stopped.at, 3)]
    assert coverage.cut_off(BEGIN, BEGIN + timedelta(hours=1), 60) == []


def test_an_instance_that_begins_late_or_falls_silent_is_named() -> None:
    coverage = Coverage()
    coverage.see("late", 4, BEGIN + timedelta(minutes=10))
    coverage.see("late", 5, BEGIN + timedelta(minutes=59))
    coverage.see("silent", 1, BEGIN + timedelta(minutes=10))
    told = coverage.cut_off(BEGIN, BEGIN + timedelta(hours=1), 120)
    assert told == [
        "instance late begins with its line 4",
        "instance silent fell silent at 00:10:00Z",
    ]


def test_records_are_the_models(tmp_path: Path) -> None:
    told = World(5).records()
    assert any(isinstance(one, Decision) for one in told)
    assert [one.at for one in told] == sorted(one.at for one in told)

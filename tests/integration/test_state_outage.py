"""The shared journal while its Firestore is down, when answers get lost, and when it is back."""

from __future__ import annotations

import json
import random
import subprocess
from datetime import datetime

import pytest

from emonk_ops.clock import SystemClock
from emonk_ops.errors import Refused, StateDamaged, Unreachable
from emonk_ops.rollout.journal import Journal
from emonk_ops.rollout.places import JournalPlace
from tests.state_places import ROOT, FailingFirestore, StatePlace

COMMIT = "google.firestore.v1.Firestore/Commit"


def write(journal: JournalPlace, n: object, *, run: str = "r", kind: str = "note") -> None:
    journal.append(run=run, kind=kind, who={"actor": "ann"}, body={"n": n})


def numbers(journal: JournalPlace) -> list[object]:
    return [record.body["n"] for record in journal.records()]


def test_while_it_is_down_records_wait_on_the_disk_and_are_seen_from_there(
    firestore: FailingFirestore, place: StatePlace
) -> None:
    write(place.journal(), 1)
    with firestore.down():
        journal = place.journal(rest_seconds=60)
        write(journal, 2)
        write(journal, 3)
        assert numbers(journal) == numbers(place.journal(rest_seconds=60)) == [1, 2, 3]
        seqs = [record.seq for record in journal.records()]
        assert seqs == [1, 2, 3]
        state = journal.state()
        assert (state.reachable, state.spooled) == (False, 2)
        assert f"SPOOLED 2 records, firestore:{place.project}/(default) unreachable since 20" in (
            state.sentence()
        )


@pytest.mark.parametrize("kind", ["captured", "step.started", "hold.lifted"])
def test_while_it_is_down_nothing_goes_forward(
    firestore: FailingFirestore, place: StatePlace, kind: str
) -> None:
    with firestore.down():
        journal = place.journal(rest_seconds=60)
        with pytest.raises(Unreachable, match=f"firestore:{place.project}/"):
            journal.require_reachable()
        with pytest.raises(Unreachable):
            write(journal, 1, kind=kind)
    assert numbers(place.journal()) == []


def test_what_waited_goes_up_in_order_with_its_own_time_and_run_and_says_so(
    firestore: FailingFirestore, place: StatePlace
) -> None:
    write(place.journal(), 1)
    with firestore.down():
        journal = place.journal(rest_seconds=60)
        for n in (2, 3):
            write(journal, n, run="night")
        times = [record.at for record in journal.records()]
    write(place.journal("b"), "meanwhile")
    write(place.journal(), 4)
    records = place.journal("c").records()
    assert [record.body["n"] for record in records] == [1, "meanwhile", 2, 3, 4]
    late = [record for record in records if "spooled" in record.body]
    assert [(record.body["n"], record.run) for record in late] == [(2, "night"), (3, "night")]
    assert [record.at for record in late] == times[1:]
    assert place.journal().state().reachable
    assert (place.machine("a") / "spool.jsonl").read_bytes() == b""
    assert not (place.machine("a") / "unreachable.json").exists()


def test_since_when_it_is_down_outlives_the_process(
    firestore: FailingFirestore, place: StatePlace
) -> None:
    with firestore.down():
        first = place.journal(rest_seconds=60).state().since
        assert isinstance(first, datetime)
        assert place.journal(rest_seconds=60).state().since == first
    assert place.journal().state().since is None


@pytest.mark.parametrize("times", [1, 2])
def test_a_lost_answer_writes_a_record_once(
    firestore: FailingFirestore, place: StatePlace, times: int
) -> None:
    journal = place.journal()
    write(journal, 1)
    firestore.fails(COMMIT, "UNAVAILABLE", lost=True, count=times)
    write(journal, 2)
    write(journal, 3)
    assert numbers(place.journal("b")) == [1, 2, 3]


def test_a_record_whose_answers_were_all_lost_waits_and_is_found_again(
    firestore: FailingFirestore, place: StatePlace
) -> None:
    """It was written by a try that was given up: what waits must not be written once more."""
    journal = place.journal(rest_seconds=60)
    write(journal, 1)
    firestore.fails(COMMIT)
    firestore.fails(COMMIT, "DEADLINE_EXCEEDED", lost=True, count=1)  # the newest comes first
    write(journal, 2)
    assert journal.state().spooled == 1
    firestore.is_back()
    assert numbers(place.journal("c")) == [1, 2]
    write(place.journal(), 3)
    assert numbers(place.journal("b")) == [1, 2, 3]


@pytest.mark.parametrize("at", range(1, 9))
def test_a_kill_while_what_waited_is_sent_loses_and_doubles_nothing(
    firestore: FailingFirestore, place: StatePlace, at: int
) -> None:
    """Three that wait and one more are eight events: before and after each."""
    with firestore.down():
        journal = place.journal("b", rest_seconds=60)
        for n in range(3):
            write(journal, n)
    killed = subprocess.run(
        place.command("write", "b", "1", str(at)), cwd=ROOT, timeout=60, check=False
    )
    assert killed.returncode == -9
    write(place.journal("b"), "last")
    fourth = [0] if at == 8 else []
    assert numbers(place.journal("c")) == [0, 1, 2, *fourth, "last"]


@pytest.mark.parametrize("at", range(1, 5))
def test_a_kill_while_records_are_spooled_loses_what_was_not_written_and_no_more(
    firestore: FailingFirestore, place: StatePlace, at: int
) -> None:
    write(place.journal("b"), "first")
    with firestore.down():
        killed = subprocess.run(
            place.command("write", "b", "5", str(at)), cwd=ROOT, timeout=60, check=False
        )
        assert killed.returncode == -9
    assert numbers(place.journal("b")) == ["first", *range(at // 2)]


def test_processes_that_send_the_same_records_at_once_send_them_once(
    firestore: FailingFirestore, place: StatePlace
) -> None:
    with firestore.down():
        journal = place.journal("b", rest_seconds=60)
        for n in range(5):
            write(journal, n)
    writers = [subprocess.Popen(place.command("write", "b", "1"), cwd=ROOT) for _ in range(3)]
    assert [writer.wait(timeout=60) for writer in writers] == [0, 0, 0]
    assert numbers(place.journal("c")) == [*range(5), 0, 0, 0]


def test_what_waits_on_two_machines_is_all_sent(
    firestore: FailingFirestore, place: StatePlace
) -> None:
    with firestore.down():
        for machine in ("a", "b"):
            journal = place.journal(machine, rest_seconds=60)
            for n in range(2):
                write(journal, f"{machine}{n}")
    assert numbers(place.journal("b")) == ["b0", "b1"]
    assert numbers(place.journal("a")) == ["b0", "b1", "a0", "a1"]


def test_a_damaged_mirror_is_made_anew_but_not_while_the_database_is_down(
    firestore: FailingFirestore, place: StatePlace
) -> None:
    write(place.journal(), 1)
    write(place.journal(), 2)
    mirror = place.machine("a") / "mirror.jsonl"
    good = mirror.read_bytes()
    mirror.write_bytes(good.replace(b'"n":1', b'"n":7'))
    with firestore.down(), pytest.raises(StateDamaged, match=r"mirror\.jsonl:1"):
        place.journal(rest_seconds=60).records()
    assert numbers(place.journal()) == [1, 2]
    assert mirror.read_bytes() == good
    assert b'"n":7' in mirror.with_suffix(".damaged").read_bytes()


def test_another_history_than_the_mirrored_one_is_refused(
    firestore: FailingFirestore, place: StatePlace
) -> None:
    write(place.journal(), 1)
    other = StatePlace(place.folder, place.address)
    with pytest.raises(StateDamaged, match=r"it is not the one that .*mirror\.jsonl has"):
        other.journal().records()
    write(other.journal("b"), "theirs")
    with pytest.raises(StateDamaged):
        write(other.journal(), "mine")
    assert numbers(other.journal("b")) == ["theirs"]


def test_a_journal_that_was_a_file_goes_up_as_it_is_whatever_interrupts_it(
    place: StatePlace,
) -> None:
    path = place.machine("b") / "journal.jsonl"
    file = Journal(path, clock=SystemClock())
    for n in range(3):
        write(file, n)
    before = path.read_bytes()
    killed = subprocess.run(
        place.command("write", "b", "1", "3"), cwd=ROOT, timeout=60, check=False
    )
    assert killed.returncode == -9
    assert numbers(place.journal("c")) == [0]
    write(place.journal("b"), "new")
    assert place.journal("c").records()[:3] == file.records()
    assert numbers(place.journal("c")) == [0, 1, 2, "new"]
    assert path.read_bytes() == before


def test_a_file_with_another_history_is_refused(place: StatePlace) -> None:
    write(place.journal(), "shared")
    write(Journal(place.machine("b") / "journal.jsonl", clock=SystemClock()), "mine")
    with pytest.raises(Refused, match="different histories"):
        place.journal("b").records()


def test_a_long_record_is_packed_and_one_beyond_all_limits_refused(place: StatePlace) -> None:
    facts = {"lines": [f"line {n} of a long fact" for n in range(60_000)]}
    record = place.journal().append(run="r", kind="note", who={}, body=facts)
    assert place.journal("b").records() == (record,)
    rng = random.Random(1)
    noise = [rng.randbytes(32).hex() for _ in range(40_000)]
    with pytest.raises(Refused, match="too long"):
        place.journal().append(run="r", kind="note", who={}, body={"noise": noise})


def test_the_note_of_an_outage_that_is_damaged_is_no_obstacle(
    firestore: FailingFirestore, place: StatePlace
) -> None:
    note = place.machine("a") / "unreachable.json"
    note.parent.mkdir(parents=True)
    note.write_text(json.dumps({"since": 3}))
    with firestore.down():
        assert not place.journal(rest_seconds=60).state().reachable

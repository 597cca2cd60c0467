"""What every place of a journal has to do, on each of them."""

from __future__ import annotations

import subprocess
import threading
from pathlib import Path

import pytest

from emonk_ops.errors import StateDamaged
from emonk_ops.rollout.places import JournalPlace
from tests.state_places import ROOT, StatePlace


def write(journal: JournalPlace, kind: str = "note", run: str = "r", **body: object) -> None:
    journal.append(run=run, kind=kind, who={"actor": "ann"}, body=body)


def numbers(journal: JournalPlace, run: str = "r") -> list[object]:
    return [record.body["n"] for record in journal.records() if record.run == run]


def test_records_come_back_in_order_and_chained(state_place: StatePlace) -> None:
    journal = state_place.journal()
    assert journal.records() == ()
    for number in range(3):
        write(journal, n=number, text="ü\n")
    records = state_place.journal("b").records()
    assert [record.seq for record in records] == [1, 2, 3]
    assert [record.body["n"] for record in records] == [0, 1, 2]
    assert records[1].prev == records[0].hash
    assert records == journal.records()
    times = [record.at for record in records]
    assert times == sorted(times)
    assert all(at.utcoffset() is not None for at in times)


def test_secrets_stay_out(state_place: StatePlace) -> None:
    write(state_place.journal(), password="hunter2")
    (record,) = state_place.journal("b").records()
    assert record.body["password"] == "[redacted]"


def test_two_machines_share_one_chain(state_place: StatePlace) -> None:
    one, other = state_place.journal("a"), state_place.journal("b")
    for number in range(4):
        write(one if number % 2 else other, n=number)
    assert numbers(one) == numbers(other) == [0, 1, 2, 3]


def test_many_writers_at_once_write_each_record_once(state_place: StatePlace) -> None:
    def append(name: str) -> None:
        mine = state_place.journal(name)
        for number in range(5):
            write(mine, run=name, n=number)

    names = ("a", "b", "c")
    threads = [threading.Thread(target=append, args=(name,)) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    read = state_place.journal("d")
    assert len(read.records()) == 15
    assert all(numbers(read, name) == list(range(5)) for name in names)


def test_processes_share_one_chain(state_place: StatePlace) -> None:
    writers = [
        subprocess.Popen(state_place.command("write", name, "8"), cwd=ROOT) for name in ("a", "b")
    ]
    assert [writer.wait(timeout=60) for writer in writers] == [0, 0]
    read = state_place.journal("c")
    for name in ("a", "b"):
        assert numbers(read, name) == list(range(8))


@pytest.mark.parametrize("at", [1, 2, 3, 4])
def test_a_kill_around_a_write_loses_and_doubles_nothing(state_place: StatePlace, at: int) -> None:
    """Events 1 and 2 are before and after the first record, 3 and 4 those of the second."""
    write(state_place.journal("a"), n="first")
    killed = subprocess.run(
        state_place.command("write", "b", "3", str(at)), cwd=ROOT, timeout=60, check=False
    )
    assert killed.returncode == -9
    again = state_place.journal("b")
    assert numbers(again, "b") == list(range(at // 2))
    write(again, run="b", n="more")
    assert numbers(state_place.journal("c"), "b") == [*range(at // 2), "more"]


def edit(place: StatePlace) -> None:
    """Another content in the second record of three, whose sum then does not fit."""
    if place.shared:
        _edit_document(place)
        return
    path = place.machine("a") / "journal.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(lines[0] + lines[1].replace(b'"n":1', b'"n":7') + lines[2])


def _edit_document(place: StatePlace) -> None:
    documents = place.documents()
    found, _ = documents.read("journal/000000000002")
    assert found is not None
    line = str(found.fields["line"]).replace('"n":1', '"n":7')
    documents.put("journal/000000000002", {**found.fields, "line": line})


def remove(place: StatePlace) -> None:
    """The second record of three is not there."""
    if place.shared:
        documents = place.documents()
        found, _ = documents.read("journal/000000000003")
        assert found is not None
        documents.put("journal/000000000002", found.fields)
        return
    path = place.machine("a") / "journal.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(lines[0] + lines[2])


@pytest.mark.parametrize("damage", [edit, remove])
def test_damage_is_refused_with_its_place_and_nothing_is_overwritten(
    state_place: StatePlace, damage: object
) -> None:
    for number in range(3):
        write(state_place.journal(), n=number)
    assert callable(damage)
    damage(state_place)
    where = "record 2: " if state_place.shared else r"journal\.jsonl:2: "
    reader = state_place.journal("b")
    with pytest.raises(StateDamaged, match=where):
        reader.records()
    with pytest.raises(StateDamaged):
        write(reader, n="more")
    with pytest.raises(StateDamaged):
        state_place.journal("c").records()


def test_the_listener_hears_of_each_write_before_and_after(state_place: StatePlace) -> None:
    heard: list[tuple[str, int]] = []
    journal = state_place.journal(listener=lambda phase, seq: heard.append((phase, seq)))
    write(journal)
    write(journal)
    assert heard == [("before", 1), ("after", 1), ("before", 2), ("after", 2)]


def test_where_it_is_is_said(state_place: StatePlace, tmp_path: Path) -> None:
    state = state_place.journal().state()
    assert state.reachable
    wanted = f"firestore:{state_place.project}/" if state_place.shared else "journal.jsonl"
    assert wanted in state.sentence()

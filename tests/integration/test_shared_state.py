"""The shared lock, and evidence, while their Firestore is down and when it is back."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import replace
from threading import Event

import pytest

from emonk_ops.clock import SystemClock
from emonk_ops.errors import Conflict, Locked, LockLost, NotFound, StateDamaged, Unreachable
from emonk_ops.rollout.book import Book, Heading
from emonk_ops.rollout.document_lock import DocumentLock
from emonk_ops.rollout.identity import Identity, identify
from emonk_ops.rollout.lock import Lock
from tests.state_places import FailingFirestore, StatePlace

BLOB = bytes(range(256)) * 4_000  # three documents


@pytest.fixture
def who() -> Identity:
    return identify({"EMONK_ACTOR": "ann"}, ("emonk-ops",))


def book(place: StatePlace, who: Identity, machine: str = "a") -> Book:
    return Book(
        journal=place.journal(machine, rest_seconds=60),
        lock=place.lock(machine),
        who=who,
        new_run_id=lambda: secrets.token_hex(6),
        stand_in=Lock(place.machine(machine) / "lock.json", clock=SystemClock()),
    )


def wait_for(holds: Callable[[], bool]) -> None:
    pause = Event()
    for _ in range(1000):
        if holds():
            return
        pause.wait(0.02)
    raise AssertionError("it never came")


def lost(lock: DocumentLock, require: Callable[[], None]) -> bool:
    try:
        require()
    except LockLost as error:
        return "ran out and cannot be renewed" in error.message
    return False


def test_a_holder_goes_on_while_the_lock_is_down_until_its_lease_ran_out(
    firestore: FailingFirestore, place: StatePlace, who: Identity
) -> None:
    lock = DocumentLock(place.reach(rest_seconds=60), ttl_seconds=2, heartbeat_seconds=3600)
    with lock.held(who, reason="stage 1", run="r1") as held, firestore.down():
        held.require()
        wait_for(lambda: lost(lock, held.require))


def test_a_lock_that_cannot_be_given_back_ends_by_itself(
    firestore: FailingFirestore, place: StatePlace, who: Identity
) -> None:
    lock = place.lock(ttl_seconds=1)
    firestore_down = firestore.down()
    with lock.held(who, reason="stage 1", run="r1"):
        firestore_down.__enter__()
    firestore_down.__exit__(None, None, None)
    elsewhere = replace(who, machine="elsewhere")
    left = place.lock("b").describe()
    assert left is not None
    wait_for(lambda: not place.lock("b").is_live(left, elsewhere.machine))
    with place.lock("b").held(elsewhere, reason="stage 1", run="r2") as held:
        assert held.took_over is not None


@pytest.mark.parametrize("times", [1, 2])
def test_a_lost_answer_takes_and_frees_the_lock_once(
    firestore: FailingFirestore, place: StatePlace, who: Identity, times: int
) -> None:
    firestore.fails("Commit", lost=True, count=times)
    with place.lock().held(who, reason="stage 1", run="r1") as held:
        held.require()
        assert held.lease.fence == 1
        firestore.fails("Commit", lost=True, count=times)
    assert place.lock("b").describe() is None


def test_a_damaged_lock_is_refused_by_name(place: StatePlace) -> None:
    place.documents().put("state/lock", {"lease": "{}", "fence": 1})
    with pytest.raises(StateDamaged, match=f"firestore:{place.project}/.*: the lock is damaged"):
        place.lock().describe()


def test_what_goes_back_takes_this_machines_lock_while_the_shared_one_is_down(
    firestore: FailingFirestore, place: StatePlace, who: Identity
) -> None:
    with firestore.down():
        with (
            pytest.raises(Unreachable, match=f"firestore:{place.project}/"),
            book(place, who).locked_run(Heading("stage", "stage 1", 1)),
        ):
            raise AssertionError("nothing goes forward")
        back = Heading("rollback", "rollback of stage 1", 1, goes_back=True)
        with book(place, who).locked_run(back) as run:
            run.write("note", {"n": 1})
            other = book(place, replace(who, machine="a container here"))
            with pytest.raises(Locked), other.locked_run(back):
                raise AssertionError("one at a time on a machine")
    records = place.journal().records()
    assert [record.kind for record in records] == ["run.started", "note", "run.ended"]
    assert "cannot be reached" in records[0].body["locked_here_only"]


def test_a_lock_by_hand_is_recorded(place: StatePlace, who: Identity) -> None:
    lease = book(place, who).acquire_lock("night freeze", 3600)
    (record,) = place.journal("b").records()
    assert (record.kind, record.body["reason"]) == ("lock.acquired", "night freeze")
    assert record.body["until"] == lease.expires_at.isoformat()


def test_evidence_is_read_on_another_machine(place: StatePlace) -> None:
    digest = place.evidence().save("run-1.json.gz", BLOB)
    assert place.evidence("b").load("run-1.json.gz") == BLOB
    assert (place.machine("b") / "evidence" / "run-1.json.gz").read_bytes() == BLOB
    assert place.evidence("b").save("run-1.json.gz", BLOB) == digest
    place.evidence("b").save("empty", b"")
    assert place.evidence().load("empty") == b""


def test_newer_evidence_of_a_name_wins_over_an_old_copy(place: StatePlace) -> None:
    place.evidence().save("run-1", b"old")
    place.evidence("b").save("run-1", b"new")
    assert place.evidence().load("run-1") == b"new"


def test_evidence_saved_while_it_is_down_is_kept_here_and_sent_later(
    firestore: FailingFirestore, place: StatePlace
) -> None:
    place.evidence().save("run-1", b"before")
    with firestore.down():
        place.evidence().save("run-1", b"then")
        assert place.evidence().load("run-1") == b"then"
        with pytest.raises(Unreachable):
            place.evidence("b").load("run-1")
    assert place.evidence().load("run-1") == b"then"
    assert place.evidence("b").load("run-1") == b"before"
    (place.machine("a") / "evidence-waiting" / ".strange").touch()
    (place.machine("a") / "evidence-waiting" / "removed-by-hand").touch()
    journal = place.journal(then=place.evidence().send_waiting)
    journal.records()
    assert place.evidence("b").load("run-1") == b"then"
    with pytest.raises(NotFound):
        place.evidence("b").load("removed-by-hand")


def test_evidence_that_is_absent_or_damaged_is_told_apart(place: StatePlace) -> None:
    with pytest.raises(NotFound, match="no evidence run-1 in firestore:"):
        place.evidence().load("run-1")
    digest = place.evidence().save("run-1", BLOB)
    place.documents().put(f"chunks/{digest}-0001", {"data": b"other"})
    with pytest.raises(StateDamaged, match=digest):
        place.evidence("b").load("run-1")
    assert place.evidence().load("run-1") == BLOB


def test_documents_are_compared_and_set(place: StatePlace) -> None:
    documents = place.documents()
    documents.create("state/x", {"text": "ü", "n": 1, "b": b"\0"})
    found, now = documents.read("state/x")
    assert found is not None
    assert dict(found.fields) == {"text": "ü", "n": 1, "b": b"\0"}
    assert now >= found.version
    with pytest.raises(Conflict):
        documents.create("state/x", {})
    documents.replace("state/x", {"at": now}, found.version)
    with pytest.raises(Conflict):
        documents.replace("state/x", {}, found.version)
    with pytest.raises(Conflict):
        documents.replace("state/absent", {}, found.version)
    again, _ = documents.read("state/x")
    assert again is not None
    assert again.fields["at"] == now
    documents.close()


def test_more_documents_than_a_page_come_in_order(place: StatePlace) -> None:
    documents = place.documents()
    for n in range(7):
        documents.put(f"many/{n:03d}", {"n": n})
    paged = place.documents(page=2)
    found, _ = paged.read_from("many", "001")
    assert [one.id for one in found] == [f"{n:03d}" for n in range(1, 7)]
    assert paged.read_from("many", "007")[0] == ()

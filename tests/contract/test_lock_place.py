"""What every place of an environment's lock has to do, on each of them."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Callable
from dataclasses import replace

import pytest

from emonk_ops.errors import Locked, LockLost
from emonk_ops.rollout.identity import Identity, identify
from emonk_ops.rollout.lease import Lease
from tests.state_places import ROOT, StatePlace


@pytest.fixture
def who() -> Identity:
    return identify({"EMONK_ACTOR": "ann"}, ())


@pytest.fixture
def elsewhere(who: Identity) -> Identity:
    return replace(who, actor="bob", host="elsewhere", machine="elsewhere", pid=1)


def wait_for(holds: Callable[[], bool]) -> None:
    pause = threading.Event()
    for _ in range(1000):
        if holds():
            return
        pause.wait(0.02)
    raise AssertionError("it never came")


def test_it_is_held_and_given_back(state_place: StatePlace, who: Identity) -> None:
    lock = state_place.lock()
    with lock.held(who, reason="stage 1", run="r1") as held:
        held.require()
        lease = state_place.lock("b").describe()
        assert lease is not None
        assert (lease.holder, lease.reason, lease.by_hand) == ("ann", "stage 1", False)
    assert state_place.lock("b").describe() is None


def test_a_second_taker_is_refused_with_the_holders_name(
    state_place: StatePlace, who: Identity, elsewhere: Identity
) -> None:
    with (
        state_place.lock().held(who, reason="stage 1", run="r1"),
        pytest.raises(Locked, match=r"ann \(pid \d+ on .*\) holds it since .*: stage 1"),
        state_place.lock("b").held(elsewhere, reason="stage 2", run="r2"),
    ):
        raise AssertionError("never both")


def test_the_fence_grows_with_every_taking(
    state_place: StatePlace, who: Identity, elsewhere: Identity
) -> None:
    fences = []
    for number, actor in enumerate((who, elsewhere, who)):
        with state_place.lock(actor.actor).held(actor, reason="s", run=f"r{number}") as held:
            fences.append(held.lease.fence)
    assert fences == sorted(set(fences))


def test_a_dead_process_of_this_machine_is_taken_over(
    state_place: StatePlace, who: Identity
) -> None:
    process = subprocess.Popen(
        state_place.command("hold", "dead"),
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write("go\n")
    process.stdin.flush()
    while process.stdout.readline() != "held\n":
        assert process.poll() is None
    process.kill()
    process.communicate(timeout=20)
    with state_place.lock().held(who, reason="stage 1", run="r2") as held:
        assert held.took_over is not None
        assert held.took_over.run == "dead"
        assert held.lease.fence == held.took_over.fence + 1


def test_a_holder_elsewhere_counts_until_its_lease_runs_out_and_then_stops(
    state_place: StatePlace, who: Identity, elsewhere: Identity
) -> None:
    theirs = state_place.lock("b", ttl_seconds=0.6, heartbeat_seconds=3600)
    mine = state_place.lock()
    with theirs.held(elsewhere, reason="stage 1", run="r1") as zombie:
        with pytest.raises(Locked), mine.held(who, reason="stage 2", run="r2"):
            raise AssertionError("it is held")
        wait_for(lambda: not mine.is_live(zombie.lease, who.machine))
        with mine.held(who, reason="stage 2", run="r3") as held:
            assert held.took_over is not None
            assert held.took_over.run == "r1"
            with pytest.raises(LockLost, match="stage 2"):
                zombie.require()
            held.require()
    assert mine.describe() is None


def test_a_holder_that_was_robbed_leaves_the_new_lease_alone(
    state_place: StatePlace, who: Identity
) -> None:
    lock = state_place.lock()
    with lock.held(who, reason="stage 1", run="r1") as held:
        lock.release_by_hand()
        with pytest.raises(LockLost, match="released by hand"):
            held.require()
        with state_place.lock("b").held(who, reason="stage 2", run="r2") as other:
            assert other.lease.fence > held.lease.fence
            with pytest.raises(LockLost, match="stage 2"):
                held.require()
            other.require()


def test_the_heartbeat_keeps_a_lease_alive_for_longer_than_its_ttl(
    state_place: StatePlace, who: Identity
) -> None:
    lock = state_place.lock(ttl_seconds=5, heartbeat_seconds=0.02)

    def put_off(first: Lease) -> bool:
        lease = state_place.lock("b").describe()
        assert lease is not None
        assert lease.is_same(first)
        return lease.expires_at > first.expires_at

    with lock.held(who, reason="stage 1", run="r1") as held:
        wait_for(lambda: put_off(held.lease))


def test_one_taken_by_hand_outlives_its_process_and_refuses_everybody(
    state_place: StatePlace, who: Identity, elsewhere: Identity
) -> None:
    lease = state_place.lock().acquire(who, reason="night freeze", run="r1", seconds=3600)
    assert (lease.expires_at - lease.taken_at).total_seconds() == 3600
    for actor in (who, replace(who, pid=1), elsewhere):
        later = state_place.lock("b")
        with pytest.raises(Locked, match=r"ann holds it by hand since .* until .*: night freeze"):
            later.acquire(actor, reason="too", run="r2", seconds=1)
        with pytest.raises(Locked), later.held(actor, reason="stage 1", run="r3"):
            raise AssertionError("it is held")
    assert state_place.lock("b").release_by_hand() == lease
    with state_place.lock().held(who, reason="stage 1", run="r4"):
        pass


def test_one_taken_by_hand_ends_by_itself(state_place: StatePlace, who: Identity) -> None:
    lock = state_place.lock()
    lease = lock.acquire(who, reason="for a moment", run="r1", seconds=0.3)
    wait_for(lambda: not lock.is_live(lease, "elsewhere"))
    with lock.held(who, reason="stage 1", run="r2") as held:
        assert held.took_over == lease


def test_of_many_processes_exactly_one_gets_it(state_place: StatePlace) -> None:
    racers = [
        subprocess.Popen(
            state_place.command("hold", f"racer{number}"),
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for number in range(3)
    ]
    answers = []
    for racer in racers:
        assert racer.stdout is not None
        assert racer.stdout.readline() == "ready\n"
    for racer in racers:
        assert racer.stdin is not None
        racer.stdin.write("go\n")
        racer.stdin.flush()
    for racer in racers:
        assert racer.stdout is not None
        answers.append(racer.stdout.readline().strip())
    for racer in racers:
        racer.communicate("end\n", timeout=20)
    assert sorted(answers) == ["held", "refused", "refused"]

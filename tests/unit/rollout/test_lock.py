from __future__ import annotations

import subprocess
import sys
import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from emonk_ops.clock import SystemClock
from emonk_ops.errors import Locked, LockLost, StateDamaged
from emonk_ops.rollout.identity import Identity
from emonk_ops.rollout.lease import Lease
from emonk_ops.rollout.lock import Lock


@pytest.fixture
def lock(tmp_path: Path) -> Lock:
    return Lock(tmp_path / "lock.json", clock=SystemClock())


def test_the_lock_is_held_and_given_back(lock: Lock, who: Identity) -> None:
    with lock.held(who, reason="stage 1", run="r1") as held:
        held.require()
        lease = lock.describe()
        assert lease is not None
        assert (lease.holder, lease.reason) == ("ann", "stage 1")
    assert lock.describe() is None


def test_a_second_taker_is_refused_with_the_holders_name(lock: Lock, who: Identity) -> None:
    with (
        lock.held(who, reason="stage 1", run="r1"),
        pytest.raises(Locked, match=r"ann \(pid \d+ on .*\): stage 1|ann \(pid"),
        lock.held(who, reason="stage 2", run="r2"),
    ):
        raise AssertionError("never both")


def lease_of(lock: Lock, who: Identity) -> Lease:
    with lock.held(who, reason="stage 1", run="r1") as held:
        return held.lease


def test_a_dead_process_of_this_machine_is_taken_over(lock: Lock, who: Identity) -> None:
    dead = subprocess.Popen([sys.executable, "-c", "pass"])
    dead.wait()
    lease = replace(lease_of(lock, who), pid=dead.pid, run="dead")
    lock.path.write_text(lease.to_json())
    with lock.held(who, reason="stage 1", run="r2") as held:
        assert held.took_over == lease
        assert held.lease.fence == lease.fence + 1


def test_a_reused_process_id_is_not_the_holder(lock: Lock, who: Identity) -> None:
    lock.path.write_text(replace(lease_of(lock, who), born="1").to_json())
    with lock.held(who, reason="stage 1", run="r2") as held:
        assert held.took_over is not None


def test_a_holder_on_another_machine_counts_until_its_lease_runs_out(
    lock: Lock, who: Identity
) -> None:
    far = replace(lease_of(lock, who), machine="elsewhere", host="elsewhere")
    lock.path.write_text(far.to_json())
    with pytest.raises(Locked), lock.held(who, reason="stage 1", run="r2"):
        raise AssertionError("it is held")
    late = replace(far, expires_at=far.taken_at - timedelta(seconds=1))
    lock.path.write_text(late.to_json())
    with lock.held(who, reason="stage 1", run="r2") as held:
        assert held.took_over == late


def test_a_holder_that_was_robbed_notices_and_leaves_the_new_lease_alone(
    lock: Lock, who: Identity
) -> None:
    with lock.held(who, reason="stage 1", run="r1") as held:
        lock.release_by_hand()
        with pytest.raises(LockLost, match="released by hand"):
            held.require()
        with lock.held(who, reason="stage 2", run="r2") as other:
            assert other.lease.fence > held.lease.fence
            with pytest.raises(LockLost, match="stage 2"):
                held.require()
            other.require()


def test_the_heartbeat_keeps_a_lease_alive_for_longer_than_its_ttl(
    tmp_path: Path, who: Identity
) -> None:
    lock = Lock(
        tmp_path / "lock.json", clock=SystemClock(), ttl_seconds=0.5, heartbeat_seconds=0.02
    )
    renewed = threading.Event()
    with lock.held(who, reason="stage 1", run="r1") as held:
        for _ in range(500):
            lease = lock.describe()
            assert lease is not None
            if lease.expires_at > held.lease.expires_at:
                renewed.set()
                break
            renewed.wait(0.01)
        assert renewed.is_set()


class HandClock:
    """Time moves by hand."""

    def __init__(self) -> None:
        self.time = datetime(2026, 1, 5, 12, tzinfo=UTC)

    def now(self) -> datetime:
        return self.time

    def sleep_until(self, when: datetime) -> None:
        raise AssertionError(f"nothing sleeps here, until {when}")


class FullDisk(Lock):
    """The disk is full for the next `failures` renewals; events tell what became of them."""

    def __init__(self, path: Path, clock: HandClock, *, heartbeat_seconds: float) -> None:
        super().__init__(path, clock=clock, ttl_seconds=30, heartbeat_seconds=heartbeat_seconds)
        self.failures = 0
        self.failed = threading.Event()
        self.renewed = threading.Event()

    def renew(self, mine: Lease) -> bool:
        if self.failures:
            self.failures -= 1
            self.failed.set()
            raise OSError(28, "No space left on device")
        held = super().renew(mine)
        self.renewed.set()
        return held


def test_a_heartbeat_that_meets_a_full_disk_goes_on(tmp_path: Path, who: Identity) -> None:
    clock = HandClock()
    lock = FullDisk(tmp_path / "lock.json", clock, heartbeat_seconds=0.005)
    lock.failures = 2
    with lock.held(who, reason="stage 1", run="r1") as held:
        assert lock.failed.wait(10)
        clock.time += timedelta(seconds=20)
        lock.renewed.clear()
        assert lock.renewed.wait(10)
        lease = lock.describe()
        assert lease is not None
        assert lease.expires_at > held.lease.expires_at


def test_a_lease_that_ran_out_and_cannot_be_renewed_is_lost(tmp_path: Path, who: Identity) -> None:
    clock = HandClock()
    lock = FullDisk(tmp_path / "lock.json", clock, heartbeat_seconds=3600)
    with lock.held(who, reason="stage 1", run="r1") as held:
        clock.time += timedelta(seconds=29)
        lock.failures = 1
        held.require()
        assert lock.failures == 1
        clock.time += timedelta(seconds=1)
        with pytest.raises(LockLost, match=r"ran out and cannot be renewed.*No space"):
            held.require()


def test_a_lease_that_ran_out_unseen_is_renewed_at_the_next_write(
    tmp_path: Path, who: Identity
) -> None:
    clock = HandClock()
    lock = FullDisk(tmp_path / "lock.json", clock, heartbeat_seconds=3600)
    with lock.held(who, reason="stage 1", run="r1") as held:
        clock.time += timedelta(hours=8)
        held.require()
        lease = lock.describe()
        assert lease is not None
        assert lock.is_live(lease, who.machine)


def test_a_damaged_lock_is_refused_by_name(lock: Lock) -> None:
    lock.path.write_text("{}")
    with pytest.raises(StateDamaged, match=r"lock\.json:1"):
        lock.describe()


RACER = """
import sys
from pathlib import Path
from emonk_ops.clock import SystemClock
from emonk_ops.errors import Locked
from emonk_ops.rollout.identity import identify
from emonk_ops.rollout.lock import Lock
lock = Lock(Path(sys.argv[1]), clock=SystemClock())
print("ready", flush=True)
sys.stdin.readline()
try:
    with lock.held(identify({}, ()), reason="race", run=sys.argv[2]):
        print("held", flush=True)
        sys.stdin.readline()
except Locked:
    print("refused", flush=True)
"""


def test_of_many_processes_exactly_one_gets_the_lock(tmp_path: Path) -> None:
    racers = [
        subprocess.Popen(
            [sys.executable, "-c", RACER, str(tmp_path / "lock.json"), str(number)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for number in range(5)
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
    assert sorted(answers) == ["held", *["refused"] * 4]

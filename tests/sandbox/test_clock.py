"""The virtual clock: stands still, runs, jumps; inside one process and over real ones."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Coroutine
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from emonk_ops.sandbox.clock import WorldClock, real_seconds
from emonk_ops.sandbox.clock_link import ClockLink
from emonk_ops.sandbox.clock_map import ClockPage, from_nanoseconds, to_nanoseconds
from emonk_ops.sandbox.shared_clock import LINK_VARIABLE, PAGE_VARIABLE

START = datetime(2026, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)


def virtual(folder: Path) -> WorldClock:
    return WorldClock("virtual", folder / "clock", start=START)


def play(scene: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(scene, 20))


def test_nanoseconds_keep_microseconds_both_ways() -> None:
    moment = datetime(2026, 3, 29, 1, 59, 59, 999_999, tzinfo=UTC)
    assert from_nanoseconds(to_nanoseconds(moment)) == moment


def test_time_stands_still_while_nothing_happens(tmp_path: Path) -> None:
    async def scene() -> None:
        clock = virtual(tmp_path)
        await asyncio.sleep(0.05)
        assert clock.now() == START
        clock.close()

    play(scene())


def test_time_runs_at_wall_speed_while_somebody_is_busy(tmp_path: Path) -> None:
    async def scene() -> None:
        clock = virtual(tmp_path)
        began = real_seconds()
        with clock.busy("work"):
            await asyncio.sleep(0.1)
        passed = (clock.now() - START).total_seconds()
        assert 0.1 <= passed <= real_seconds() - began + 0.001
        stood = clock.now()
        await asyncio.sleep(0.02)
        assert clock.now() == stood
        clock.close()

    play(scene())


def test_a_platform_timer_alone_moves_nothing_and_a_waiter_moves_all(tmp_path: Path) -> None:
    async def scene() -> None:
        clock = virtual(tmp_path)
        rung: list[datetime] = []
        for hours in (3, 1, 2):
            clock.call_at(START + hours * HOUR, lambda: rung.append(clock.now()))
        await asyncio.sleep(0.05)
        assert rung == []
        await clock.wait_until(START + 2 * HOUR)
        assert rung == [START + HOUR, START + 2 * HOUR]
        assert clock.now() == START + 2 * HOUR
        clock.close()

    play(scene())


def test_time_never_passes_what_the_nearest_waiter_asked_for(tmp_path: Path) -> None:
    async def scene() -> None:
        clock = virtual(tmp_path)
        far = asyncio.create_task(clock.wait_until(START + 10 * HOUR))
        await clock.wait_until(START + HOUR)
        assert clock.now() == START + HOUR
        far.cancel()
        await asyncio.gather(far, return_exceptions=True)
        await asyncio.sleep(0.02)
        assert clock.now() < START + 10 * HOUR
        assert clock.waiting is None
        clock.close()

    play(scene())


def test_two_wakes_of_one_instant_both_run_before_time_moves(tmp_path: Path) -> None:
    async def scene() -> None:
        clock = virtual(tmp_path)
        seen: list[tuple[str, datetime]] = []

        async def ticker(name: str) -> None:
            for number in range(1, 50):
                await clock.sleep_until(START + number * HOUR)
                seen.append((name, clock.now()))

        tickers = [asyncio.create_task(ticker(name)) for name in ("a", "b", "c")]
        await clock.wait_until(START + 49 * HOUR)
        await asyncio.gather(*tickers)
        expected = [START + number * HOUR for number in range(1, 50) for _ in range(3)]
        assert [moment for _, moment in seen] == expected
        clock.close()

    play(scene())


def test_a_lent_hold_counts_only_while_it_is_not_lent(tmp_path: Path) -> None:
    async def scene() -> None:
        clock = virtual(tmp_path)
        with clock.busy("dispatch") as hold:
            assert len(clock.activities) == 1
            assert clock.hold(hold.token) is hold
            hold.suspend()
            assert clock.activities == []
            hold.resume()
            assert len(clock.activities) == 1
        hold.resume()
        assert clock.activities == []
        assert clock.hold(hold.token) is None
        clock.close()

    play(scene())


def test_a_wake_while_time_runs_comes_at_wall_speed(tmp_path: Path) -> None:
    async def scene() -> None:
        clock = virtual(tmp_path)
        with clock.busy("work"):
            await clock.sleep_until(START + timedelta(milliseconds=50))
        assert timedelta(milliseconds=50) <= clock.now() - START < timedelta(seconds=5)
        clock.close()

    play(scene())


def test_time_goes_on_where_it_ended(tmp_path: Path) -> None:
    async def scene() -> None:
        clock = virtual(tmp_path)
        await clock.wait_until(START + 5 * HOUR)
        clock.close()
        assert virtual(tmp_path).now() == START + 5 * HOUR

    play(scene())


def test_a_reader_in_another_mapping_sees_the_same_time(tmp_path: Path) -> None:
    async def scene() -> None:
        clock = virtual(tmp_path)
        page = ClockPage(tmp_path / "clock", writer=False)
        with clock.busy("work"):
            before = clock.now_nanoseconds()
            read = page.now_nanoseconds()
            assert before <= read <= clock.now_nanoseconds()
        assert page.now_nanoseconds() == clock.now_nanoseconds()
        clock.close()

    play(scene())


def test_the_real_clock_waits_in_real_time(tmp_path: Path) -> None:
    async def scene() -> None:
        clock = WorldClock("real")
        began = real_seconds()
        await clock.wait_until(clock.now() + timedelta(milliseconds=50))
        assert real_seconds() - began >= 0.049
        clock.close()

    play(scene())


CHILD = """
import asyncio, os, sys
from datetime import timedelta
from emonk_ops.sandbox.shared_clock import SharedClock

clock = SharedClock.inherited(os.environ)
SCENE = sys.argv[1]

async def nap(seconds):
    await clock.sleep_until(clock.now() + timedelta(seconds=seconds))
    return seconds

async def parent():
    children = [clock.start(nap(hours * 3600)) for hours in (1, 2, 3)]
    left = set(children)
    while left:
        done, left = await clock.wait(left)
        for child in done:
            print("done", int(child.result()), clock.now().isoformat(), flush=True)

async def cancelled():
    sleeper = clock.start(nap(7200))
    await nap(1800)
    sleeper.cancel()
    await clock.wait([sleeper])
    print("cancelled", clock.now().isoformat(), flush=True)
    await nap(60)
    print("slept", clock.now().isoformat(), flush=True)

async def hang():
    print("hanging", flush=True)
    await asyncio.Event().wait()

async def main():
    await clock.wait([clock.start(globals()[SCENE]())])

asyncio.run(main())
"""


class Child:
    """A process on the shared clock, as an instance is: busy from its start."""

    def __init__(self, clock: WorldClock, folder: Path, scene: str) -> None:
        self._clock = clock
        # What the sandbox counts for it: one main activity, which `wait` takes away.
        self.link = ClockLink(clock, self._count)
        self.link.count = 1
        self._count()
        handle = self.link.theirs.fileno()
        environment = {
            **os.environ,
            PAGE_VARIABLE: str(folder / "clock"),
            LINK_VARIABLE: str(handle),
        }
        self.process = subprocess.Popen(
            [sys.executable, "-c", CHILD, scene],
            env=environment,
            pass_fds=(handle,),
            stdout=subprocess.PIPE,
            text=True,
        )
        self.link.theirs.close()

    def _count(self) -> None:
        self._clock.set_activity("child", self.link.count)

    def lines(self) -> list[str]:
        output, _ = self.process.communicate(timeout=10)
        return str(output).splitlines()


def test_children_sleep_and_wait_on_the_shared_clock(tmp_path: Path) -> None:
    async def scene() -> None:
        clock = virtual(tmp_path)
        child = Child(clock, tmp_path, "parent")
        await clock.wait_until(START + 5 * HOUR)
        lines = await asyncio.to_thread(child.lines)
        assert [line.split()[:2] for line in lines] == [
            ["done", "3600"],
            ["done", "7200"],
            ["done", "10800"],
        ]
        woken = [datetime.fromisoformat(line.split()[2]) for line in lines]
        for number, moment in enumerate(woken, 1):
            assert timedelta(0) <= moment - START - number * HOUR < timedelta(minutes=1)
        clock.close()
        child.link.close()

    play(scene())


def test_a_withdrawn_sleep_wakes_nobody_and_is_counted_right(tmp_path: Path) -> None:
    async def scene() -> None:
        clock = virtual(tmp_path)
        child = Child(clock, tmp_path, "cancelled")
        await clock.wait_until(START + 5 * HOUR)
        first, second = await asyncio.to_thread(child.lines)
        cancelled = datetime.fromisoformat(first.split()[1])
        slept = datetime.fromisoformat(second.split()[1])
        assert cancelled - START < timedelta(minutes=31)
        assert timedelta(minutes=1) <= slept - cancelled < timedelta(minutes=2)
        assert child.link.count == 0
        clock.close()
        child.link.close()

    play(scene())


@pytest.mark.parametrize("how", ["kill", "terminate"])
def test_what_a_dead_process_held_counts_no_more(tmp_path: Path, how: str) -> None:
    async def scene() -> None:
        clock = virtual(tmp_path)
        child = Child(clock, tmp_path, "hang")
        assert child.process.stdout is not None
        await asyncio.to_thread(child.process.stdout.readline)
        assert clock.activities == ["child"]
        waiter = asyncio.create_task(clock.wait_until(START + 9 * HOUR))
        await asyncio.sleep(0.05)
        assert not waiter.done()
        getattr(child.process, how)()
        await waiter
        assert clock.activities == []
        await asyncio.to_thread(child.lines)
        clock.close()

    play(scene())

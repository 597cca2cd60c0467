"""kill -9 of the command line at journal writes and changing calls, then the next command.

`make crash` plays every point; otherwise EMONK_CRASH_POINTS of them, drawn with a fixed seed.
"""

from __future__ import annotations

import os
import random
from collections.abc import Iterator, Mapping

import pytest

from .rehearsed import SIGKILLED, Rehearsed
from .walk import FOLLOWS, Point, Walk

POINTS = os.environ.get("EMONK_CRASH_POINTS", "30")
SEED = 20261124
# How the points are shared out among the commands, and then two to one among file and Firestore.
SHARES = {"stage 1": 2, "stage 2": 4, "stage 3": 4, "stage 4": 4, "drill": 4, "rollback": 2}
LAPS: list[Mapping[str, Mapping[str, int]]] = []  # what commands have, counted once
CONFIRMED = [
    f"--confirm={name}=crash test"
    for name in (
        "code-review",
        "lint",
        "type-check",
        "scheduler-api",
        "operator-permissions",
        "service-permissions",
    )
]


@pytest.fixture(scope="module", params=["file", "firestore"])
def rehearsed(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Rehearsed]:
    world = Rehearsed(tmp_path_factory.mktemp("crash"), shared=request.param == "firestore")
    world.must("sandbox", "up", "--detach", "--clock", "virtual")
    try:
        world.must("init", "--sandbox")
        world.prepare_settings()
        world.vary_deployment("none")
        world.must("stage", "0", "--env", "qa", *CONFIRMED)
        world.must("stage", "1", "--env", "qa")
        yield world
        world.close()
    finally:
        world.run("sandbox", "down")


def points(world: Rehearsed, command: str, events: Mapping[str, int]) -> list[Point]:
    """Every point of the command, or its share of them."""
    every = [
        Point(command, f"{kind}:{number}", follow)
        for kind, most in events.items()
        for number in range(1, most + 1)
        for follow in FOLLOWS.get(command, ("again",))
    ]
    if POINTS == "all":
        return every
    mine = int(POINTS) * SHARES[command] / sum(SHARES.values()) / (3 if world.shared else 1.5)
    seed = f"{SEED} {command} {world.shared}"
    return random.Random(seed).sample(every, min(len(every), max(1, round(mine))))


@pytest.mark.timeout(3600)
def test_stage_1_killed_anywhere_converges(rehearsed: Rehearsed) -> None:
    rehearsed.vary_deployment("counting")
    counted = rehearsed.must("stage", "1", "--env", "qa").events
    before = set(rehearsed.fences())
    assert len(before) == 3
    for point in points(rehearsed, "stage 1", counted):
        rehearsed.vary_deployment(str(point))
        killed = rehearsed.run("stage", "1", "--env", "qa", kill_at=point.event)
        assert killed.code == SIGKILLED, f"{point}: {killed.told}"
        again = rehearsed.run("stage", "1", "--env", "qa")
        assert again.code == 0, f"{point}: {again.told}"
        assert set(rehearsed.fences()) == before, point
        assert rehearsed.shape() == ("json", "legacy", "absent"), point
    rehearsed.must("history", "--env", "qa")


@pytest.mark.timeout(3600)
def test_stage_2_killed_anywhere_converges(rehearsed: Rehearsed) -> None:
    rehearsed.must("stage", "1", "--env", "qa")
    counted = rehearsed.must("stage", "2", "--env", "qa").events
    before = set(rehearsed.fences())
    for point in points(rehearsed, "stage 2", counted):
        rehearsed.must("rollback", "--env", "qa", "--yes")
        if rehearsed.tools.jobs.describe() is not None:
            rehearsed.tools.jobs.delete()
        rehearsed.must("resume", "--env", "qa", "--reason", str(point))
        killed = rehearsed.run("stage", "2", "--env", "qa", kill_at=point.event)
        assert killed.code == SIGKILLED, f"{point}: {killed.told}"
        again = rehearsed.run("stage", "2", "--env", "qa")
        assert again.code == 0, f"{point}: {again.told}"
        assert set(rehearsed.fences()) == before, point
        assert rehearsed.shape() == ("json", "cloud", "ENABLED"), point
    rehearsed.must("history", "--env", "qa")


@pytest.mark.timeout(20_000)
def test_shadow_cutover_drill_and_rollback_killed_anywhere_converge(rehearsed: Rehearsed) -> None:
    rehearsed.must("stage", "2", "--env", "qa")
    rehearsed.must("alerts", "apply", "--env", "qa", "--yes")
    walk = Walk(rehearsed)
    if POINTS == "all" or not LAPS:
        LAPS.append(walk.lap())
    drawn = [
        point
        for command, events in LAPS[-1].items()
        for point in points(rehearsed, command, events)
    ]
    walk.play(drawn)
    assert walk.killed >= 0.9 * len(drawn)
    assert rehearsed.succeeded_twice() == []
    rehearsed.must("history", "--env", "qa")

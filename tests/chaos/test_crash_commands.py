"""kill -9 from stage 4 on, then what the screen says: the world is whole.

`make crash` plays every point of every command; otherwise some of some, drawn with a fixed seed.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator

import pytest

from .killed import COMMANDS, Killed, every_point, some_points
from .stage_4 import Stage4, at_stage_4

ALL = os.environ.get("EMONK_CRASH_POINTS") == "all"
SEED = 20261124
# command -> how many points without EMONK_CRASH_POINTS=all
FEW = {
    "firestore-outage --mode iam": 1,
    "firestore-outage --mode transient": 1,
    "restart --mode drain": 1,
    "missed-ticks": 1,
    "partial": 2,
    "emergency": 2,
    "to stage 1": 1,
    "clean-up": 2,
}
PLAYED: Counter[str] = Counter()


@pytest.fixture(scope="module")
def stage_4(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage4]:
    with at_stage_4(tmp_path_factory.mktemp("crash")) as found:
        yield found


@pytest.mark.parametrize("command", [one for one in COMMANDS if ALL or one.name in FEW], ids=str)
@pytest.mark.timeout(7200)
def test_killed_anywhere_and_typed_on_it_converges(stage_4: Stage4, command: Killed) -> None:
    stage_4.stand_at(command.begins_at)
    if ALL:
        points = every_point(command, stage_4.counted(command))
        stage_4.back()
    else:
        points = some_points(command, FEW[command.name], SEED)
    wrong = []
    for number, point in enumerate(points, 1):
        spoiled = not command.injects or number % 20 == 0
        try:
            PLAYED["killed" if stage_4.play(point) else "lived"] += 1
        except AssertionError as error:
            wrong.append(str(error))
            spoiled = True
        if spoiled:
            stage_4.back()
    told = "\n".join(wrong)
    assert not wrong, f"{len(wrong)} of {len(points)} points:\n{told}"


def test_most_points_were_met(stage_4: Stage4) -> None:
    assert PLAYED["killed"] >= 0.6 * sum(PLAYED.values()), PLAYED

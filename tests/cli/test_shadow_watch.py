"""`emonk-ops shadow watch` while a shadow goes on: what it tells, what it asks, how it ends."""

from __future__ import annotations

import io
import json
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest
from rich.console import Console

from emonk_ops.cli.render_watch import screen_of
from emonk_ops.errors import ExitCode, PermissionMissing, QuotaExceeded, Unreachable
from emonk_ops.operations.judging.watching import Watching
from emonk_ops.settings import Target
from emonk_ops.settings_sample import sample
from emonk_ops.testing.world import ILL_IMAGE
from tests.cli.growing_world import GrowingWorld
from tests.judging.model import World

BEGIN = datetime(2026, 1, 5, 9, 10, tzinfo=UTC)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    text = sample(Target.SANDBOX).replace('"*/5 * * * *"', '"* * * * *"')
    (tmp_path / "emonk-ops.toml").write_text(text)
    return tmp_path


def growing(folder: Path, defect: str = "none") -> GrowingWorld:
    return GrowingWorld(folder, World(7, 1, 1.5, defect=defect, begin=BEGIN))


def test_a_line_a_look_tells_what_was_run_how_late_and_how_surely(folder: Path) -> None:
    world = growing(folder)
    found = world.type("shadow", "watch", "--for", "80")
    assert found.exit_code == ExitCode.DONE, found.output
    lines = [line for line in found.stdout.splitlines() if " | ticks " in line]
    assert len(lines) == 80 * 4
    assert "nothing to judge yet" in lines[0]
    for told in (
        "ticks 80, ran ",
        "loop 80, ran ",
        "ONE_WINNER 1",
        "duplicates 0",
        "coverage 100.0%",
        "a clean n proves < ",
        "INCONCLUSIVE so far: ",
        "of shadow, no soak on record",
    ):
        assert told in lines[-1], told
    assert "nothing-lost" not in lines[-1]
    assert "late 5.7 s (worst 6." in lines[-1]


def test_the_log_is_asked_once_in_fifteen_seconds(folder: Path) -> None:
    world = growing(folder)
    world.pass_time(minutes=40)
    world.type("shadow", "watch", "--for", "5")
    asked = world.logs.asked
    assert len(asked) == 20
    assert all(two - one >= timedelta(seconds=15) for one, two in pairwise(asked))


def test_a_planted_duplicate_is_said_by_its_ruling(folder: Path) -> None:
    found = growing(folder, "doubled").type("shadow", "watch", "--for", "85")
    last = found.stdout.splitlines()[-1]
    assert "DUPLICATE_EXECUTION 1, " in last
    assert "; duplicates 1 | " in last
    assert "FAIL so far: nothing-twice" in last


def test_json_is_one_line_a_tick_without_repeats_and_nothing_else(folder: Path) -> None:
    world = growing(folder)
    world.pass_time(minutes=3)
    found = world.type("shadow", "watch", "--json", "--ticks", "11")
    assert found.exit_code == ExitCode.DONE
    lines = [json.loads(line) for line in found.stdout.splitlines()]
    assert len(lines) == 11
    assert all(set(one) == {"time", "message", "metrics"} for one in lines)
    assert {one["message"] for one in lines} == {"Scheduler tick completed"}
    assert len({one["metrics"]["tick_id"] for one in lines}) == 11
    began = BEGIN + timedelta(minutes=3)
    assert all(datetime.fromisoformat(one["time"]) >= began for one in lines)
    assert {one["metrics"]["path"] for one in lines} == {"cron", "loop"}


def test_json_from_an_instant_of_the_past_misses_no_tick(folder: Path) -> None:
    world = growing(folder)
    world.pass_time(minutes=30)
    found = world.type("shadow", "watch", "--json", "--since", BEGIN.isoformat(), "--for", "1")
    assert len(found.stdout.splitlines()) == 2 * 31


def test_a_quota_slows_it_down_and_an_unreachable_cloud_is_said(folder: Path) -> None:
    world = growing(folder)
    world.logs.failures += [QuotaExceeded("too many reads")] * 2 + [Unreachable("no answer")]
    found = world.type("shadow", "watch", "--for", "10")
    assert found.exit_code == ExitCode.DONE
    assert "! too many reads (the next look is in 30 s)" in found.stdout
    assert "! too many reads (the next look is in 60 s)" in found.stdout
    assert "! no answer (the next look is in 120 s)" in found.stdout
    spaces = [(two - one).total_seconds() for one, two in pairwise(world.logs.asked)]
    assert spaces[:5] == [30, 60, 120, 60, 30]
    assert set(spaces[6:]) == {15}


def test_a_missing_permission_at_the_first_look_ends_it(folder: Path) -> None:
    world = growing(folder)
    world.logs.failures.append(PermissionMissing("no logging.logEntries.list"))
    assert world.type("shadow", "watch", "--for", "10").exit_code == ExitCode.CLOUD
    world.pass_time(minutes=1)


def test_jobs_that_cannot_be_asked_for_are_said_and_it_goes_on(folder: Path) -> None:
    world = growing(folder)
    world.change_revision(image=ILL_IMAGE)
    found = world.type("shadow", "watch", "--since", BEGIN.isoformat(), "--for", "4")
    assert found.exit_code == ExitCode.DONE
    assert "the jobs could not be asked for (none yet): GET /admin/jobs: HTTP 503" in found.stdout
    assert "nothing is judged yet" in found.stdout


def test_the_soak_is_told_and_its_beginning_is_the_windows(folder: Path) -> None:
    world = growing(folder)
    world.pass_time(minutes=30)
    began = BEGIN + timedelta(minutes=10)
    world.note("soak.began", soak="shadow", at=began, needed_seconds=3_600, about={})
    until = BEGIN + timedelta(minutes=25)
    world.note("soak.looked", soak="shadow", until=until, covered_seconds=600, breaches=[])
    last = world.type("shadow", "watch", "--for", "1").stdout.splitlines()[-1]
    assert "soak: 50 m 0 s of 1 h 0 m left, coverage 66.7%, ends about 10:50:00Z" in last
    assert " | ticks 21, " in last  # of the soak's time, not of the whole shadow


def test_the_screen_has_the_verdict_first_and_what_is_wrong_before_what_holds(
    folder: Path,
) -> None:
    world = growing(folder, "doubled")
    world.pass_time(minutes=88)
    tools = world.toolbox()
    with Watching(tools, BEGIN) as watching:
        shown = watching.look()
        while not shown.caught_up:
            shown = watching.look()
    console = Console(file=io.StringIO(), width=100, no_color=True)
    console.print(screen_of(shown, "soak: [red]", "quota"))
    assert isinstance(console.file, io.StringIO)
    lines = console.file.getvalue().splitlines()
    assert lines[0].strip() == "FAIL so far: nothing-twice"
    assert lines[1:3] == ["soak: [red]", "! quota"]
    rows = [line.split()[1] for line in lines if line.startswith((" ✘", " ?", " ✔"))]
    assert rows[0] == "FAIL"
    assert rows == sorted(rows, key=["FAIL", "INCONCLUSIVE", "PASS"].index)
    assert max(len(line) for line in lines) <= 100
    assert all(one in "".join(lines) for one in ("late, median", "late, worst", "duplicates 1"))


def test_without_a_shadow_it_waits_for_one(folder: Path) -> None:
    world = growing(folder)
    world.world.store.record = ("legacy", 1)
    found = world.type("shadow", "watch", "--for", "2")
    assert found.stdout.count("one path drives alone: waiting") == 1
    assert world.logs.asked == []

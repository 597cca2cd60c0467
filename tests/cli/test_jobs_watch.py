"""`emonk-ops jobs watch` while jobs are claimed, run and released."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from typer.testing import CliRunner, Result

from emonk_ops.cli.app import build
from emonk_ops.cli.collaborators import Collaborators
from emonk_ops.cli.render_jobs import JobTable
from emonk_ops.errors import ExitCode, Unreachable
from emonk_ops.operations.job_watch import JobView, JobWatch
from emonk_ops.settings import Environment, ServiceSettings, Target
from emonk_ops.settings_sample import sample
from emonk_ops.testing import InMemoryPorts, InMemoryWorld
from emonk_ops.toolbox import Toolbox

LEASED = {"state": "leased", "lease_until": "2026-01-05T09:06:00+00:00", "fence": 4}
LEASED |= {"lease_by": "r1/one"}
FREE = {"state": "scheduled", "lease_until": None, "lease_by": None, "fence": 4}


class Place:
    """Jobs whose changes come at seconds after the beginning."""

    def __init__(self) -> None:
        self.world = InMemoryWorld(jobs=())
        self.begin = self.world.clock.now()
        self.script: list[tuple[datetime, Callable[[dict[str, Any]], object]]] = []
        self.world.clock.on_move = self._moved
        for name in ("digest", "report"):
            self.world.store.jobs[name] = {"id": name, "due_at": None, **FREE, "fence": 3}

    def then(self, seconds: float, change: Callable[[dict[str, Any]], object]) -> None:
        self.script.append((self.begin + timedelta(seconds=seconds), change))

    def job(self, seconds: float, name: str, changes: Mapping[str, Any]) -> None:
        self.then(seconds, lambda jobs: jobs[name].update(changes))

    def _moved(self, _before: datetime, after: datetime) -> None:
        while self.script and self.script[0][0] <= after:
            self.script.pop(0)[1](self.world.store.jobs)

    def type(self, *words: str) -> Result:
        argv = ["jobs", "watch", *words, "--env", "qa"]
        with_ = Collaborators(open_toolbox=self._toolbox, clock=self.world.clock, argv=tuple(argv))
        return CliRunner().invoke(build(), argv, obj=with_, catch_exceptions=False)

    def _toolbox(
        self, env: Environment, *, waits: bool, keep: Path, say: Callable[[str], None]
    ) -> Toolbox:
        return Toolbox(env, InMemoryPorts(self.world), keep, waits=waits, say=say)


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "emonk-ops.toml").write_text(sample(Target.SANDBOX))
    return Place()


def test_a_line_a_change_tells_the_lease_as_it_is_claimed_and_released(place: Place) -> None:
    place.job(5, "digest", LEASED)
    place.job(9, "digest", FREE)
    place.then(13, lambda jobs: jobs.pop("report"))
    found = place.type("--for", "1")
    assert found.exit_code == ExitCode.DONE
    lines = found.stdout.splitlines()[1:]
    assert lines[0] == "2 jobs, 0 leased"
    as_it_is = "digest scheduled, due_at -, lease_until -, fence 3, holder -"
    assert " ".join(lines[1].split()) == as_it_is
    assert lines[3].startswith("2026-01-05T09:00:36Z digest")
    assert lines[3].endswith(
        "state scheduled -> leased, lease_until - -> 2026-01-05T09:06:00Z, "
        "fence 3 -> 4, holder - -> r1/one"
    )
    assert lines[4].startswith("2026-01-05T09:00:40Z digest")
    assert lines[4].endswith("lease_until 2026-01-05T09:06:00Z -> -, holder r1/one -> -")
    assert lines[5].split() == ["2026-01-05T09:00:44Z", "report", "gone"]
    assert len(lines) == 6


def test_json_is_one_object_a_change_and_ends_after_so_many(place: Place) -> None:
    place.job(3, "report", LEASED)
    place.then(6, lambda jobs: jobs.update(new={"id": "new", **FREE}))
    place.job(9, "report", FREE)
    found = place.type("--json", "--changes", "2")
    assert found.exit_code == ExitCode.DONE
    first, second = (json.loads(line) for line in found.stdout.splitlines())
    assert first == {
        "time": "2026-01-05T09:00:34Z",
        "id": "report",
        "change": "changed",
        "state": "leased",
        "due_at": None,
        "lease_until": LEASED["lease_until"],
        "fence": 4,
        "holder": "r1/one",
        "changed": {
            "state": ["scheduled", "leased"],
            "lease_until": [None, LEASED["lease_until"]],
            "fence": [3, 4],
            "holder": [None, "r1/one"],
        },
    }
    assert (second["id"], second["change"], second["fence"]) == ("new", "appeared", 4)


def test_the_lease_field_bears_the_name_of_the_settings(place: Place) -> None:
    settings = Path("emonk-ops.toml")
    text = settings.read_text()
    settings.write_text(text.replace('# lease_field = "lease_until"', 'lease_field = "held_until"'))
    assert "held_until" in settings.read_text()
    place.job(3, "report", {**LEASED, "held_until": "2026-01-05T10:00:00+00:00"})
    (line,) = place.type("--json", "--changes", "1").stdout.splitlines()
    assert json.loads(line)["held_until"] == "2026-01-05T10:00:00+00:00"


def test_a_service_that_does_not_answer_for_a_while_is_said(place: Place) -> None:
    whole = place.world.revisions[0]

    def turn_ill(_jobs: object) -> None:
        place.world.revisions[0] = replace(whole, image="ill")

    def recover(_jobs: object) -> None:
        place.world.revisions[0] = whole

    place.then(5, turn_ill)
    place.then(20, recover)
    place.job(21, "digest", LEASED)
    found = place.type("--changes", "1")
    assert found.exit_code == ExitCode.DONE
    assert "! GET /admin/jobs: HTTP 503 from the app (the next look is in 4 s)" in found.stdout
    assert "fence 3 -> 4" in found.stdout.splitlines()[-1]


def test_a_look_that_failed_loses_no_change() -> None:
    place = Place()
    asked: list[datetime] = []

    class Jobs:
        def list_jobs(self) -> Iterator[Mapping[str, Any]]:
            asked.append(place.world.clock.now())
            if len(asked) == 2:
                raise Unreachable("no answer")
            yield from place.world.store.jobs.values()

    ports = InMemoryPorts(place.world)
    ports.service = Jobs()  # type: ignore[assignment]
    env = Environment("qa", Target.SANDBOX, "p", service=ServiceSettings())
    watched = JobWatch(Toolbox(env, ports, Path()))
    assert watched.look() == ()
    with pytest.raises(Unreachable):
        watched.look()
    place.world.store.jobs["digest"].update(LEASED)
    (change,) = watched.look()
    assert change.fields()["fence"] == (3, 4)


def test_the_table_has_the_leased_first_and_says_what_does_not_fit() -> None:
    at = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)
    console = Console(file=io.StringIO(), force_terminal=True, width=80, height=8, no_color=True)
    table = JobTable("lease_until", console)
    jobs = {f"job-{number}": JobView("scheduled", None, None, 1, None) for number in range(5)}
    live, over = (at + timedelta(seconds=left) for left in (90, -5))
    jobs["z-held"] = JobView("leased", live.isoformat(), live.isoformat(), 2, "r1/[red]one")
    later = (at + timedelta(days=3)).isoformat()
    jobs["job-0"] = JobView("scheduled", later, None, 1, None)
    jobs["y-over"] = JobView("leased", over.isoformat(), over.isoformat(), 7, "r1/two")
    with table.showing():
        table.show(at, jobs, ())
        table.complain("no answer")
    assert isinstance(console.file, io.StringIO)
    text = console.file.getvalue()
    assert "7 jobs, 2 leased, 4 of them not shown" in text
    assert "09:01:30Z 90 s" in text
    assert "08:59:55Z EXPIRED" in text
    assert "r1/[red]one" in text
    assert "job-0" in text
    assert "01-08 09:00Z" in text
    assert "job-1" not in text
    assert "! no answer" in text

"""`emonk-ops shadow …` as typed: from files, and from the log of a service in memory."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from emonk_ops.cli.app import build
from emonk_ops.cli.collaborators import Collaborators
from emonk_ops.errors import ExitCode
from emonk_ops.operations.analysis.exported import entries_of
from emonk_ops.operations.analysis.records import Request
from emonk_ops.settings import Environment, Target
from emonk_ops.settings_sample import sample
from emonk_ops.testing import InMemoryPorts, InMemoryWorld
from emonk_ops.toolbox import Toolbox
from tests.judging.exported import as_array, as_lines, export_of
from tests.judging.model import BEGIN, World
from tests.judging.test_other_endpoints import traffic

LONG = 30.0  # hours at a tick every five minutes, until errors below 1 % are proven


class Place:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.world = InMemoryWorld(jobs=())

    def type(self, *words: str) -> tuple[int, str, str]:
        argv = ["shadow", *words, "--env", "qa"]
        with_ = Collaborators(open_toolbox=self._toolbox, clock=self.world.clock, argv=tuple(argv))
        result = CliRunner().invoke(build(), argv, obj=with_)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result.exit_code, result.stdout, result.stderr

    def _toolbox(
        self, env: Environment, *, waits: bool, keep: Path, say: Callable[[str], None]
    ) -> Toolbox:
        return Toolbox(env, InMemoryPorts(self.world), keep, waits=waits, say=say)

    def files(self, told: World, write: Any = as_lines) -> tuple[str, ...]:
        """The options that name the written log and the written jobs."""
        logs, jobs = self.folder / "logs.json", self.folder / "jobs.json"
        logs.write_text(write(told.records()))
        jobs.write_text(export_of(told.definitions()))
        return "--from-file", str(logs), "--jobs", str(jobs)


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "emonk-ops.toml").write_text(sample(Target.SANDBOX))
    return Place(tmp_path)


def test_a_long_sound_shadow_passes_from_a_file(place: Place) -> None:
    code, out, _ = place.type("compare", *place.files(World(1, 5, LONG)))
    assert code == ExitCode.DONE, out
    assert "PASS: all 13 rulings hold" in out
    assert "if it had been one run dropped: caught by nothing-lost" in out
    assert "if it had been one error: NOT caught" in out


@pytest.mark.parametrize(
    ("defect", "code", "said"),
    [
        ("none", ExitCode.INCONCLUSIVE, "INCONCLUSIVE: "),
        ("doubled", ExitCode.CHECK_FAILED, "FAIL: 1 of 13 rulings: nothing-twice"),
        ("5 % of lines lost", ExitCode.INCONCLUSIVE, "lines are missing in "),
    ],
)
def test_an_hour_is_answered_by_its_exit_code(
    place: Place, defect: str, code: ExitCode, said: str
) -> None:
    found, out, _ = place.type("compare", *place.files(World(2, 5, 1.5, defect=defect), as_array))
    assert found == code
    assert said in out


def test_the_envelope_has_rulings_classes_and_the_certificate(place: Place) -> None:
    code, out, _ = place.type("compare", *place.files(World(3, 5, 1.5, defect="lost")), "--json")
    document = json.loads(out)
    assert code == document["exit_code"] == ExitCode.CHECK_FAILED
    data = document["data"]
    assert data["verdict"] == "FAIL"
    assert data["classes"]["LOST"] == 1
    failed = [one for one in data["rulings"] if one["verdict"] == "FAIL"]
    assert [one["name"] for one in failed] == ["nothing-lost"]
    assert len(failed[0]["facts"]["examples"]) == 1
    assert len(data["certificate"]) == 5


def test_the_window_may_be_narrower_than_the_file(place: Place) -> None:
    until = (BEGIN + timedelta(minutes=50)).isoformat()
    files = place.files(World(4, 5, 1.5))
    code, out, _ = place.type("compare", *files, "--until", until, "--json")
    assert code == ExitCode.INCONCLUSIVE
    assert json.loads(out)["data"]["to"] == until
    assert "is less than 1 h" in out


def test_the_log_and_the_jobs_of_the_service_are_asked_without_files(place: Place) -> None:
    told = World(5, 5, 1.5)
    place.files(told)
    place.world.log.clear()
    place.world.log += list(entries_of(place.folder / "logs.json"))
    place.world.store.jobs.update({job.id: job.to_dict() for job in told.definitions()})
    window = ("--since", BEGIN.isoformat(), "--until", told.rules().end.isoformat())
    code, out, _ = place.type("compare", *window, "--json")
    assert code == ExitCode.INCONCLUSIVE, json.loads(out)["data"]["rulings"]
    data = json.loads(out)["data"]
    within = [one for one in told.records() if one.at < told.rules().end]
    assert data["entries"] == len(within)
    wrong = {one["name"] for one in data["rulings"] if one["verdict"] != "PASS"}
    assert wrong <= {"durations", "lateness", "job-errors", "tick-errors", "other-endpoints"}
    code, out, _ = place.type("check-logs", *window)
    assert (code, "nothing is missing" in out) == (ExitCode.DONE, True)


def test_other_endpoints_are_compared_where_the_file_reaches_back(place: Place) -> None:
    told, rng = World(8, 5, 1.5), random.Random(8)
    options = place.files(told)
    end = told.rules().end
    since = BEGIN + timedelta(minutes=40)
    calls = [
        Request(one.timestamp, "/webhook", "POST", 200, one.http["latency_seconds"], False)
        for begin, until in ((BEGIN, since), (since, end))
        for one in traffic(
            rng, begin, 400, length=until - begin, slower=2.0 if begin > BEGIN else 1
        )
    ]
    log = place.folder / "logs.json"
    log.write_text(log.read_text() + as_lines(calls, name="other"))
    window = (*options, "--since", since.isoformat(), "--no-certificate")
    code, out, _ = place.type("compare", *window, "--baseline-since", BEGIN.isoformat(), "--json")
    found = next(
        one for one in json.loads(out)["data"]["rulings"] if one["name"] == "other-endpoints"
    )
    assert (code, found["verdict"], found["kind"]) == (
        ExitCode.CHECK_FAILED, "FAIL", "tendency"
    ), found  # fmt: skip
    _, out, _ = place.type("compare", *window)
    assert "left out     other-endpoints        the file begins at 2026-01-05 00:00:00Z" in out


def test_what_a_log_lacks_is_said_with_what_it_costs(place: Place) -> None:
    path = place.folder / "logs.json"
    lines = as_lines(World(6, 5, 1.5).records()).splitlines(keepends=True)
    path.write_text("".join(line for line in lines if "executions" not in line))
    code, out, _ = place.type("check-logs", "--from-file", str(path))
    assert code == ExitCode.INCONCLUSIVE
    assert "0 executions of the scheduler job: Cloud Scheduler is no witness" in out
    assert "missing or unusable: 1" in out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("compare", "--from-file", "none.json"), "none.json cannot be read"),
        (("compare", "--from-file", "empty.json"), "none of 0 entries is a line of the service"),
        (("compare", "--baseline-since", "tomorrow"), "--baseline-since tomorrow: no instant"),
        (("compare", "--since", "yesterday"), "--since yesterday: no instant"),
        (
            ("compare", "--since", "2026-01-05T01:00:00Z", "--until", "2026-01-05T00:00:00Z"),
            "is not before",
        ),
    ],
)
def test_bad_input_is_named(place: Place, words: tuple[str, ...], said: str) -> None:
    (place.folder / "empty.json").write_text("[]")
    code, _, err = place.type(*words)
    assert code == ExitCode.USAGE
    assert said in err
    assert "next: " in err

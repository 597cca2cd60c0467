"""`emonk-ops jobs …` as typed, over a service in memory."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from emonk_ops.cli.app import build
from emonk_ops.cli.collaborators import Collaborators
from emonk_ops.errors import ExitCode
from emonk_ops.rollout.journal import Journal
from emonk_ops.settings import Environment, Target
from emonk_ops.settings_sample import sample
from emonk_ops.testing import InMemoryPorts, InMemoryWorld
from emonk_ops.tick.jobs import Job, JobState, Lease
from emonk_ops.tick.schedules import Schedule
from emonk_ops.tick.settlement import after_success, claim
from emonk_ops.toolbox import Toolbox

NOW = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)


class Typed:
    def __init__(self, code: int, out: str, err: str) -> None:
        self.code, self.out, self.err = code, out, err

    @property
    def data(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.out)["data"]
        return found


class Place:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.world = InMemoryWorld(jobs=())
        self.world.clock.set(NOW)
        self.ports = InMemoryPorts(self.world)

    @property
    def jobs(self) -> dict[str, dict[str, Any]]:
        return self.world.store.jobs

    def put(self, job: Job) -> None:
        self.jobs[job.id] = job.to_dict()

    def type(self, *words: str, env: str = "qa") -> Typed:
        argv = ["jobs", *words, "--env", env]
        with_ = Collaborators(open_toolbox=self._toolbox, clock=self.world.clock, argv=tuple(argv))
        result = CliRunner().invoke(build(), argv, obj=with_)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return Typed(result.exit_code, result.stdout, result.stderr)

    def _toolbox(
        self, env: Environment, *, waits: bool, keep: Path, say: Callable[[str], None]
    ) -> Toolbox:
        return Toolbox(env, self.ports, keep, waits=waits, say=say)

    def recorded(self) -> list[tuple[str, str, bool]]:
        """(title, reason, changed) of every run in the journal."""
        path = self.folder / ".emonk-ops" / "qa-sandbox-emonk-qa" / "journal.jsonl"
        records = [*Journal(path, clock=self.world.clock).records()] if path.exists() else []
        started = [one.body for one in records if one.kind == "run.started"]
        ended = [one.body for one in records if one.kind == "run.ended"]
        return [
            (begun["title"], begun["reason"], end["changed"])
            for begun, end in zip(started, ended, strict=True)
        ]


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("EMONK_ACTOR", "ann")
    (tmp_path / "emonk-ops.toml").write_text(sample(Target.SANDBOX))
    place = Place(tmp_path)
    place.put(job("digest"))
    return place


def job(name: str, slot: datetime = NOW + timedelta(minutes=5)) -> Job:
    schedule = Schedule(line="*/5 * * * *")
    return Job(name, "log", schedule, {"to": "ann"}, JobState.SCHEDULED, slot, slot, NOW)


def leased(name: str, seconds: float) -> Job:
    return claim(job(name), Lease("l", "r1/i/t", NOW + timedelta(seconds=seconds)))


def test_the_list_shows_each_job_and_can_be_narrowed(place: Place) -> None:
    place.put(leased("report", 60))
    shown = place.type("list")
    assert shown.code == 0
    assert "digest" in shown.out
    assert "*/5 * * * * UTC" in shown.out
    assert "due 2026-01-05T12:05:00Z" in shown.out
    narrowed = place.type("list", "--state", "leased", "--json")
    assert [one["id"] for one in narrowed.data["jobs"]] == ["report"]
    assert place.type("list", "--limit", "1", "--json").data["more"] is True
    assert "no such jobs" in place.type("list", "--type", "other").out


def test_one_job_is_shown_with_its_runs(place: Place) -> None:
    place.put(after_success(leased("digest", 60), NOW, None))
    shown = place.type("show", "digest")
    assert 'payload          {"to": "ann"}' in shown.out
    assert "slot 2026-01-05T12:05:00Z succeeded at 2026-01-05T12:00:00Z attempt 1" in shown.out
    missing = place.type("show", "nix")
    assert missing.code == ExitCode.CLOUD
    assert place.type("show", 'a"b').code == ExitCode.USAGE


def test_a_job_is_scheduled_and_recorded(place: Place) -> None:
    done = place.type(
        "schedule", "--type", "log", "--cron", "0 3 * * *", "--tz", "Europe/Berlin", "--id", "new",
        "--payload", '{"a": 1}', "--max-attempts", "5", "--reason", "asked for",
    )  # fmt: skip
    assert done.code == 0, done.err
    stored = place.jobs["new"]
    assert stored["schedule"] == {"cron": "0 3 * * *", "tz": "Europe/Berlin"}
    assert (stored["payload"], stored["max_attempts"]) == ({"a": 1}, 5)
    assert place.recorded() == [("jobs schedule new", "asked for", True)]
    again = place.type("schedule", "--type", "log", "--every", "60", "--id", "new")
    assert again.code == ExitCode.CLOUD


def test_a_job_is_scheduled_with_its_keys_and_what_the_clocks_do(place: Place) -> None:
    done = place.type(
        "schedule", "--type", "log", "--cron", "30 2 * * *", "--tz", "Europe/Berlin", "--id", "new",
        "--dst-missing", "skip", "--dst-repeated", "both", "--concurrency-key", "mail",
        "--misfire", "run_all", "--max-catchup", "7",
    )  # fmt: skip
    assert done.code == 0, done.err
    stored = place.jobs["new"]
    assert stored["schedule"]["dst"] == {"missing": "skip", "repeated": "both"}
    assert (stored["concurrency_key"], stored["max_catchup"]) == ("mail", 7)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ((), "0 of --at, --cron and --every are given"),
        (("--every", "60", "--cron", "* * * * *"), "2 of --at, --cron and --every"),
        (("--cron", "* * * *"), "has 4 fields"),
        (("--every", "0"), "at least 1"),
        (("--at", "2026-01-05T12:00:00"), "no instant with a time zone"),
        (("--at", "tomorrow"), "no instant with a time zone"),
        (("--at", "2026-01-05T12:00:00Z", "--tz", "UTC"), "--tz belongs to --cron"),
        (("--every", "60", "--dst-missing", "skip"), "belong to --cron"),
        (("--cron", "* * * * *", "--dst-missing", "never"), "never"),
        (("--every", "60", "--payload", "["), "--payload is no JSON"),
        (("--every", "60", "--payload", "[]"), "--payload is no JSON object"),
        (("--every", "60", "--id", "a/b"), "cannot be a job's id"),
    ],
)
def test_a_wrong_schedule_is_refused_before_anything_is_asked(
    place: Place, words: tuple[str, ...], told: str
) -> None:
    refused = place.type("schedule", "--type", "log", *words)
    assert refused.code == ExitCode.USAGE
    assert told in refused.err
    assert "next: " in refused.err
    assert set(place.jobs) == {"digest"}
    assert place.recorded() == []


def test_pause_resume_and_cancel_say_when_it_is_so_already(place: Place) -> None:
    for verb in ("pause", "resume", "cancel"):
        first, again = place.type(verb, "digest"), place.type(verb, "digest")
        assert (first.code, again.code) == (0, 0)
        assert "changed: job digest" in first.out
        assert "already so: job digest" in again.out
    assert place.jobs["digest"]["state"] == "cancelled"
    assert [changed for *_, changed in place.recorded()] == [True, False] * 3


def test_what_has_ended_is_not_paused(place: Place) -> None:
    place.type("cancel", "digest")
    refused = place.type("pause", "digest")
    assert refused.code == ExitCode.REFUSED
    assert "it has ended" in refused.err


def test_in_production_a_change_without_a_terminal_needs_yes(place: Place) -> None:
    refused = place.type("cancel", "digest", env="production")
    assert refused.code == ExitCode.REFUSED
    assert "--yes" in refused.err
    assert place.jobs["digest"]["state"] == "scheduled"
    assert place.type("pause", "digest", env="production").code == 0
    assert place.type("cancel", "digest", "--yes", env="production").code == 0


def test_a_live_lease_is_released_by_force_with_a_reason_only(place: Place) -> None:
    place.put(leased("digest", 60))
    refused = place.type("release", "digest")
    assert refused.code == ExitCode.REFUSED
    assert "held by r1/i/t until 2026-01-05T12:01:00Z, fence 1" in refused.err
    assert place.type("release", "digest", "--force").code == ExitCode.USAGE
    done = place.type("release", "digest", "--force", "--reason", "the instance hangs")
    assert done.code == 0
    assert "was held by r1/i/t until 2026-01-05T12:01:00Z, fence 1; now scheduled" in done.out
    assert place.jobs["digest"]["fence"] == 2
    assert place.recorded()[-1] == ("jobs release digest", "the instance hangs", True)
    assert "nobody holds it" in place.type("release", "digest").out


def test_an_expired_lease_needs_no_force(place: Place) -> None:
    place.put(leased("digest", -1))
    assert place.type("release", "digest").code == 0
    assert place.jobs["digest"]["lease_until"] is None


def test_export_and_import_are_a_round_trip(place: Place) -> None:
    out = place.folder / "jobs.json"
    assert place.type("export", "--to", str(out)).code == 0
    place.jobs.clear()
    done = place.type("import", "--from", str(out), "--json")
    assert (done.code, done.data["imported"], done.data["all_as_in_file"]) == (0, 1, True)
    assert "just these jobs" in place.type("import", "--from", str(out)).out
    out.write_text(out.read_text().replace('"fence":0', '"fence":"?"'))
    refused = place.type("import", "--from", str(out))
    assert refused.code == ExitCode.REFUSED
    assert 'line 2: job digest: field fence is "?"' in refused.err


def test_an_export_is_kept_waiting_by_a_live_lease(place: Place) -> None:
    place.put(leased("digest", 30))
    out = str(place.folder / "jobs.json")
    blocked = place.type("export", "--to", out)
    assert blocked.code == ExitCode.WAITING
    assert "--held" in blocked.err
    assert "1 of them held" in place.type("export", "--to", out, "--held").out
    assert place.type("export", "--to", out, "--wait", "60").code == 0


def test_jobs_migrate_and_the_next_run_says_already_so(place: Place) -> None:
    words = ("migrate", "--from", "service", "--to", "json:jobs.jsonl")
    first = place.type(*words)
    assert first.code == 0, first.err
    target = f"json:{place.folder.resolve()}/jobs.jsonl"
    assert f"{target} has driver legacy" in first.out
    assert set(place.ports.migrations.places[target].jobs) == {"digest"}
    assert "already so: 1 jobs" in place.type(*words).out
    assert [changed for *_, changed in place.recorded()] == [True, False]


@pytest.mark.parametrize(
    ("source", "target", "told"),
    [
        ("service", "service", "are both service"),
        ("disk", "service", "'disk' is no place of jobs"),
        ("json", "service", "no file is named"),
        ("json:", "service", "names no place behind the colon"),
        ("service", "firestore:a/", "is not firestore:PROJECT/DATABASE"),
        ("service:x", "json:a", "'service:x' is no place of jobs"),
    ],
)
def test_a_place_that_is_none_is_refused(place: Place, source: str, target: str, told: str) -> None:
    refused = place.type("migrate", "--from", source, "--to", target)
    assert refused.code == ExitCode.USAGE
    assert told in refused.err


def test_nothing_unfinished_can_be_abandoned(place: Place) -> None:
    refused = place.type("migrate", "--from", "service", "--to", "firestore", "--abandon")
    assert refused.code == ExitCode.REFUSED


def test_why_ends_with_a_conclusion_and_its_code_says_how_sure_it_is(place: Place) -> None:
    place.world.clock.set(NOW + timedelta(seconds=360))
    told = place.type("why", "digest")
    assert told.code == 0
    assert "has not ended: it is due since 60 s" in told.out
    assert place.type("why", "digest", "--at", "2026-01-05T12:00:00").code == ExitCode.USAGE
    unknown = place.type("why", "nix", "--json")
    assert unknown.code == ExitCode.CLOUD
    assert unknown.data["conclusion"] == "no job 'nix' is stored here"
    holed = {**place.jobs["digest"], "slot": "2026-01-05T12:15:00Z", "counts": {"succeeded": 99}}
    run = {"slot": "2026-01-05T12:10:00Z", "outcome": "succeeded", "at": "2026-01-05T12:10:01Z"}
    place.jobs["digest"] = {**holed, "recent": [run]}
    forgotten = place.type("why", "digest", "--at", "2026-01-05T12:05:00Z", "--json")
    assert (forgotten.code, forgotten.data["certain"]) == (ExitCode.INCONCLUSIVE, False)


def test_an_audit_passes_fails_or_cannot_say(place: Place) -> None:
    words = ("audit", "--from", "2026-01-05T12:00:00Z")
    nothing = place.type(*words, "--to", "2026-01-05T12:03:00Z")
    assert nothing.code == ExitCode.INCONCLUSIVE
    place.world.clock.set(NOW + timedelta(seconds=660))
    passed = place.type(*words)
    assert passed.code == 0
    assert "PASS: all 2 slots are accounted for" in passed.out
    place.jobs["digest"]["slot"] = "2026-01-05T12:10:00Z"
    failed = place.type(*words)
    assert failed.code == ExitCode.CHECK_FAILED
    assert "MISSING digest slot 2026-01-05T12:05:00+00:00" in failed.out
    one = place.type(*words, "digest", "--json")
    assert one.data["details"][0]["missing"] == ["2026-01-05T12:05:00+00:00"]
    place.jobs["digest"]["counts"] = {"succeeded": 7}
    run = {"slot": "2026-01-05T12:10:00Z", "outcome": "succeeded", "at": "2026-01-05T12:10:01Z"}
    place.jobs["digest"] |= {"recent": [run], "slot": "2026-01-05T12:15:00Z"}
    unsure = place.type(*words)
    assert unsure.code == ExitCode.INCONCLUSIVE
    assert "cannot be judged: 2026-01-05T12:05:00+00:00" in unsure.out
    assert place.type("audit", "--from", "2026-01-06T00:00:00Z").code == ExitCode.USAGE


def test_what_was_cut_off_is_said_with_the_command_that_goes_on(place: Place) -> None:
    def cut_off(_call: str) -> None:
        raise SystemExit(137)

    place.world.before = cut_off
    assert place.type("pause", "digest").code == 137
    place.world.before = lambda _call: None
    assert "go on with: emonk-ops jobs pause digest --env qa" in place.type("list").out
    place.type("pause", "digest")
    assert "unfinished" not in place.type("list").out


def test_an_audit_of_a_service_that_cannot_be_asked_goes_by_its_file_and_its_log(
    place: Place,
) -> None:
    made = place.world.revisions[-1]
    env = {name: value for name, value in made.env.items() if name != "ADMIN_USERS"}
    place.world.revisions[-1] = replace(made, env=env)
    words = ("audit", "--from", "2026-01-05T12:00:00Z")
    place.world.clock.set(NOW + timedelta(seconds=1))
    refused = place.type(*words)
    assert (refused.code, "no admin API" in refused.err) == (ExitCode.CLOUD, True)
    settings = place.folder / "emonk-ops.toml"
    named = '[env.qa]\njob_definitions = "jobs.json"'
    settings.write_text(settings.read_text().replace("[env.qa]", named, 1))
    defined = [{"id": "digest", "schedule": {"cron": "*/5 * * * *"}}]
    (place.folder / "jobs.json").write_text(json.dumps({"jobs": defined}))
    for minute in (0, 5):
        slot = NOW + timedelta(minutes=minute)
        place.world.clock.set(slot + timedelta(seconds=2))
        place.world.write("Job succeeded", job_id="digest", slot=slot.isoformat())
    place.world.clock.set(NOW + timedelta(minutes=9))
    passed = place.type(*words)
    assert passed.code == 0
    assert "PASS: all 2 slots are accounted for" in passed.out
    place.world.clock.set(NOW + timedelta(minutes=14))
    unsure = place.type(*words, "digest")
    assert unsure.code == ExitCode.INCONCLUSIVE
    assert "the service cannot be asked" in unsure.out
    strange = place.type(*words, "nobody")
    assert (strange.code, "jobs.json has no job nobody" in strange.err) == (ExitCode.USAGE, True)

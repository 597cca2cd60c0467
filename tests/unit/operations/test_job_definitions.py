"""A service that is not ours, without an admin API: a file tells what its jobs are."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from emonk_ops.errors import NotOffered, Refused, StepFailed, UsageError
from emonk_ops.operations import cutover, deploy
from emonk_ops.operations.job_audit import audit
from emonk_ops.operations.job_definitions import known_jobs, read_definitions
from emonk_ops.operations.job_files import write_document
from emonk_ops.operations.judgeable import cadence_fits, jobs_to_judge
from emonk_ops.operations.judging.watching import shadow_began
from emonk_ops.operations.prerequisites import environment_configured
from emonk_ops.ports import LogEntry
from emonk_ops.rollout.model import Verdict
from emonk_ops.rollout.situation import describe
from emonk_ops.settings import Environment, Target
from emonk_ops.testing import InMemoryPorts, InMemoryWorld
from emonk_ops.testing.world import SERVICE_ENV
from emonk_ops.tick.jobs import Job, Schedule, checksum
from emonk_ops.toolbox import Toolbox

from .stored_jobs import NOW, job

FOREIGN_ENV = {name: value for name, value in SERVICE_ENV.items() if name != "ADMIN_USERS"}
MINUTELY = {"id": "report", "schedule": {"cron": "* * * * *"}}


def foreign(folder: Path, *jobs: Mapping[str, Any]) -> Toolbox:
    env = Environment("qa", Target.SANDBOX, "emonk-qa")
    if jobs:
        env = replace(env, job_definitions=written(folder, {"jobs": list(jobs)}))
    return Toolbox(env, InMemoryPorts(InMemoryWorld(FOREIGN_ENV)), folder / "keep", waits=False)


def written(folder: Path, document: object) -> Path:
    path = folder / "jobs.json"
    path.write_text(json.dumps(document))
    return path


def test_the_short_form_gives_each_job_its_next_slot(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        {
            "jobs": [
                {"id": "daily", "schedule": {"cron": "30 9 * * *", "tz": "Europe/Berlin"}},
                {"id": "often", "schedule": {"every": 90}, "slot": "2026-01-01T00:00:30Z"},
                {"id": "once", "schedule": {"at": "2026-01-04T00:00:00Z"}},
            ]
        },
    )
    slots = {one.id: one.slot for one in read_definitions(path, NOW)}
    assert slots == {
        "daily": datetime(2026, 1, 6, 8, 30, tzinfo=UTC),
        "often": datetime(2026, 1, 5, 12, 0, 30, tzinfo=UTC),
        "once": datetime(2026, 1, 4, tzinfo=UTC),
    }


def test_an_export_is_read_whole_and_brought_up_to_now(tmp_path: Path) -> None:
    jobs = [job("a").to_dict()]
    document = {"format": "emonk-jobs/1", "checksum": checksum(jobs), "count": 1, "held": []}
    path = tmp_path / "export.json"
    write_document(path, {**document, "jobs": jobs})
    later = NOW + timedelta(days=3, minutes=1)
    (read,) = read_definitions(path, later)
    assert read.slot == read.due_at == NOW + timedelta(days=3, minutes=5)
    assert read_definitions(path) == (Job.from_dict(jobs[0]),)
    path.write_text(path.read_text().replace('"type":"log"', '"type":"lag"'))
    with pytest.raises(Refused, match="checksum"):
        read_definitions(path, later)


@pytest.mark.parametrize(
    ("document", "told"),
    [
        ([], "no jobs are defined there"),
        ({"jobs": [], "extra": 1}, "no jobs are defined there"),
        ({"jobs": [{"schedule": {"every": 60}}]}, "job 1: it has no id"),
        ({"jobs": [{"id": "a"}]}, r"job 1 \(a\): it has no schedule"),
        ({"jobs": [{"id": "a", "schedule": {"cron": "every day"}}]}, r"job 1 \(a\): .*every day"),
        ({"jobs": [{"id": "a", "schedule": {"every": 60}}]}, "slot is missing"),
        ({"jobs": [{**MINUTELY, "slot": "2026-01-01T00:00"}]}, "no time zone"),
        ({"jobs": [{**MINUTELY, "sedule": 1}]}, "unknown sedule; keys: id, schedule, slot, type"),
        ({"jobs": [MINUTELY, MINUTELY]}, "defined twice: report"),
    ],
)
def test_a_file_that_is_wrong_says_which_job_and_what(
    tmp_path: Path, document: object, told: str
) -> None:
    with pytest.raises(UsageError, match=told):
        read_definitions(written(tmp_path, document), NOW)


def test_a_file_that_is_not_there_or_no_json_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"none.json \(job_definitions\) cannot be read"):
        read_definitions(tmp_path / "none.json", NOW)
    (tmp_path / "cut.json").write_text('{"jobs": [')
    with pytest.raises(UsageError, match=r"cut.json \(job_definitions\) is no JSON"):
        read_definitions(tmp_path / "cut.json", NOW)


def test_the_service_itself_is_asked_first(tmp_path: Path) -> None:
    tools = foreign(tmp_path, MINUTELY)
    assert known_jobs(tools).recorded is False
    world = InMemoryWorld()
    world.store.jobs = {"digest": job("digest").to_dict()}
    found = known_jobs(replace(tools, ports=InMemoryPorts(world)))
    assert ([one.id for one in found.jobs], found.recorded) == (["digest"], True)


def test_without_either_nothing_is_deployed_for_a_shadow_that_nobody_can_judge(
    tmp_path: Path,
) -> None:
    tools = foreign(tmp_path)
    with pytest.raises(NotOffered, match="no file says what its jobs are"):
        known_jobs(tools)
    found = jobs_to_judge(tools)
    assert found.verdict is Verdict.FAIL
    assert "job_definitions" in found.hint


def test_with_it_the_shadow_has_jobs_to_judge(tmp_path: Path) -> None:
    found = jobs_to_judge(foreign(tmp_path, MINUTELY))
    assert found.verdict is Verdict.PASS
    assert found.summary.endswith("by jobs.json")
    rare = {"id": "yearly", "schedule": {"cron": "0 0 29 2 *"}}
    assert jobs_to_judge(foreign(tmp_path, rare)).verdict is Verdict.FAIL


def test_a_shadow_of_a_service_that_does_not_tell_begins_with_its_revision(tmp_path: Path) -> None:
    tools = foreign(tmp_path, MINUTELY)
    assert shadow_began(tools) is None
    deploy.ensure_shadow_revision(tools)
    made = tools.run.describe_revision(tools.run.describe_service().serving_revision).created_at
    assert shadow_began(tools) == made


def test_a_person_answers_for_the_documents_that_nobody_can_count(tmp_path: Path) -> None:
    found = cutover.jobs_arrived(foreign(tmp_path, MINUTELY))
    assert (found.verdict, "--confirm documents" in found.hint) == (Verdict.ASK, True)


def test_ends_of_a_job_that_only_a_file_defines_are_in_the_log_alone() -> None:
    schedule = Schedule.from_dict({"cron": "*/5 * * * *"})
    stored = job("a", schedule=schedule)

    def told(_job: Job) -> list[LogEntry]:
        slots = (NOW, NOW + timedelta(minutes=10))
        return [entry("Job succeeded", slot) for slot in slots]

    end = NOW + timedelta(minutes=15)
    found = audit(stored, NOW, end, end, told, recorded=False)
    assert found.classes == {"succeeded": 1, "unknown": 1}
    assert found.unknown == (NOW + timedelta(minutes=5), NOW + timedelta(minutes=5))
    assert "the service cannot be asked" in found.why_unknown


def entry(message: str, slot: datetime) -> LogEntry:
    payload = {"message": message, "job_id": "a", "slot": slot.isoformat()}
    return LogEntry(
        timestamp=slot,
        insert_id=slot.isoformat(),
        log="run.googleapis.com/stdout",
        severity="INFO",
        message=message,
        payload=payload,
        http={},
        labels={},
        resource={},
    )


def test_another_service_in_place_of_ours_is_refused_before_jobs_are_lost(
    tools: Toolbox, world: InMemoryWorld
) -> None:
    def no_api_any_more(call: str) -> None:
        if call == "deploy":
            made = world.revisions[-1]
            env = {name: value for name, value in made.env.items() if name != "ADMIN_USERS"}
            world.revisions[-1] = replace(made, env=env)

    world.after = no_api_any_more
    with pytest.raises(StepFailed, match="cannot take the jobs of") as failure:
        deploy.ensure_legacy_revision(tools)
    assert "docs/service-contract.md" in failure.value.hint


def test_the_situation_tells_who_drives_by_the_variables(tmp_path: Path) -> None:
    tools = foreign(tmp_path, MINUTELY)
    deploy.ensure_shadow_revision(tools)
    told = {part.name: part for part in describe(tools)}["driver"]
    assert told.sentence.startswith("both drive (shadow), by the variables of emonk-agent-")
    assert (told.facts["driver"], told.ok) == ("shadow", True)


def test_a_variable_of_its_own_is_named_in_service_env(
    tools: Toolbox, world: InMemoryWorld
) -> None:
    made = world.revisions[-1]
    world.revisions[-1] = replace(made, env={**made.env, "SCHEDULER_COLOUR": "red"})
    found = environment_configured(tools)
    assert found.verdict is Verdict.FAIL
    assert "SCHEDULER_COLOUR is not a documented variable" in found.summary
    env = replace(tools.env, service_env={"SCHEDULER_COLOUR": "red"})
    assert environment_configured(replace(tools, env=env)).verdict is Verdict.PASS


def test_a_shadow_in_which_no_slot_is_certain_yet_says_that_it_will_take_longer(
    tmp_path: Path,
) -> None:
    tools = foreign(tmp_path, MINUTELY)
    short = replace(tools.env, cadence="* * * * *", shadow_hours=0.1)
    found = cadence_fits(replace(tools, env=short))
    assert found.verdict is Verdict.PASS
    assert "certain only 0:07:45 behind it: it will take longer" in found.summary
    enough = cadence_fits(replace(tools, env=replace(short, shadow_hours=0.17)))
    assert "longer" not in enough.summary
    none = cadence_fits(replace(tools, env=replace(short, shadow_hours=0.03)))
    assert none.verdict is Verdict.FAIL

"""Prerequisites, probes and who drives: one change of the world, one verdict."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from emonk_ops.operations import driver, prerequisites, probes, service_env, tick_job
from emonk_ops.operations.grants import OPERATOR_PERMISSIONS
from emonk_ops.rollout.model import Finding, Verdict
from emonk_ops.settings import Environment
from emonk_ops.testing import SERVICE_ENV, InMemoryPorts, InMemoryWorld
from emonk_ops.tick.settings_table import FIELDS
from emonk_ops.toolbox import Toolbox

Ask = Callable[[Toolbox], Finding]


def opened(
    tmp_path: Path, env: Environment, **variables: str | None
) -> tuple[Toolbox, InMemoryWorld]:
    merged: Mapping[str, str | None] = {**SERVICE_ENV, **variables}
    world = InMemoryWorld({key: value for key, value in merged.items() if value is not None})
    return Toolbox(env=env, ports=InMemoryPorts(world), keep=tmp_path), world


@pytest.mark.parametrize(
    "ask",
    [
        prerequisites.service_healthy,
        prerequisites.environment_configured,
        prerequisites.environment_set_up,
        prerequisites.firestore_database,
        prerequisites.scheduler_api_enabled,
        prerequisites.operator_permissions,
        prerequisites.service_permissions,
        prerequisites.json_has_one_instance,
        prerequisites.legacy_loop_has_cpu,
        prerequisites.cadence_avoids_dst,
        probes.healthy,
        probes.tick_is_guarded,
        probes.webhook_is_guarded,
        probes.both_paths_exist,
        probes.startup_lines_logged,
        probes.no_errors_since_start,
        driver.one_driver,
        driver.legacy_drives_alone,
        driver.no_job_enabled,
    ],
    ids=lambda ask: ask.__name__,
)
def test_the_world_before_the_migration_passes(tools: Toolbox, ask: Ask) -> None:
    found = ask(tools)
    assert found.verdict is Verdict.PASS, found.summary


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("TICK_AUDIENCE", None, "TICK_AUDIENCE is not set"),
        ("SCHEDULER_STORAGE", "redis", "SCHEDULER_STORAGE=redis is none of"),
        ("SCHEDULER_CADANCE", "* * * * *", "SCHEDULER_CADANCE is not a documented variable"),
    ],
)
def test_a_missing_or_misspelt_variable_fails(
    tmp_path: Path, env: Environment, name: str, value: str | None, told: str
) -> None:
    tools, _world = opened(tmp_path, env, **{name: value})
    found = prerequisites.environment_configured(tools)
    assert found.verdict is Verdict.FAIL
    assert told in found.summary


def test_a_service_of_another_environment_fails(tmp_path: Path, env: Environment) -> None:
    tools, _world = opened(tmp_path, env, ENVIRONMENT="production")
    assert prerequisites.environment_set_up(tools).verdict is Verdict.FAIL


def test_storage_that_stage_4_switches_is_no_failure(tools: Toolbox) -> None:
    production = replace(tools, env=replace(tools.env, storage="firestore"))
    found = prerequisites.environment_set_up(production)
    assert found.verdict is Verdict.PASS
    assert "stage 4 switches to firestore" in found.summary


def test_cold_facts_of_the_platform_fail(tools: Toolbox, world: InMemoryWorld) -> None:
    world.revisions[0] = replace(
        world.revisions[0], max_instances=0, min_instances=0, cpu_always_allocated=False
    )
    assert prerequisites.json_has_one_instance(tools).verdict is Verdict.FAIL
    found = prerequisites.legacy_loop_has_cpu(tools)
    assert found.verdict is Verdict.FAIL
    assert "--no-cpu-throttling" in found.hint


def test_what_the_project_denies_is_named_with_the_next_command(
    tools: Toolbox, ports: InMemoryPorts
) -> None:
    ports.platform.disabled.add(prerequisites.SCHEDULER_API)
    ports.platform.denied.add(OPERATOR_PERMISSIONS[0])
    ports.platform.database = None
    firestore = replace(tools, env=replace(tools.env, storage="firestore"))
    asked = {
        prerequisites.scheduler_api_enabled: "gcloud services enable",
        prerequisites.operator_permissions: "emonk-ops config permissions",
        prerequisites.firestore_database: "gcloud firestore databases create",
        prerequisites.service_permissions: "add-iam-policy-binding",
    }
    for ask, hint in asked.items():
        found = ask(firestore)
        assert (found.verdict, hint in found.hint) == (Verdict.FAIL, True), found


@pytest.mark.parametrize(
    ("cadence", "zone", "verdict"),
    [
        ("*/5 * * * *", "Europe/Berlin", Verdict.PASS),
        ("30 2 * * *", "Europe/Berlin", Verdict.FAIL),
        ("30 2 * * *", "Etc/UTC", Verdict.PASS),
    ],
)
def test_a_cadence_that_meets_a_change_of_clocks_is_told(
    tools: Toolbox, cadence: str, zone: str, verdict: Verdict
) -> None:
    moved = replace(tools, env=replace(tools.env, cadence=cadence, time_zone=zone))
    assert prerequisites.cadence_avoids_dst(moved).verdict is verdict


def test_start_up_lines_that_are_missing_are_named(tools: Toolbox, world: InMemoryWorld) -> None:
    world.startup_lines = world.startup_lines[1:]
    world.make_revision()
    found = probes.startup_lines_logged(tools)
    assert found.verdict is Verdict.FAIL
    assert "Scheduler storage initialized" in found.summary
    assert "Agent Core created" not in found.summary


def test_an_error_since_the_revision_started_fails(tools: Toolbox, world: InMemoryWorld) -> None:
    world.write("storage is broken", severity="ERROR")
    assert "storage is broken" in probes.no_errors_since_start(tools).summary


@pytest.mark.parametrize(
    ("record", "job", "told"),
    [
        (("nobody", 4), None, "nobody drives"),
        (("legacy", 4), "ENABLED", "two could drive"),
        (("cloud", 4), "PAUSED", "nobody ticks"),
        (("cloud", 4), None, "nobody ticks"),
    ],
)
def test_exactly_one_driver_or_it_says_which_way_it_is_wrong(
    tools: Toolbox, world: InMemoryWorld, record: tuple[str, int], job: str | None, told: str
) -> None:
    if job:
        tools.jobs.create(tick_job.wanted_spec(tools), paused=job == "PAUSED")
    world.store.record = record
    found = driver.one_driver(tools)
    assert found.verdict is Verdict.FAIL
    assert told in found.summary


def test_a_service_without_an_admin_api_is_judged_by_its_environment(
    tmp_path: Path, env: Environment
) -> None:
    tools, _world = opened(tmp_path, env, ADMIN_USERS=None)
    found = driver.legacy_drives_alone(tools)
    assert found.verdict is Verdict.PASS
    assert found.facts["said_by"] == "environment of the serving revision"


def test_the_documented_variables_are_those_the_service_reads() -> None:
    read = {variable.name for variable in FIELDS} - {"K_SERVICE", "K_REVISION"}
    assert set(service_env.DOCUMENTED) == read

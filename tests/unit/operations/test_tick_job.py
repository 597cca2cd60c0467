from __future__ import annotations

from dataclasses import replace

import pytest

from emonk_ops.errors import NotFound, StepFailed
from emonk_ops.operations import tick_job
from emonk_ops.operations.capture import capture
from emonk_ops.operations.rollback import inverse_steps
from emonk_ops.ports import CommandResult
from emonk_ops.rollout.model import Verdict
from emonk_ops.settings import CommandSettings
from emonk_ops.testing import InMemoryPorts, InMemoryWorld
from emonk_ops.toolbox import Toolbox

SCRIPT = ("./setup-scheduler.sh",)


def test_the_job_is_made_paused_once(tools: Toolbox, world: InMemoryWorld) -> None:
    assert tick_job.preview_job(tools).facts["diff"]["schedule"] == ["", "*/5 * * * *"]
    assert tick_job.ensure_job(tools).changed
    assert world.job is not None
    assert (world.job.state, world.job.spec.oidc_audience) == ("PAUSED", "http://agent.test")
    assert not tick_job.ensure_job(tools).changed
    assert not tick_job.preview_job(tools).changed


def test_somebody_else_s_change_is_shown_and_brought_back(
    tools: Toolbox, world: InMemoryWorld
) -> None:
    tick_job.ensure_job(tools)
    assert world.job is not None
    drifted = replace(world.job.spec, schedule="0 * * * *", oidc_account="", description="mine")
    world.job = replace(world.job, spec=drifted)
    assert tick_job.job_as_specified(tools).verdict is Verdict.FAIL
    assert tick_job.oidc_configured(tools).verdict is Verdict.FAIL
    found = tick_job.ensure_job(tools)
    assert found.facts["diff"]["schedule"] == ["0 * * * *", "*/5 * * * *"]
    assert "description" not in found.facts["diff"]
    assert world.job.spec.schedule == "*/5 * * * *"


def test_a_script_may_make_the_job_and_is_read_back(
    tools: Toolbox, ports: InMemoryPorts, world: InMemoryWorld
) -> None:
    tools = replace(
        tools, env=replace(tools.env, commands=CommandSettings(set_up_scheduler=SCRIPT))
    )
    odd = replace(tick_job.wanted_spec(tools), attempt_deadline_seconds=30)

    def script() -> None:
        if world.job is None:
            ports.jobs.create(odd, paused=False)

    ports.commands.does[SCRIPT] = script
    found = tick_job.ensure_job(tools)
    assert found.facts["diff"] == {"attempt_deadline_seconds": ["30", "180"]}
    ports.commands.results[SCRIPT] = CommandResult(SCRIPT, 1, 0.1, ("denied",))
    with pytest.raises(StepFailed, match="ended with 1: denied"):
        tick_job.ensure_job(tools)


def test_pausing_what_is_absent_or_paused_is_already_so(tools: Toolbox) -> None:
    assert not tick_job.ensure_paused(tools).changed
    tick_job.ensure_job(tools)
    tick_job.ensure_enabled(tools)
    assert tick_job.ensure_paused(tools).changed
    assert not tick_job.ensure_paused(tools).changed


def test_a_job_that_is_not_there_names_the_next_command(tools: Toolbox) -> None:
    with pytest.raises(NotFound) as failure:
        tick_job.ensure_enabled(tools)
    assert failure.value.hint == "emonk-ops stage 2 --env qa"


def test_the_canary_tick_of_a_paused_job_runs_nothing(tools: Toolbox, world: InMemoryWorld) -> None:
    tick_job.ensure_job(tools)
    done = tick_job.canary_tick(tools)
    assert done.facts["body"]["executed"] is False
    assert world.ran == []


@pytest.mark.parametrize("state", ["ENABLED", "PAUSED"])
def test_a_rollback_gives_an_existing_job_its_specification_and_state_back(
    tools: Toolbox, world: InMemoryWorld, state: str
) -> None:
    spec = replace(tick_job.wanted_spec(tools), schedule="0 3 * * *")
    tools.jobs.create(spec, paused=state == "PAUSED")
    if state == "ENABLED":
        world.store.record = ("shadow", 1)
    captured = capture(tools)
    tick_job.ensure_job(tools)
    tick_job.ensure_enabled(tools)
    for step in inverse_steps(tools.env, captured):
        step.run(tools)
    assert world.job is not None
    assert (world.job.spec, world.job.state) == (spec, state)


def test_every_step_of_a_rollback_has_a_budget_and_the_job_is_paused_first(
    tools: Toolbox,
) -> None:
    steps = inverse_steps(tools.env, capture(tools))
    assert [step.id for step in steps] == [
        *("pause-job", "restore-revision", "restore-job", "one-driver")
    ]
    assert all(step.budget_seconds for step in steps)

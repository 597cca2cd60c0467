from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from emonk_ops.errors import Conflict, DeployFailed
from emonk_ops.operations import deploy, traffic
from emonk_ops.ports import CommandResult, TrafficShare
from emonk_ops.rollout.model import Verdict
from emonk_ops.settings import CommandSettings, Environment, ServiceSettings
from emonk_ops.testing import BROKEN_IMAGE, InMemoryPorts, InMemoryWorld
from emonk_ops.toolbox import Toolbox

SCRIPT = ("./deploy.sh",)


def with_script(tools: Toolbox) -> Toolbox:
    return replace(tools, env=replace(tools.env, commands=CommandSettings(deploy=SCRIPT)))


def with_image(tools: Toolbox, image: str) -> Toolbox:
    return replace(tools, env=replace(tools.env, service=ServiceSettings(image=image)))


def test_a_preview_shows_each_difference_and_changes_nothing(
    tools: Toolbox, world: InMemoryWorld
) -> None:
    before = world.generation
    shown = deploy.preview_legacy_revision(with_image(tools, "agent:2"))
    assert shown.changed
    assert shown.facts["diff"]["image"] == ["emonk-agent", "agent:2"]
    assert world.generation == before


def test_a_second_deployment_is_already_so(tools: Toolbox, world: InMemoryWorld) -> None:
    first = deploy.ensure_legacy_revision(tools)
    assert first.changed
    assert first.facts["jobs"] == 2
    second = deploy.ensure_legacy_revision(tools)
    assert (second.changed, len(world.revisions)) == (False, 2)
    assert not deploy.preview_legacy_revision(tools).changed


def test_a_pin_of_an_earlier_rollback_is_taken_away(tools: Toolbox, world: InMemoryWorld) -> None:
    deploy.ensure_legacy_revision(tools)
    world.traffic = (TrafficShare(world.revisions[0].name, 100),)
    assert traffic.latest_serves(tools).summary.startswith("PINNED")
    deploy.ensure_legacy_revision(tools)
    assert traffic.latest_serves(tools).verdict is Verdict.PASS


def test_after_a_rollback_of_the_cutover_an_earlier_stage_keeps_the_storage_that_runs(
    tools: Toolbox, world: InMemoryWorld
) -> None:
    deploy.ensure_shadow_revision(tools)
    before = world.serving
    deploy.ensure_firestore(tools)
    assert world.template.env["SCHEDULER_STORAGE"] == "firestore"
    traffic.to_revision(tools, before)
    assert deploy.preview_cloud_revision(tools).facts["diff"]["newest SCHEDULER_STORAGE"] == [
        "firestore",
        "json",
    ]
    deploy.ensure_cloud_revision(tools)
    serving = world.revision(world.serving)
    assert serving.name != before
    assert serving.env["SCHEDULER_STORAGE"] == "json"
    assert "VERTEX_AI_PROJECT_ID" not in serving.env
    assert len(world.store.jobs) == 2


def test_a_container_that_never_answers_says_its_last_words(
    tools: Toolbox, world: InMemoryWorld
) -> None:
    serving = world.serving
    with pytest.raises(DeployFailed) as failure:
        deploy.ensure_legacy_revision(with_image(tools, BROKEN_IMAGE))
    assert failure.value.log_lines == ("ImportError: no module named agent",)
    assert world.serving == serving
    record = world.record()
    assert record is not None
    assert record[0] == "legacy"
    assert not tools.run.describe_service().pinned


def test_after_a_failed_deployment_the_next_one_starts_from_what_serves(
    tools: Toolbox, world: InMemoryWorld
) -> None:
    with pytest.raises(DeployFailed):
        deploy.ensure_legacy_revision(with_image(tools, BROKEN_IMAGE))
    deploy.ensure_legacy_revision(tools)
    assert world.revision(world.serving).image == "emonk-agent"


def test_the_configured_command_deploys_and_its_image_stays(
    tools: Toolbox, ports: InMemoryPorts, world: InMemoryWorld
) -> None:
    def script() -> None:
        world.template = replace(world.template, image="agent:built")
        world.make_revision()

    ports.commands.does[SCRIPT] = script
    deploy.ensure_legacy_revision(with_script(tools))
    (argv, passed) = ports.commands.asked[0]
    assert argv == SCRIPT
    assert passed["EMONK_SERVICE"] == "emonk-agent"
    assert passed["SCHEDULER_LEGACY_LOOP"] == "true"
    served = world.revision(world.serving)
    assert (served.image, served.env["TICK_AUDIENCE"]) == ("agent:built", "http://agent.test")
    assert world.serving == world.revisions[-1].name


def test_handing_over_to_cloud_scheduler_builds_nothing(
    tools: Toolbox, ports: InMemoryPorts
) -> None:
    deploy.ensure_cloud_revision(with_script(tools))
    assert ports.commands.asked == []
    assert not deploy.ensure_cloud_revision(with_script(tools)).changed


def test_a_command_that_fails_gives_the_drive_back_and_pins_nothing(
    tools: Toolbox, ports: InMemoryPorts, world: InMemoryWorld
) -> None:
    ports.commands.results[SCRIPT] = CommandResult(SCRIPT, 3, 0.1, ("no such project",))
    with pytest.raises(DeployFailed, match="ended with 3") as failure:
        deploy.ensure_legacy_revision(with_script(tools))
    assert failure.value.log_lines == ("no such project",)
    record = world.record()
    assert record is not None
    assert record[0] == "legacy"
    assert not tools.run.describe_service().pinned


def test_without_an_admin_api_the_deployment_says_that_no_job_was_carried(
    env: Environment, tmp_path: Path
) -> None:
    world = InMemoryWorld({"SCHEDULER_STORAGE": "json", "SCHEDULER_LEGACY_LOOP": "true"})
    tools = Toolbox(env=env, ports=InMemoryPorts(world), keep=tmp_path)
    done = deploy.ensure_legacy_revision(tools)
    assert "jobs not carried: the service has no admin API" in done.summary


def test_a_tick_that_makes_the_new_revision_take_the_drive_first_is_no_conflict(
    tools: Toolbox, world: InMemoryWorld
) -> None:
    """The platform ticks where the traffic goes: between the question and the activation, too."""
    deploy.ensure_shadow_revision(tools)
    deploy.ensure_firestore(tools)
    epoch = tools.service.driver().epoch

    def taken(call: str) -> None:
        if call == "activate":
            world.after = lambda _call: None
            raise Conflict("the driver's epoch is 9, not 8: somebody else changed the driver.")

    world.after = taken
    assert deploy.ensure_no_loop(tools).facts["driver"] == "cloud"
    state = tools.service.driver()
    assert (state.driver, state.role, state.epoch) == ("cloud", "driving", epoch + 1)


def test_another_driver_in_between_is_a_conflict(tools: Toolbox, world: InMemoryWorld) -> None:
    deploy.ensure_shadow_revision(tools)
    deploy.ensure_firestore(tools)

    def meddled(call: str) -> None:
        if call == "activate":
            world.before = lambda _call: None
            raise Conflict("the driver's epoch is 9, not 8: somebody else changed the driver.")

    world.before = meddled
    with pytest.raises(Conflict):
        deploy.ensure_no_loop(tools)

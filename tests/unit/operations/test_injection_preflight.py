"""What refuses an injection before anything is changed."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from emonk_ops.errors import Refused
from emonk_ops.operations.injection import preflight
from emonk_ops.operations.injection.catalogue import find, options_of
from emonk_ops.operations.injection.model import Plan, Radius
from emonk_ops.operations.injection.phases import run_injection
from emonk_ops.operations.injection.scene import scene_of
from emonk_ops.operations.tick_job import ensure_enabled, ensure_job
from emonk_ops.ports import Answer
from emonk_ops.settings import Environment, Target
from emonk_ops.testing import InMemoryPorts, InMemoryWorld
from emonk_ops.toolbox import Ports, Toolbox

PLAN = Plan(Radius.SERVICE, "all jobs", 960.0, 600.0, "the platform ends it")


@pytest.fixture
def ports() -> InMemoryPorts:
    return InMemoryPorts(InMemoryWorld())


@pytest.fixture
def tools(ports: InMemoryPorts, tmp_path: Path) -> Toolbox:
    env = Environment("qa", Target.SANDBOX, "emonk-qa")
    return Toolbox(env, ports, tmp_path, run_id="r1")


def test_the_caps_of_the_environment_are_hard(tools: Toolbox) -> None:
    preflight.require_allowed(tools, PLAN)
    short = replace(tools, env=replace(tools.env, inject_seconds=900))
    with pytest.raises(Refused, match="960 s, and qa allows 900 s"):
        preflight.require_allowed(short, PLAN)
    narrow = replace(tools, env=replace(tools.env, inject_radius="instance"))
    with pytest.raises(Refused, match="blast radius is 'service', and qa allows 'instance'"):
        preflight.require_allowed(narrow, PLAN)


def test_what_could_not_be_undone_is_not_begun(ports: InMemoryPorts, tools: Toolbox) -> None:
    wanted = replace(PLAN, permissions=("cloudscheduler.jobs.enable", "cloudscheduler.jobs.pause"))
    preflight.require_permissions(tools, wanted)
    ports.platform.denied.add("cloudscheduler.jobs.enable")
    with pytest.raises(Refused, match=r"you lack cloudscheduler\.jobs\.enable"):
        preflight.require_permissions(tools, wanted)


def test_only_where_cloud_scheduler_drives_alone(ports: InMemoryPorts, tools: Toolbox) -> None:
    with pytest.raises(Refused, match="legacy drives"):
        preflight.require_sound(scene_of(tools, "bad-auth", {}))
    tools.service.activate("cloud", expected_epoch=tools.service.driver().epoch)
    with pytest.raises(Refused, match="job is missing"):
        preflight.require_sound(scene_of(tools, "bad-auth", {}))
    ensure_job(tools)
    ensure_enabled(tools)
    preflight.require_sound(scene_of(tools, "bad-auth", {}))


class Dated:
    """A service that answers with the time where it runs."""

    def __init__(self, at: datetime) -> None:
        self._at = at

    def probe(self, _method: str, _path: str) -> Answer:
        return Answer(200, {}, "", 0.01, "app", self._at)


@pytest.mark.parametrize(
    ("seconds", "words"), [(0, ""), (4, ""), (-4, ""), (60, r"\+60 s off"), (-60, "-60 s off")]
)
def test_a_clock_that_is_off_decides_over_no_instant(
    ports: InMemoryPorts, tools: Toolbox, seconds: float, words: str
) -> None:
    service = Dated(ports.clock.now() - timedelta(seconds=seconds))
    world = cast("Ports", SimpleNamespace(clock=ports.clock, service=service))
    elsewhere = replace(tools, ports=world)
    if not words:
        preflight.require_same_time(elsewhere)
        return
    with pytest.raises(Refused, match=words):
        preflight.require_same_time(elsewhere)


def test_an_obstacle_is_not_exercised_and_nothing_is_intended(
    ports: InMemoryPorts, tools: Toolbox
) -> None:
    noted: list[str] = []
    tools.service.activate("cloud", expected_epoch=tools.service.driver().epoch)
    ensure_job(tools)
    ensure_enabled(tools)
    heard = replace(tools, note=lambda kind, _body: noted.append(kind))
    injection = find("firestore-outage")
    outcome = run_injection(injection, heard, options_of(injection, {}))
    assert outcome.verdict == "NOT_EXERCISED"
    assert "json, which has no fail point" in outcome.summary
    assert noted == ["injection.ended"]

"""What is kept for bad days: the way back on the service, and jobs as an older export has them."""

from __future__ import annotations

import random
from datetime import timedelta

import pytest

from emonk_ops.errors import CloudError, StateDamaged
from emonk_ops.operations import old_jobs, way_back
from emonk_ops.operations.carried_file import Carried, save
from emonk_ops.testing import InMemoryWorld
from emonk_ops.tick.jobs import Job, checksum
from emonk_ops.toolbox import Toolbox

from .emergencies import job

CAPTURED = {"seq": 7, "stage": 4, "at": "2026-01-05T12:00:00+00:00", "facts": {"revision": "a-1"}}


def noise(count: int) -> str:
    rng = random.Random(1)
    return "".join(rng.choice("0123456789abcdef") for _ in range(count))


def test_a_way_back_is_read_as_it_was_written_and_written_once(
    tools: Toolbox, world: InMemoryWorld
) -> None:
    changes: list[str] = []
    world.before = changes.append
    way_back.remember(tools, CAPTURED)
    way_back.remember(tools, CAPTURED)
    assert changes == ["annotate"]
    assert way_back.recall(tools.run.describe_service()) == CAPTURED


def test_a_long_one_does_without_the_variables_and_never_passes_the_limit() -> None:
    facts = {"revision": "a-1", "loop": True, "env": {"LONG": noise(90_000)}}
    text = way_back.pack({**CAPTURED, "facts": facts})
    assert len(text) <= way_back.MOST_CHARACTERS
    assert way_back.unpack(text)["facts"] == {"revision": "a-1", "loop": True}
    with pytest.raises(CloudError, match="an annotation 32768"):
        way_back.pack({**CAPTURED, "facts": {"revision": noise(90_000)}})


@pytest.mark.parametrize("text", ["", "by hand", "Vpx(5aA", "00000"])
def test_what_somebody_else_wrote_there_is_refused(text: str) -> None:
    with pytest.raises(StateDamaged, match="emonk-ops/way-back"):
        way_back.unpack(text)


def test_the_newest_export_counts_and_nothing_in_it_is_due_in_the_past(
    tools: Toolbox, world: InMemoryWorld
) -> None:
    begun = world.clock.now()
    paused = {**job("paused", now=begun), "paused": True, "state": "paused", "due_at": None}
    jobs = [job("often", now=begun), job("once", now=begun, once=True), paused]
    document = {"checksum": checksum(jobs), "count": 3, "jobs": jobs}
    save(tools.keep, Carried("a-1", "legacy", "cloud", 4, begun.isoformat(), document))
    world.clock.set(begun + timedelta(minutes=1))
    old_jobs.keep_captured(tools, {**document, "jobs": [*jobs, job("late", now=begun)]})
    world.clock.set(begun + timedelta(minutes=25))
    found = old_jobs.newest(tools)
    assert found is not None
    assert found.taken_at == begun + timedelta(minutes=1)
    assert found.epoch == 4
    assert found.held == ("once",)
    assert set(found.recurring) == {"often", "paused", "late"}
    by_id = {one["id"]: Job.from_dict(one) for one in found.document["jobs"]}
    assert by_id["often"].due_at == begun + timedelta(minutes=30)
    assert by_id["paused"].due_at is None
    assert by_id["once"].paused
    assert found.document["checksum"] == checksum(found.document["jobs"])
    assert all(one.fence == 24 * 60 + 1 for one in by_id.values())


def test_without_an_export_there_is_none(tools: Toolbox) -> None:
    assert old_jobs.newest(tools) is None


def test_an_export_that_is_no_export_is_named(tools: Toolbox) -> None:
    old_jobs.keep_captured(tools, {"jobs": [{"id": "x"}]})
    with pytest.raises(StateDamaged, match="cannot be read"):
        old_jobs.newest(tools)

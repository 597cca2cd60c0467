from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from emonk_ops.errors import Refused, StillLeased, UsageError
from emonk_ops.operations import job_files
from emonk_ops.testing import InMemoryPorts, InMemoryWorld

from .stored_jobs import LEASED, leased_until, stored


@pytest.fixture
def ports() -> InMemoryPorts:
    world = InMemoryWorld()
    world.store.jobs = {name: stored(name) for name in ("a", "b", "ö-c")}
    return InMemoryPorts(world)


def export(ports: InMemoryPorts, path: Path, **more: Any) -> Mapping[str, Any]:
    given = {"wait_seconds": 0.0, "held": False, **more}
    return job_files.export(ports.service, path, ports.clock, **given)


def test_an_export_comes_in_again_unchanged(ports: InMemoryPorts, tmp_path: Path) -> None:
    path = tmp_path / "out.json"
    facts = export(ports, path)
    assert (facts["count"], facts["held"]) == (3, [])
    assert path.stat().st_mode & 0o777 == 0o600
    lines = path.read_text().splitlines()
    assert [json.loads(line.rstrip(","))["id"] for line in lines[1:-1]] == ["a", "b", "ö-c"]
    document = job_files.read_document(path)
    found = job_files.take_in(ports.service, document)
    assert (found["imported"], found["unchanged"], found["all_as_in_file"]) == (0, 3, True)
    ports.world.store.jobs.clear()
    found = job_files.take_in(ports.service, document)
    assert (found["imported"], found["all_as_in_file"]) == (3, True)


def test_no_jobs_are_an_export_too(ports: InMemoryPorts, tmp_path: Path) -> None:
    ports.world.store.jobs.clear()
    export(ports, tmp_path / "none.json")
    document = job_files.read_document(tmp_path / "none.json")
    assert job_files.take_in(ports.service, document)["count_after"] == 0


def test_a_live_lease_blocks_is_waited_for_or_goes_along(
    ports: InMemoryPorts, tmp_path: Path
) -> None:
    path = tmp_path / "out.json"
    until = leased_until(ports.clock.now(), 30)
    ports.world.store.jobs["a"] |= {**LEASED, "lease_until": until, "due_at": until}
    with pytest.raises(StillLeased, match=": a") as blocked:
        export(ports, path)
    assert blocked.value.exit_code == 75
    assert not path.exists()
    assert export(ports, path, held=True)["held"] == ["a"]
    assert export(ports, path, wait_seconds=60)["held"] == []


def test_a_file_that_cannot_be_written_leaves_the_old_one(
    ports: InMemoryPorts, tmp_path: Path
) -> None:
    path = tmp_path / "out.json"
    path.write_text("old")
    (tmp_path / "out.json.new").mkdir()
    with pytest.raises(UsageError, match="cannot be written"):
        export(ports, path)
    assert path.read_text() == "old"


def test_a_file_torn_anywhere_is_refused(ports: InMemoryPorts, tmp_path: Path) -> None:
    path, torn = tmp_path / "out.json", tmp_path / "torn.json"
    export(ports, path)
    whole = path.read_bytes()
    for length in range(len(whole) - 2):
        torn.write_bytes(whole[:length])
        with pytest.raises(Refused):
            job_files.read_document(torn)


Spoil = Callable[[dict[str, Any]], None]


def set_job(field: str, value: Any) -> Spoil:
    return lambda document: document["jobs"][1].update({field: value})


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (set_job("fence", "x"), 'line 3: job b: field fence is "x"'),
        (set_job("fence", "3"), 'line 3: job b: field fence is "3"'),
        (set_job("slot", "2026-01-05T12:00:00"), "line 3: job b: field slot is"),
        (set_job("schedule", {"cron": "x"}), "line 3: job b: field schedule is"),
        (set_job("state", "gone"), 'line 3: job b: field state is "gone"'),
        (set_job("colour", "red"), "line 3: job b: field colour is unknown"),
        (set_job("recent", [{}]), "line 3: job b: field recent is"),
        (lambda document: document["jobs"][1].pop("type"), "line 3: job b: no 'type'"),
        (lambda document: document["jobs"].append(7), "line 5: a job is no JSON object"),
        (lambda document: document["jobs"].pop(), "line 1: field count is 3, there are 2"),
        (set_job("attempt", 2), "line 1: field checksum is sha256:"),
        (lambda document: document.update(format="other"), "line 1: it is no export"),
    ],
)
def test_damage_is_named_by_line_and_field(
    ports: InMemoryPorts, tmp_path: Path, spoil: Spoil, told: str
) -> None:
    path = tmp_path / "out.json"
    export(ports, path)
    document = json.loads(path.read_text())
    spoil(document)
    if len(document["jobs"]) > 3:
        document["count"] = len(document["jobs"])
    job_files.write_document(path, document)
    with pytest.raises(Refused, match="nothing was imported") as failure:
        job_files.read_document(path)
    assert told in failure.value.message


def test_what_is_no_file_of_ours_is_said(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be read"):
        job_files.read_document(tmp_path / "absent.json")
    (tmp_path / "map").write_text('{"format": "emonk-jobs/1", "jobs": {}}')
    with pytest.raises(Refused, match="line 1: field jobs is no list"):
        job_files.read_document(tmp_path / "map")
    (tmp_path / "latin").write_bytes(b'{"a": "\xe9"}')
    with pytest.raises(Refused, match="no UTF-8"):
        job_files.read_document(tmp_path / "latin")

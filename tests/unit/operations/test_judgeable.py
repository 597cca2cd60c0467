"""Whether a shadow can be judged, asked while an interrupted run has the jobs in hand."""

from __future__ import annotations

import json
from pathlib import Path

from emonk_ops.operations import carried_file
from emonk_ops.operations.job_definitions import read_definitions
from emonk_ops.operations.judgeable import jobs_to_judge
from emonk_ops.rollout.model import Verdict
from emonk_ops.settings import Environment, Target
from emonk_ops.testing import InMemoryPorts, InMemoryWorld
from emonk_ops.toolbox import Toolbox

ENV = Environment("qa", Target.SANDBOX, "emonk-qa")
DEFINED = {"jobs": [{"id": "report", "schedule": {"cron": "*/5 * * * *", "tz": "UTC"}}]}


def test_jobs_that_were_taken_and_not_brought_count(tmp_path: Path) -> None:
    world = InMemoryWorld()
    world.record()
    tools = Toolbox(env=ENV, ports=InMemoryPorts(world), keep=tmp_path)
    world.store.jobs.clear()  # a fresh file, behind a deployment that was cut off
    assert jobs_to_judge(tools).verdict is Verdict.FAIL

    (tmp_path / "jobs.json").write_text(json.dumps(DEFINED))
    jobs = read_definitions(tmp_path / "jobs.json", tools.clock.now())
    document = {"count": 1, "checksum": "sha256:x", "jobs": [one.to_dict() for one in jobs]}
    taken = carried_file.Carried("emonk-agent-0", "legacy", "shadow", 3, "2026-01-05", document)
    carried_file.save(tmp_path, taken)
    found = jobs_to_judge(tools)
    assert (found.verdict, found.facts["due"]) == (Verdict.PASS, ["report"])
    assert "emonk-agent-0" in found.facts["told_by"]

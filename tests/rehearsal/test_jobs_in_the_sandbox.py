"""`emonk-ops jobs …` as processes, against a service that runs in the sandbox."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from emonk_ops.sandbox import launcher
from emonk_ops.settings import Target
from emonk_ops.settings_sample import sample

LONGEST_SECONDS = 90.0


class Operator:
    """Types commands in a folder whose sandbox runs."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def types(self, *words: str, code: int = 0) -> dict[str, Any]:
        ended = subprocess.run(
            [sys.executable, "-m", "emonk_ops", "jobs", *words, "--env", "qa", "--json"],
            cwd=self._folder,
            env={**os.environ, "EMONK_ACTOR": "ann"},
            capture_output=True,
            text=True,
            timeout=LONGEST_SECONDS,
            check=False,
        )
        assert ended.returncode == code, (words, ended.stdout, ended.stderr)
        found: dict[str, Any] = json.loads(ended.stdout)["data"]
        return found


@pytest.fixture
def operator(tmp_path: Path) -> Iterator[Operator]:
    (tmp_path / "emonk-ops.toml").write_text(sample(Target.SANDBOX))
    directory = tmp_path / ".emonk-sandbox"
    endpoint = launcher.launch(directory, clock="real")
    try:
        launcher.wait_for_services(endpoint)
        yield Operator(tmp_path)
    finally:
        launcher.end(directory)


@pytest.mark.timeout(300)
def test_jobs_are_changed_explained_audited_and_carried(operator: Operator) -> None:
    made = operator.types("schedule", "--type", "log", "--cron", "0 3 1 1 *", "--id", "yearly")
    assert made["changed"] is True
    operator.types("schedule", "--type", "log", "--every", "60", "--id", "yearly", code=4)
    listed = operator.types("list")
    assert "yearly" in [job["id"] for job in listed["jobs"]]
    assert operator.types("pause", "yearly")["job"]["state"] == "paused"
    assert "the job is paused" in operator.types("why", "yearly")["conclusion"]
    operator.types("resume", "yearly")
    assert "future" in operator.types("why", "yearly")["conclusion"]
    begin = ("--from", "2026-01-01T00:00:00Z", "--to", "2026-01-02T00:00:00Z")
    assert operator.types("audit", *begin, "yearly", code=5)["verdict"] == "INCONCLUSIVE"

    exported = operator.types("export", "--to", "out.json")
    assert exported["count"] == len(listed["jobs"])
    again = operator.types("import", "--from", "out.json")
    assert (again["imported"], again["unchanged"]) == (0, exported["count"])

    out = operator.types("migrate", "--from", "service", "--to", "json:kept.jsonl")
    assert (out["count"], out["driver"]) == (exported["count"], "legacy")
    assert "nobody drives" in operator.types("why", "yearly")["conclusion"]

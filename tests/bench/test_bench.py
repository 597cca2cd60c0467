"""The benchmarks can be run: small ones, whose counts are known and whose times are nobody's."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]


def found_by(task: str, **options: Any) -> dict[str, float]:
    argv = [sys.executable, "-m", "tests.bench.worker", task, json.dumps(options)]
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=True)
    found: dict[str, float] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize("kind", ["memory", "json"])
def test_a_drain_does_every_due_job_and_none_besides(kind: str) -> None:
    found = found_by("ours:drain", kind=kind, count=30, stored=50, warm_up=10, handlers=30)
    assert (found["done"], found["reads"], found["writes"]) == (30, 30, 60)
    assert found["operations"] == 3
    assert found["cpu"] > 0


def test_a_file_that_was_filled_is_opened_again(tmp_path: Path) -> None:
    path = str(tmp_path / "jobs.jsonl")
    found_by("ours:hold", count=100, path=path)
    assert found_by("ours:reopen", path=path)["wall"] > 0


def test_an_unknown_section_is_refused_with_those_there_are() -> None:
    argv = [sys.executable, "-m", "tests.bench", "nothing"]
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "startup, stored, polling, claiming, draining, ticking" in done.stderr

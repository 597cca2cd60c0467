"""`validate` as it is typed: a sandbox for alerts and jobs, and an export for the days.

The days are seeded logs: 43,200 ticks through real processes would take too long. EMONK_LONG=1
makes them 30; usually there are as many as prove the rate.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from emonk_ops.sandbox import launcher
from emonk_ops.settings import Target
from emonk_ops.settings_sample import sample
from tests.judging.days_model import SAID, write_export

DAYS = 30 if os.environ.get("EMONK_LONG") else 3
LONGEST_SECONDS = 60.0


class Operator:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        # A little behind midnight, the day before is not written down whole yet.
        settled = datetime.now(UTC) - timedelta(minutes=2)
        today = settled.replace(hour=0, minute=0, second=0, microsecond=0)
        self.begin = today - timedelta(days=DAYS)

    def types(self, *words: str, code: int = 0) -> dict[str, Any]:
        ended = subprocess.run(
            [sys.executable, "-m", "emonk_ops", *words, "--env", "production", "--json"],
            cwd=self.folder,
            env={**os.environ, "EMONK_ACTOR": "ann"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert ended.returncode == code, (words, ended.stdout[-3000:], ended.stderr[-3000:])
        found: dict[str, Any] = json.loads(ended.stdout)["data"]
        return found

    def validate(self, *words: str, days: int = DAYS, code: int = 0) -> dict[str, Any]:
        since = ("--since", self.begin.isoformat(), "--from-file", "logs.jsonl")
        return self.types("validate", "--days", str(days), *since, *words, code=code)

    def run_of(self, command: str) -> str:
        """The newest run of the command, by the journal."""
        (path,) = (self.folder / ".emonk-ops").glob("production-*/journal.jsonl")
        records = [json.loads(line) for line in path.read_text().splitlines()]
        runs = [
            str(one["run"])
            for one in records
            if one["kind"] == "run.started" and one["body"]["command"] == command
        ]
        return runs[-1]


@pytest.fixture
def operator(tmp_path: Path) -> Iterator[Operator]:
    (tmp_path / "emonk-ops.toml").write_text(sample(Target.SANDBOX))
    directory = tmp_path / ".emonk-sandbox"
    endpoint = launcher.launch(directory, clock="real")
    try:
        launcher.wait_for_services(endpoint)
        found = Operator(tmp_path)
        write_export(tmp_path / "logs.jsonl", found.begin, DAYS + 1)
        yield found
    finally:
        launcher.end(directory)


@pytest.mark.timeout(400)
def test_days_are_reviewed_resumed_and_judged_again(operator: Operator) -> None:
    words = [f"--confirm={name}={word}" for name, word in SAID.items()]
    # Without alert policies nobody can say that there was no alert.
    first = operator.validate(*words, days=1, code=4)
    assert verdicts(first)["zero-incidents"] == "ERROR"
    operator.types("alerts", "apply", "--yes")
    just_now = ("--since", datetime.now(UTC).isoformat())
    assert operator.types("validate", *just_now, code=75)["days_read"] == 0

    begun = time.monotonic()
    found = operator.validate(*words)
    seconds = time.monotonic() - begun
    assert set(verdicts(found).values()) <= {"PASS", "ASK"}
    assert found["days_read"] in (DAYS - 1, DAYS)  # midnight may pass
    assert seconds < LONGEST_SECONDS
    rate = next(one for one in found["checks"] if one["id"] == "success-rate")
    assert rate["facts"]["ticks"]["n"] == DAYS * 1440
    if DAYS == 30:
        assert rate["facts"]["ticks"]["bound"] < 0.00007

    again = operator.validate(*words)
    assert again["days_read"] == 0
    assert verdicts(again) == verdicts(found)
    judged = operator.types("judge", operator.run_of("validate"))
    assert judged["same"] is True
    lessons = operator.types("retrospective")["markdown"]
    assert "success-rate, measured on" in lessons


def verdicts(found: dict[str, Any]) -> dict[str, str]:
    return {one["id"]: one["verdict"] for one in found["checks"]}

"""The example of a service that is not ours: its lines are what the judges read."""

from __future__ import annotations

import ast
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from emonk_ops.operations.analysis.coverage import Coverage
from emonk_ops.operations.analysis.reading import record_of
from emonk_ops.operations.analysis.records import Decision, Record, Run, Stopped, Tick
from emonk_ops.operations.job_definitions import read_definitions
from emonk_ops.operations.tick_metrics import METRICS
from emonk_ops.ports import LogEntry
from emonk_ops.settings_file import read_settings
from emonk_ops.stages import stage0_preflight, stage4_cutover

from .conftest import Signer

EXAMPLE = Path(__file__).parents[2] / "docs" / "examples" / "foreign_service"
FAR_AWAY = "*/600 * * * *"  # its loop sleeps for hours, so that only the test ticks


class Foreign:
    """The service in a process of its own, and the log entries it wrote so far."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        self.entries: list[dict[str, Any]] = []
        self.child = subprocess.Popen(
            [sys.executable, str(EXAMPLE / "service.py")],
            cwd=folder,
            env={"PATH": os.environ["PATH"], "PORT": "0", "HOST": "127.0.0.1", **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        assert self.child.stdout is not None
        for line in self.child.stdout:
            self.entries.append(json.loads(line))
            if self.entries[-1]["message"] == "Agent Core created":
                break
        self.http = httpx.Client(base_url=f"http://127.0.0.1:{self.entries[-1]['port']}")

    def end(self) -> None:
        self.child.send_signal(signal.SIGTERM)
        out, err = self.child.communicate(timeout=15)
        assert (self.child.returncode, err) == (0, b"")
        self.entries += [json.loads(line) for line in out.splitlines()]

    def records(self) -> list[Record]:
        found = (record_of(as_entry(one)) for one in self.entries)
        return [one for one in found if one is not None]


def as_entry(said: dict[str, Any]) -> LogEntry:
    return LogEntry(
        timestamp=datetime.fromisoformat(said["time"]),
        insert_id="",
        log="run.googleapis.com/stdout",
        severity=said["severity"],
        message=said["message"],
        payload=said,
        http={},
        labels={},
        resource={},
    )


@pytest.fixture
def foreign(tmp_path: Path, environment: dict[str, str]) -> Iterator[Foreign]:
    """In shadow, with a slot of each path that is due."""
    due = {"slot": (datetime.now(UTC) - timedelta(seconds=1)).isoformat(), "lease_until": None}
    jobs = {name: {**due, "ordinal": 0, "fence": 6} for name in ("report", "sweep")}
    (tmp_path / "jobs.json").write_text(json.dumps(jobs))
    mode = {"SCHEDULER_STORAGE": "json", "SCHEDULER_CADENCE": FAR_AWAY}
    mode |= {"SCHEDULER_SHADOW_MODE": "true", "SCHEDULER_LEGACY_LOOP": "true"}
    service = Foreign(tmp_path, environment | mode)
    yield service
    service.http.close()
    if service.child.poll() is None:
        service.child.kill()
    service.child.communicate()


def test_it_tells_of_itself_and_lets_no_stranger_tick(
    foreign: Foreign, signer: Signer, stranger: Signer
) -> None:
    health = foreign.http.get("/health").json()
    assert health["paths"] == {"legacy_loop": True, "cron_tick": True}
    assert health["storage"]["kind"] == "json"
    assert foreign.http.get("/admin/driver").status_code == 404
    forged = {"Authorization": f"Bearer {signer.token(sign_with=stranger)}"}
    for headers in (
        {},
        forged,
        signer.bearer(aud="https://elsewhere"),
        signer.bearer(email="stranger@example.com"),
        signer.bearer(email_verified=False),
        signer.bearer(iss="https://elsewhere"),
        signer.bearer(lifetime=-600),
    ):
        assert foreign.http.post("/cron/tick", headers=headers).status_code == 401
    assert foreign.http.post("/webhook", json={}).status_code == 401
    assert foreign.http.post("/cron/tick", headers=signer.bearer()).status_code == 200


def test_its_tick_runs_its_own_slot_leaves_the_loops_and_tells_both(
    foreign: Foreign, signer: Signer
) -> None:
    answer = foreign.http.post("/cron/tick", headers=signer.bearer()).json()
    foreign.end()
    assert {name: answer[name] for name in METRICS} == dict(
        zip(METRICS, (2, 2, 1, 1, 0), strict=True)
    )
    records = foreign.records()
    decided = [(one.job_id, one.decision) for one in records if isinstance(one, Decision)]
    assert decided == [
        ("report", "defer"),
        *(("sweep", step) for step in ("claim", "execute", "end")),
    ]
    runs = [(one.job_id, one.kind, one.fence) for one in records if isinstance(one, Run)]
    assert runs == [("sweep", "executing", 7), ("sweep", "succeeded", 7)]
    completed = next(one for one in records if isinstance(one, Tick) and one.kind == "completed")
    assert (completed.path, completed.driver, completed.executed) == ("cron", "shadow", True)
    assert completed.numbers is not None
    assert completed.numbers.storage_ops > 0


def test_none_of_its_numbered_lines_is_missing(foreign: Foreign, signer: Signer) -> None:
    for _ in range(3):
        foreign.http.post("/cron/tick", headers=signer.bearer())
    foreign.end()
    coverage, begin = Coverage(), datetime(2020, 1, 1, tzinfo=UTC)
    for one in foreign.records():
        if isinstance(one, (Tick, Decision)):
            assert coverage.see(one.instance, one.sequence, one.at)
        elif isinstance(one, Stopped):
            coverage.stop(one.instance, one.last_sequence, one.at)
    assert (coverage.gaps(begin), coverage.unnumbered, coverage.seen) == ([], 0, 12)


def test_the_files_beside_it_agree_with_it_and_with_the_stages() -> None:
    tree = ast.parse((EXAMPLE / "service.py").read_text())
    jobs = next(
        ast.literal_eval(one.value)
        for one in tree.body
        if isinstance(one, ast.Assign) and ast.unparse(one.targets[0]) == "JOBS"
    )
    env = read_settings(EXAMPLE / "emonk-ops.toml", {}).environment("qa")
    assert env.job_definitions == EXAMPLE / "jobs.json"
    lines = {one.id: one.schedule.line for one in read_definitions(EXAMPLE / "jobs.json")}
    assert lines == {
        name: "*/2 * * * *" if each == 2 else "* * * * *" for name, each in jobs.items()
    }
    script = (EXAMPLE / "try.sh").read_text().replace("\\\n", " ").splitlines()
    for number, stage in ((0, stage0_preflight.STAGE), (4, stage4_cutover.STAGE)):
        line = next(one for one in script if one.startswith(f"emonk-ops stage {number}"))
        named = {part.split("=")[0] for part in line.split("--confirm ")[1:]}
        every = (*stage.checks(env), *stage.verify(env), *stage.acceptance(env))
        assert named <= {one.id for one in every}

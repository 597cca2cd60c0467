"""`rehearse --break WHAT`: each bad thing ends in the verdict and the way back that it must."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from emonk_ops.rehearsal.breaks import BREAKS

LONG = bool(os.environ.get("EMONK_LONG"))
QUICK = ("failing-deploy", "injector-killed")
ROLLED_BACK = {"shadow-mismatch": 3, "duplicate": 4, "failing-deploy": 1, "error-burst": 4}


@pytest.mark.timeout(300)
@pytest.mark.parametrize("what", BREAKS if LONG else QUICK)
def test_it_ends_as_it_must(what: str, tmp_path: Path) -> None:
    folder = tmp_path / "played"
    words = ["rehearse", "--break", what, "--dir", str(folder), "--out", str(tmp_path / "report")]
    ended = subprocess.run(
        [sys.executable, "-m", "emonk_ops", *words],
        cwd=tmp_path, capture_output=True, text=True, timeout=280, check=False,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stdout[-3000:]
    (journal,) = (folder / ".emonk-ops").glob("qa-*/journal.jsonl")
    records = [json.loads(line) for line in journal.read_text().splitlines()]
    undone = [one["body"] for one in records if one["kind"] == "rollback.ended"]
    if what in ROLLED_BACK:
        assert [(one["stage"], one["ok"]) for one in undone] == [(ROLLED_BACK[what], True)]
    else:
        assert undone == []
        assert "injection.restored" in {one["kind"] for one in records}
    assert (tmp_path / "report" / "report.html").stat().st_size > 10_000


def test_an_unknown_one_names_those_there_are(tmp_path: Path) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "emonk_ops", "rehearse", "--break", "luck"],
        cwd=tmp_path, capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip
    assert ended.returncode == 2
    assert all(what in ended.stderr for what in BREAKS)

"""Stage 5 as an operator meets it: not before its time, not with the loop still in the program."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from emonk_ops.rehearsal.story import BUILT_CLEAN, CLEAN_COMMAND, CLEAN_IMAGE, COMMIT

from .rollouts import Rollout, Typed, rollout_in

pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")
KNOWN = "--confirm=point-of-no-return=said so"
TRAINED = "--confirm=team-trained=said so"
BRANCH = "emonk-ops/stage-5-cleanup"


@pytest.fixture
def rollout(tmp_path: Path) -> Iterator[Rollout]:
    """QA behind its cutover, with soaks that are no evidence."""
    with rollout_in(tmp_path) as found:
        found.set(shadow_hours="0.2", soak_hours="0.5", stable_hours="1")
        found.stages(0, 1, 2, 3)
        found.types("alerts", "apply")
        found.cutover()
        yield found


@pytest.mark.timeout(300)
def test_the_legacy_path_goes_and_the_way_back_is_the_revision_before(rollout: Rollout) -> None:
    early = rollout.stage(5, "--no-wait", KNOWN, code=75)
    assert early.data["changed"] is False
    rollout.passes(timedelta(hours=1))
    _with_the_loop_in_its_program_it_is_rolled_back(rollout)
    _a_source_and_what_is_built_from_it(rollout)

    missing = _cleaned_up(rollout, KNOWN, code=3)
    assert missing.verdicts("acceptance")["team-trained"] == "ASK"
    assert missing.verdicts("verify")["no-references-running"] == "PASS"
    assert "--source agent --apply --confirm team-trained=" in missing.data["next"]
    assert _branch(rollout) == BRANCH
    passed = _cleaned_up(rollout, TRAINED)
    assert {one["id"]: one["changed"] for one in passed.data["steps"]} == {
        "source": False, "deploy": False, "job": False, "enable": False,
    }  # fmt: skip
    assert set(passed.verdicts("acceptance").values()) == {"PASS", "ASK"}

    clean = rollout.tools().run.describe_service().serving_revision
    rollout.types("rollback", "--yes")
    before = rollout.tools().run.describe_service().serving_revision
    assert before != clean
    assert rollout.tools().service.driver().driver == "cloud"
    assert rollout.types("status").data["hold"]["facts"]["complete"]


def _with_the_loop_in_its_program_it_is_rolled_back(rollout: Rollout) -> None:
    before = rollout.tools().run.describe_service().serving_revision
    broken = rollout.stage(5, KNOWN, code=6)
    assert broken.verdicts("verify")["no-references-running"] == "FAIL"
    assert rollout.tools().run.describe_service().serving_revision == before
    rollout.types("resume", "--reason", "an image without it was built")


def _a_source_and_what_is_built_from_it(rollout: Rollout) -> None:
    folder = rollout.folder
    rollout.types("init", "--service-source", "agent", env="")
    subprocess.run(["sh", "-c", COMMIT], cwd=folder, check=True, timeout=30)
    image = rollout.command("sandbox", "image", "add", CLEAN_IMAGE, "--", *CLEAN_COMMAND, env="")
    subprocess.run(image[:-1], cwd=folder, check=True, timeout=30, capture_output=True)


def _cleaned_up(rollout: Rollout, word: str, code: int = 0) -> Typed:
    words = ("--source", "agent", "--apply", word)
    return rollout.types("stage", "5", "--yes", *words, code=code, variables=BUILT_CLEAN)


def _branch(rollout: Rollout) -> str:
    told = subprocess.run(
        ["git", "branch", "--show-current"],
        cwd=rollout.folder / "agent", check=True, timeout=30, capture_output=True, text=True,
    )  # fmt: skip
    return told.stdout.strip()

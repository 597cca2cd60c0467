from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from emonk_ops.operations.legacy_source.documents import BEGIN, END
from emonk_ops.operations.legacy_source.model import LoopTests, Options, Patch
from emonk_ops.operations.legacy_source.patching import make_patch, references
from tests.cleanup.samples import CLEAN, OURS, OWN, write

REMOVE = Options(tests=LoopTests.remove)
SAMPLES = {"ours": OURS, "own": OWN, "clean": CLEAN}


def put(patch: Patch, folder: Path) -> None:
    for change in patch.files:
        if change.after is None:
            (folder / change.file).unlink()
        else:
            (folder / change.file).write_bytes(change.after)


def run_tests(folder: Path) -> str:
    environ = {
        **os.environ,
        "ENVIRONMENT": "local",
        "SCHEDULER_STORAGE": "memory",
        "PYTHONPATH": str(folder),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    ended = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-c", os.devnull, "tests"],
        cwd=folder,
        env=environ,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert ended.returncode == 0, ended.stdout[-3000:] + ended.stderr[-1000:]
    return ended.stdout.strip().splitlines()[-1]


@pytest.mark.parametrize(
    ("name", "before", "after"), [("ours", 2, 2), ("own", 3, 2), ("clean", 3, 3)]
)
def test_a_services_own_tests_pass_before_and_after(
    tmp_path: Path, name: str, before: int, after: int
) -> None:
    write(tmp_path, SAMPLES[name])
    assert run_tests(tmp_path).startswith(f"{before} passed")
    patch = make_patch(tmp_path, REMOVE)
    assert not patch.refused
    assert bool(references(tmp_path)) is (name != "clean")
    put(patch, tmp_path)
    assert run_tests(tmp_path).startswith(f"{after} passed")
    assert references(tmp_path) == []
    again = make_patch(tmp_path, REMOVE)
    assert again.empty, again.diff()


def test_the_patch_of_a_service_on_our_package(tmp_path: Path) -> None:
    patch = make_patch(write(tmp_path, OURS))
    after = {one.file: (one.after or b"").decode() for one in patch.files}
    assert set(after) == {
        ".env.example", "Dockerfile", "README.md", "deploy.sh", "docs/scheduler.md",
        "service.py", "service.yaml",
    }  # fmt: skip
    expected = OURS["service.py"]
    for gone in (
        "import os\n",
        'LEGACY_LOOP = os.getenv("SCHEDULER_LEGACY_LOOP", "false") == "true"\n',
        "        # Jobs are run by the in-process loop.\n",
        "        if LEGACY_LOOP:\n",
        "            await agent_core.start_scheduler()\n",
    ):
        expected = expected.replace(gone, "")
    assert after["service.py"] == expected
    assert after[".env.example"] == (
        "PORT=8080\nSCHEDULER_STORAGE=json\n\nSCHEDULER_LEASE_SECONDS=300\n"
    )
    assert [(one.file, one.line) for one in patch.left] == [
        ("Dockerfile", 3),
        ("deploy.sh", 5),
        ("service.yaml", 8),
    ]
    assert ("service.py", 24) not in {(one.file, one.line) for one in patch.left}
    assert after["docs/scheduler.md"].endswith(OURS["docs/scheduler.md"])
    assert "../README.md#scheduled-jobs" in after["docs/scheduler.md"]


def test_the_patch_of_a_service_with_its_own_scheduler(tmp_path: Path) -> None:
    patch = make_patch(write(tmp_path, OWN), REMOVE)
    after = {one.file: one.after for one in patch.files}
    assert after["tests/test_loop.py"] is None
    text = (after["agent/scheduler.py"] or b"").decode()
    for gone in ("running", "def start", "def stop", "_check_and_execute", "_poll(", "asyncio"):
        assert gone not in text
    for kept in ("jobs = []   # odd   spacing stays", "# What is due now", "How often", "– polled"):
        assert kept in text
    assert "    yield {" in (after["agent/main.py"] or b"").decode()
    places = {(one.file, one.line) for one in patch.removed}
    assert {("agent/scheduler.py", 28), ("agent/core.py", 14), ("agent/main.py", 12)} <= places


def test_a_clean_service_gets_the_section_of_its_readme_only(tmp_path: Path) -> None:
    write(tmp_path, CLEAN)
    (change,) = make_patch(tmp_path).files
    assert (change.file, change.before) == ("README.md", None)
    put(make_patch(tmp_path), tmp_path)
    assert make_patch(tmp_path) == Patch()


def test_the_readme_keeps_its_line_ends_and_the_section_is_kept_up_to_date(
    tmp_path: Path,
) -> None:
    write(tmp_path, OWN)
    put(make_patch(tmp_path, REMOVE), tmp_path)
    readme = tmp_path / "README.md"
    text = readme.read_bytes().decode()
    assert text.count("\n") == text.count("\r\n")
    assert text.startswith(OWN["README.md"])
    readme.write_bytes(text.replace("Cloud Scheduler runs", "Somebody runs").encode())
    put(make_patch(tmp_path, REMOVE), tmp_path)
    assert readme.read_bytes().decode() == text
    assert text.count(BEGIN) == text.count(END) == 1


def test_the_diff_is_one_that_git_applies(tmp_path: Path) -> None:
    if shutil.which("git") is None:
        pytest.skip("git is not installed")
    for name, files in SAMPLES.items():
        folder, other = write(tmp_path / name, files), write(tmp_path / f"{name}-2", files)
        patch = make_patch(folder, REMOVE)
        subprocess.run(
            ["git", "apply", "-"], input=patch.diff().encode(), cwd=other, check=True, timeout=30
        )
        put(patch, folder)
        for change in patch.files:
            ours, gits = folder / change.file, other / change.file
            assert ours.exists() == gits.exists(), change.file
            assert not ours.exists() or ours.read_bytes() == gits.read_bytes()

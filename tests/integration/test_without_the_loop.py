from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
REGISTERED_IN = ("scheduler.py", "agent_core.py")
NEEDS_THE_LOOP = "test_a_tick_on_a_revision_that_does_not_drive_executes_nothing"

TICKS_ONCE = """
import asyncio, json
import httpx
import emonk_ops.tick
from emonk_ops.tick.app import application
from emonk_ops.tick.service import TickService

async def main():
    service = TickService.from_environment()
    transport = httpx.ASGITransport(application(service))
    async with service.lifespan(), httpx.AsyncClient(transport=transport, base_url="http://x") as c:
        tick, health = await c.post("/cron/tick"), await c.get("/health")
        print(json.dumps([emonk_ops.tick.__file__, tick.json(), health.json()["paths"],
            health.json()["legacy_code"]]))

asyncio.run(main())
"""


@pytest.fixture(scope="module")
def without_the_loop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the service with the legacy module and the lines that register it gone."""
    folder = tmp_path_factory.mktemp("service")
    tick = folder / "emonk_ops" / "tick"
    shutil.copytree(ROOT / "emonk_ops" / "tick", tick, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "emonk_ops" / "__init__.py", folder / "emonk_ops")
    (tick / "legacy_loop.py").unlink()
    for name in REGISTERED_IN:
        lines = (tick / name).read_text().splitlines(keepends=True)
        kept = [line for line in lines if "LegacyLoop" not in line and "LegacyAgent" not in line]
        assert len(lines) - len(kept) == 2, f"{name}: an import and a base"
        (tick / name).write_text("".join(kept))
    for test in ("tests/unit/test_scheduler.py", "tests/integration/test_cron_tick.py"):
        (folder / test).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / test, folder / test)
    shutil.copy(ROOT / "tests/integration/conftest.py", folder / "tests/integration")
    return folder


def run(folder: Path, *argv: str, **variables: str) -> subprocess.CompletedProcess[str]:
    environ = {**os.environ, "PYTHONPATH": str(folder), "ENVIRONMENT": "local", **variables}
    return subprocess.run(
        [sys.executable, *argv], cwd=folder, env=environ, capture_output=True, text=True, timeout=60
    )


def test_the_services_own_tests_pass_with_the_legacy_module_gone(without_the_loop: Path) -> None:
    ended = run(
        without_the_loop, "-m", "pytest", "tests", "-q", "-n", "0", "-p", "no:cacheprovider",
        "--import-mode=importlib", "--rootdir", str(without_the_loop), "-c", os.devnull,
        "--deselect", f"tests/integration/test_cron_tick.py::{NEEDS_THE_LOOP}",
    )  # fmt: skip
    assert ended.returncode == 0, ended.stdout[-3000:]
    assert " passed" in ended.stdout


def test_the_service_ticks_and_says_that_no_loop_runs(without_the_loop: Path) -> None:
    ended = run(without_the_loop, "-c", TICKS_ONCE, SCHEDULER_STORAGE="memory")
    assert ended.returncode == 0, ended.stderr[-3000:]
    (answer,) = (line for line in ended.stdout.splitlines() if line.startswith("["))
    assert str(without_the_loop) in answer
    assert '"executed": true' in answer
    assert '{"legacy_loop": false, "cron_tick": true}, false]' in answer


@pytest.mark.parametrize("flag", ["SCHEDULER_LEGACY_LOOP", "SCHEDULER_SHADOW_MODE"])
def test_settings_that_ask_for_the_loop_refuse_to_boot(without_the_loop: Path, flag: str) -> None:
    ended = run(without_the_loop, "-c", TICKS_ONCE, SCHEDULER_STORAGE="memory", **{flag: "true"})
    assert ended.returncode != 0
    assert "no in-process loop: unset both" in ended.stderr

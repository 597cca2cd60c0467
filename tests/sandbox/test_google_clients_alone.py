from __future__ import annotations

import ast
import asyncio
import os
import sys
from pathlib import Path

import pytest

from emonk_ops.sandbox.clock import Mode
from emonk_ops.sandbox.server import Sandbox

SCRIPT = Path(__file__).with_name("clients_alone.py")


async def _played(directory: Path, clock: Mode) -> tuple[int | None, str, str]:
    async with Sandbox(directory / "world", clock=clock, populate=False) as sandbox:
        script = await asyncio.create_subprocess_exec(
            sys.executable,
            str(SCRIPT),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            cwd=directory,
            env=os.environ | {"EMONK_SANDBOX_GRPC": sandbox.world.grpc_address},
        )
        try:
            said, complained = await asyncio.wait_for(script.communicate(), 100)
        finally:
            if script.returncode is None:
                script.kill()
                await script.wait()
        return script.returncode, said.decode(), complained.decode()


@pytest.mark.parametrize("clock", ["real", "virtual"])
def test_google_s_clients_alone_deploy_roll_back_schedule_and_read(
    tmp_path: Path, clock: Mode
) -> None:
    code, said, complained = asyncio.run(_played(tmp_path, clock))
    assert code == 0, said + complained
    assert [line.partition(":")[0] for line in said.splitlines()] == [
        "deployed",
        "deployed",
        "split",
        "rolled back",
        "job",
        "read",
        "tailed",
    ]


def test_the_script_imports_nothing_of_ours() -> None:
    tree = ast.parse(SCRIPT.read_text(encoding="utf-8"))
    named = {
        name.partition(".")[0]
        for node in ast.walk(tree)
        for name in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else []
        )
    }
    assert named - set(sys.stdlib_module_names) == {"grpc", "google"}

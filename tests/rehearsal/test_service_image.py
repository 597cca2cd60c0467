from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCKERFILE = ROOT / "emonk_ops" / "tick" / "Dockerfile"
LOCAL = {"ENVIRONMENT": "local", "SCHEDULER_STORAGE": "memory"}


def daemon_answers() -> bool:
    docker = shutil.which("docker")
    if docker is None:
        return False
    asked = subprocess.run([docker, "info"], capture_output=True, timeout=30)
    return asked.returncode == 0


def run(argv: list[str], cwd: Path, env: dict[str, str] | None = None) -> str:
    done = subprocess.run(
        argv,
        cwd=cwd,
        env={**os.environ, **(env or {})},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, f"{argv}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def copied_paths() -> list[str]:
    return re.findall(r"^COPY (emonk_ops\S*) ", DOCKERFILE.read_text(), flags=re.MULTILINE)


@pytest.mark.timeout(600)
def test_what_the_image_installs_and_copies_serves_without_the_command_line(tmp_path: Path) -> None:
    assert copied_paths() == ["emonk_ops/__init__.py", "emonk_ops/tick"]
    run([sys.executable, "-m", "venv", "venv"], tmp_path)
    python = str(tmp_path / "venv" / "bin" / "python")
    run([python, "-m", "pip", "install", "--quiet", "--upgrade", "pip>=25.1"], tmp_path)
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    run([python, "-m", "pip", "install", "--quiet", "--group", "service"], tmp_path)
    (tmp_path / "emonk_ops").mkdir()
    shutil.copy(ROOT / "emonk_ops" / "__init__.py", tmp_path / "emonk_ops")
    shutil.copytree(ROOT / "emonk_ops" / "tick", tmp_path / "emonk_ops" / "tick")
    run([python, "-m", "emonk_ops.tick", "--check"], tmp_path, LOCAL)
    there = "import importlib.util as u; print(u.find_spec('typer'), u.find_spec('rich'))"
    assert run([python, "-c", there], tmp_path).split() == ["None", "None"]


@pytest.mark.skipif(not daemon_answers(), reason="no container daemon answers")
@pytest.mark.timeout(600)
def test_the_image_is_built_and_checks_its_settings() -> None:
    run(["docker", "build", "-f", str(DOCKERFILE), "-t", "emonk-agent-test", "."], ROOT)
    flags = [part for name, value in LOCAL.items() for part in ("-e", f"{name}={value}")]
    check = ["python", "-m", "emonk_ops.tick", "--check"]
    run(["docker", "run", "--rm", *flags, "emonk-agent-test", *check], ROOT)

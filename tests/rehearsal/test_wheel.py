from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CLEAN = {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/"), "LANG": "C.UTF-8"}


def run(argv: list[str], cwd: Path, seconds: float) -> str:
    done = subprocess.run(
        argv, cwd=cwd, env=pip_environment(), capture_output=True, text=True, timeout=seconds
    )
    assert done.returncode == 0, f"{argv}\n{done.stdout[-8000:]}\n{done.stderr[-4000:]}"
    return done.stdout


def pip_environment() -> dict[str, str]:
    index = {name: value for name, value in os.environ.items() if name.startswith("PIP_")}
    return {**CLEAN, **index}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("dist")
    run([sys.executable, "-m", "build", "--outdir", str(out), str(ROOT)], ROOT, 240)
    (built,) = out.glob("*.whl")
    return built


@pytest.mark.timeout(300)
def test_the_wheel_holds_only_the_package(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    tops = {name.split("/")[0] for name in names}
    assert tops == {"emonk_ops", next(top for top in tops if top.endswith(".dist-info"))}
    on_disk = {str(path.relative_to(ROOT)) for path in (ROOT / "emonk_ops").rglob("*.py")}
    on_disk |= {f"emonk_ops/stages/{path.name}" for path in (ROOT / "stages").glob("*.py")}
    assert {name for name in names if name.endswith(".py")} == on_disk


@pytest.mark.timeout(600)
def test_the_wheel_in_a_clean_environment_plays_the_rehearsal(wheel: Path, tmp_path: Path) -> None:
    run([sys.executable, "-m", "venv", str(tmp_path / "clean")], tmp_path, 120)
    python = str(tmp_path / "clean" / "bin" / "python")
    run([python, "-m", "pip", "install", "--quiet", str(wheel)], tmp_path, 300)
    command = str(tmp_path / "clean" / "bin" / "emonk-ops")
    told = run([command, "rehearse", "--short", "--dir", str(tmp_path / "stage")], tmp_path, 300)
    assert "all well" in told

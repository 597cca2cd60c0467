from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree import ElementTree as Xml

import pytest

from emonk_ops.cli.sandbox import runnable
from emonk_ops.errors import ExitCode

if TYPE_CHECKING:
    from .conftest import Place


@pytest.fixture
def written(place: Place, monkeypatch: pytest.MonkeyPatch) -> Place:
    folder = place.folder / "fresh"
    folder.mkdir()
    monkeypatch.chdir(folder)
    place.folder = folder
    assert place.type("init", "--sandbox").code == 0
    return place


def test_the_small_service_passes_its_own_tests_as_stage_0_runs_them(written: Place) -> None:
    for kind in ("tests/unit/test_scheduler.py", "tests/integration/test_cron_tick.py"):
        ended = subprocess.run(
            [sys.executable, "-m", "pytest", kind, "-v", "-W", "error", "--junitxml", "r.xml"],
            cwd=written.folder,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert ended.returncode == 0, ended.stdout
        suite = Xml.parse(written.folder / "r.xml").getroot()[0]
        assert int(suite.get("tests", "0")) > 0


def test_the_settings_aim_at_the_sandbox_s_projects(written: Place) -> None:
    out = written.type("config", "show", "--env", "production").out
    assert out.startswith("production | SANDBOX | project emonk-production |")


def test_what_is_there_is_never_overwritten_unasked(written: Place) -> None:
    handlers = written.folder / "handlers.py"
    handlers.write_text("# mine\n")
    answer = written.type("init", "--sandbox")
    assert answer.code == ExitCode.REFUSED
    assert "handlers.py" in answer.err
    assert handlers.read_text() == "# mine\n"
    assert written.type("init", "--sandbox", "--force").code == 0
    assert handlers.read_text() != "# mine\n"


def test_a_script_of_an_image_is_found_from_an_instances_own_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "service.py").touch()
    there = str(tmp_path / "service.py")
    assert runnable(["python", "service.py", "--flag"]) == [sys.executable, there, "--flag"]
    assert runnable(["python", "-m", "service"]) == [sys.executable, "-m", "service"]
    assert runnable(["python", "gone.py"]) == [sys.executable, "gone.py"]
    assert runnable(["./start", "service.py"]) == [str(tmp_path / "start"), "service.py"]

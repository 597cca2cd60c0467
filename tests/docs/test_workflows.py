"""The pipeline examples: read as YAML, and their own shell run against a sandbox."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from emonk_ops.sandbox import launcher

WORKFLOWS = Path(__file__).parents[2] / "docs" / "workflows"
LONGEST_SECONDS = 120.0
WORDS = "code-review=two people read it\nlint=none is configured\ntype-check=none is configured\n"


def shell_of(workflow: str, step: str) -> str:
    document = yaml.safe_load((WORKFLOWS / workflow).read_text())
    (job,) = document["jobs"].values()
    return str(next(one["run"] for one in job["steps"] if one.get("name") == step))


class Runner:
    """A folder with a service's settings, and a shell in it as a pipeline has one."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        tools = folder / "bin"
        tools.mkdir()
        program = tools / "emonk-ops"
        program.write_text(f'#!/bin/sh\nexec {sys.executable} -m emonk_ops "$@"\n')
        program.chmod(0o755)
        self._path = f"{tools}{os.pathsep}{os.environ['PATH']}"

    def run(self, script: str, **env: str) -> tuple[int, str]:
        outputs = self._folder / "outputs"
        own = {"PATH": self._path, "GITHUB_OUTPUT": str(outputs), "EMONK_ENV": "qa", "CI": "true"}
        ended = subprocess.run(
            ["bash", "-e", "-c", script],
            cwd=self._folder,
            env={**os.environ, **own, **env},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=LONGEST_SECONDS,
            check=False,
        )
        return ended.returncode, ended.stdout + ended.stderr

    def answer(self) -> dict[str, Any]:
        document: dict[str, Any] = json.loads((self._folder / "answer.json").read_text())
        return document


@pytest.fixture
def runner(tmp_path: Path) -> Iterator[Runner]:
    directory = tmp_path / ".emonk-sandbox"
    endpoint = launcher.launch(directory, clock="real")
    try:
        launcher.wait_for_services(endpoint)
        subprocess.run(
            [sys.executable, "-m", "emonk_ops", "init", "--sandbox"],
            cwd=tmp_path,
            check=True,
            capture_output=True,
            timeout=LONGEST_SECONDS,
        )
        yield Runner(tmp_path)
    finally:
        launcher.end(directory)


@pytest.mark.timeout(300)
def test_the_shell_of_both_examples_does_what_they_say(runner: Runner) -> None:
    stage = shell_of("rollout.yml", "Run the stage")
    code, told = runner.run(stage, STAGE="0", WORDS="")
    assert code == 3, told
    code, told = runner.run(stage, STAGE="0", WORDS=WORDS)
    assert (code, runner.answer()["status"]) == (0, "done"), told
    code, told = runner.run(stage, STAGE="1", WORDS="")
    assert code == 0, told
    code, told = runner.run(stage, STAGE="2", WORDS="")
    assert (code, runner.answer()["exit_code"]) == (0, 75), told
    code, told = runner.run(shell_of("soak.yml", "Go on with the soak, if there is one"))
    assert code == 0, told
    assert "nothing soaks" in told


@pytest.mark.parametrize("path", sorted(WORKFLOWS.glob("*.yml")), ids=lambda path: path.name)
def test_an_example_is_a_workflow_without_keys(path: Path) -> None:
    text = path.read_text()
    document = yaml.safe_load(text)
    assert set(document) >= {"name", "jobs", "permissions", "concurrency"}
    assert document["permissions"]["id-token"] == "write"
    assert "credentials_json" not in text
    assert "secrets." not in text

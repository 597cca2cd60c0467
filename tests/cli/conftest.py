from __future__ import annotations

import importlib.util
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from typer.testing import CliRunner

from emonk_ops.cli.app import build
from emonk_ops.settings import Target
from emonk_ops.settings_sample import sample

PROGRAM = Path(__file__).with_name("small_world.py")


@dataclass
class Answer:
    code: int
    out: str
    err: str

    @property
    def envelope(self) -> dict[str, Any]:
        document: dict[str, Any] = json.loads(self.out)
        return document


class Place:
    """A folder with a settings file and a small world in it."""

    def __init__(self, folder: Path, world: ModuleType) -> None:
        self.folder = folder
        self._world = world
        self._app = build()

    def type(self, *argv: str) -> Answer:
        words = list(argv)
        result = CliRunner().invoke(self._app, words, obj=self._world.collaborators(words))
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return Answer(result.exit_code, result.stdout, result.stderr)

    def command(self, *argv: str) -> list[str]:
        """The same, to be run as a process of its own."""
        return [sys.executable, str(PROGRAM), *argv]

    def world(self, **settings: Any) -> None:
        path = self.folder / "world.json"
        known = json.loads(path.read_text()) if path.exists() else {}
        path.write_text(json.dumps({**known, **settings}))

    @property
    def serves(self) -> str:
        path = self.folder / "world.json"
        if not path.exists():
            return "a"
        return str(json.loads(path.read_text()).get("switches", {}).get("serves", "a"))

    def pass_stage_0(self, env: str = "qa") -> None:
        assert self.type("stage", "0", "-e", env, "--confirm", "word=said so").code == 0


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("EMONK_ACTOR", "ann")
    (tmp_path / "emonk-ops.toml").write_text(sample(Target.SANDBOX))
    return Place(tmp_path, _small_world())


def _small_world() -> ModuleType:
    spec = importlib.util.spec_from_file_location("small_world", PROGRAM)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module

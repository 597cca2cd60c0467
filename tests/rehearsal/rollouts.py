"""A rollout typed as an operator types it: processes of the CLI, a sandbox on the virtual clock."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from emonk_ops.sandbox import launcher
from emonk_ops.settings_file import read_settings
from emonk_ops.toolbox import Toolbox
from emonk_ops.wiring import Wiring

LONGEST_SECONDS = 280.0
WORDS = ("code-review", "lint", "type-check")
PEOPLE = ("incident-plan", "failures-handled")
GATES = ("failure-injections", "dashboards-reviewed", "complaints")


@dataclass(frozen=True)
class Typed:
    """What a command answered under --json."""

    code: int
    envelope: Mapping[str, Any]
    told: str

    @property
    def data(self) -> Mapping[str, Any]:
        found: Mapping[str, Any] = self.envelope["data"]
        return found

    def verdicts(self, phase: str) -> dict[str, str]:
        return {one["id"]: one["verdict"] for one in self.data["phases"].get(phase, [])}


class Rollout:
    """Types commands in a folder whose sandbox runs, and looks behind them through the ports."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._tools: dict[str, Toolbox] = {}

    def types(
        self, *words: str, env: str = "qa", code: int | None = 0, variables: Mapping[str, str] = {}
    ) -> Typed:
        ended = subprocess.run(
            self.command(*words, env=env),
            cwd=self.folder,
            env={**os.environ, "EMONK_ACTOR": "ann", **variables},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=LONGEST_SECONDS,
            check=False,
        )
        told = f"{words} in {env}: {ended.returncode}\n{ended.stderr[-3000:]}{ended.stdout[-3000:]}"
        assert code is None or ended.returncode == code, told
        return Typed(ended.returncode, json.loads(ended.stdout or "{}"), told)

    def command(self, *words: str, env: str) -> list[str]:
        named = ["--env", env] if env else []
        return [sys.executable, "-m", "emonk_ops", *words, *named, "--json"]

    def stage(self, number: int, *words: str, env: str = "qa", code: int | None = 0) -> Typed:
        said = [f"--confirm={word}=said so" for word in WORDS] if number == 0 else []
        return self.types("stage", str(number), "--yes", *said, *words, env=env, code=code)

    def set(self, **keys: str) -> None:
        """Set keys of [env.qa] and [env.production], and whom the alerts notify."""
        path = self.folder / "emonk-ops.toml"
        lines = "\n".join(f"{name} = {value}" for name, value in keys.items())
        text = path.read_text().replace("# channels = []", 'channels = ["oncall@example.com"]')
        for env in ("[env.qa]", "[env.production]"):
            text = text.replace(env, f"{env}\n{lines}", 1)
        path.write_text(text)

    def stages(self, *numbers: int, env: str = "qa") -> None:
        for number in numbers:
            self.stage(number, env=env)

    def cutover(self, *words: str, env: str = "qa", code: int | None = 0) -> Typed:
        """Stage 4, with what only people know said."""
        known = PEOPLE if env == "qa" else (*PEOPLE, *GATES)
        said = [f"--confirm={word}=said so" for word in known]
        return self.types("stage", "4", "--yes", *said, *words, env=env, code=code)

    def tools(self, env: str = "qa") -> Toolbox:
        """The environment's own ports, for looking and for meddling."""
        if env not in self._tools:
            settings = read_settings(self.folder / "emonk-ops.toml", {}).environment(env)
            self._tools[env] = Toolbox(settings, Wiring(settings), self.folder / "meddling")
        return self._tools[env]

    def passes(self, time: timedelta, env: str = "qa") -> None:
        clock = self.tools(env).clock
        clock.sleep_until(clock.now() + time)

    def journal(self, env: str = "qa") -> list[dict[str, Any]]:
        (path,) = (self.folder / ".emonk-ops").glob(f"{env}-*/journal.jsonl")
        return [json.loads(line) for line in path.read_text().splitlines()]

    def verdicts_in_journal(self, stage: int, env: str = "qa") -> dict[str, str]:
        """The last verdict of each check of the stage, by its phase and id."""
        runs = {
            one["run"]
            for one in self.journal(env)
            if one["kind"] == "run.started" and one["body"]["stage"] == stage
        }
        return {
            f"{one['body']['phase']}/{one['body']['id']}": one["body"]["verdict"]
            for one in self.journal(env)
            if one["kind"] == "check" and one["run"] in runs
        }

    def settle(self) -> None:
        """End the connections of the ports."""
        for tools in self._tools.values():
            ports = tools.ports
            assert isinstance(ports, Wiring)
            ports.close()


@contextmanager
def rollout_in(folder: Path, *, clock: str = "virtual") -> Iterator[Rollout]:
    """A folder of `init --sandbox`, and the sandbox of it, up and ready."""
    directory = folder / ".emonk-sandbox"
    endpoint = launcher.launch(directory, clock=clock)
    rollout = Rollout(folder)
    try:
        launcher.wait_for_services(endpoint)
        init = [sys.executable, "-m", "emonk_ops", "init", "--sandbox"]
        subprocess.run(init, cwd=folder, check=True, capture_output=True, timeout=LONGEST_SECONDS)
        yield rollout
    finally:
        rollout.settle()
        launcher.end(directory)

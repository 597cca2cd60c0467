"""An operator who injects faults: types commands in a folder whose sandbox runs."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from emonk_ops.operations.injection.access import snapshot
from emonk_ops.operations.tick_job import ensure_enabled, ensure_job
from emonk_ops.ports import DeployRequest
from emonk_ops.sandbox import launcher
from emonk_ops.sandbox.endpoint import Endpoint
from emonk_ops.settings import Environment, Target
from emonk_ops.settings_sample import sample
from emonk_ops.toolbox import Toolbox
from emonk_ops.wiring import Wiring

ROOT = Path(__file__).parents[2]
LONGEST_SECONDS = 120.0
CLI = (sys.executable, "-m", "emonk_ops")


class Operator:
    """Types commands in a folder whose sandbox runs, and looks behind them through the ports."""

    def __init__(self, folder: Path, tools: Toolbox, endpoint: Endpoint) -> None:
        self.folder = folder
        self.tools = tools
        self._endpoint = endpoint

    def control(self, path: str, **content: Any) -> dict[str, Any]:
        found: dict[str, Any] = launcher.call(self._endpoint, "POST", f"/sandbox/{path}", content)
        return found

    def start(self, *words: str, cli: Sequence[str] = CLI) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [*cli, *words, "--env", "qa", "--json"],
            cwd=self.folder,
            env={**os.environ, "EMONK_ACTOR": "ann"},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def types(self, *words: str, code: int = 0) -> dict[str, Any]:
        with self.start(*words) as process:
            out, err = process.communicate(timeout=LONGEST_SECONDS)
        assert process.returncode == code, (words, process.returncode, out, err)
        found: dict[str, Any] = json.loads(out)["data"]
        return found

    def stopped(self, signum: signal.Signals, *words: str, at: str = "prove landed") -> int:
        """Type it, send the signal once it says `at`, and wait for its end."""
        with self.start(*words) as process:
            assert process.stderr is not None
            for line in process.stderr:
                if at in line:
                    process.send_signal(signum)
                    break
            process.communicate(timeout=LONGEST_SECONDS)
        return process.returncode

    @contextmanager
    def failing(self, method: str) -> Iterator[None]:
        fault = self.control("faults", method=method, code="UNAVAILABLE")["id"]
        yield
        self.control("faults/clear", ids=[fault])

    @contextmanager
    def configured(self, was: str, becomes: str) -> Iterator[None]:
        """Another line in the settings, for a while."""
        path = self.folder / "emonk-ops.toml"
        text = path.read_text()
        assert was in text, was
        path.write_text(text.replace(was, becomes, 1))
        yield
        path.write_text(text)

    def serve(self, **request: Any) -> None:
        self.tools.run.deploy(DeployRequest(**request), timeout_seconds=60.0)
        state = self.tools.service.driver()
        self.tools.service.activate("cloud", expected_epoch=state.epoch)

    def serve_weak(self, weakness: str) -> None:
        script = str(ROOT / "tests" / "rehearsal" / "weak_service.py")
        command = [sys.executable, script, weakness]
        self.control("images", name=weakness, command=command, source=str(ROOT))
        self.serve(image=weakness)

    def bindings(self) -> list[list[Any]]:
        """Of the project, in an order of their own: the platform keeps none."""
        return snapshot(self.tools.access.policy())

    def seen(self, told: dict[str, Any]) -> dict[str, str]:
        return {one["id"]: one["verdict"] for one in told["observations"]}

    def evidence(self, told: dict[str, Any]) -> dict[str, Any]:
        (path,) = self.folder.rglob(told["evidence"])
        found: dict[str, Any] = json.loads(path.read_text())
        return found


def on_firestore(operator: Operator) -> Operator:
    """The service on Firestore, driven by Cloud Scheduler alone."""
    operator.tools.service.quiesce(wait_seconds=5.0)
    env = {"SCHEDULER_STORAGE": "firestore", "SCHEDULER_LEGACY_LOOP": "false"}
    operator.serve(env=env)
    return operator


@contextmanager
def sandbox(folder: Path, *, stays: bool = False) -> Iterator[Operator]:
    """It ends with the block, or `stays` for somebody else when the block ends well."""
    (folder / "emonk-ops.toml").write_text(sample(Target.SANDBOX))
    directory = folder / ".emonk-sandbox"
    endpoint = launcher.launch(directory, clock="virtual")
    ports = Wiring(Environment("qa", Target.SANDBOX, "emonk-qa", sandbox_dir=directory))
    try:
        launcher.wait_for_services(endpoint)
        tools = Toolbox(ports.env, ports, folder / "keep")
        ensure_job(tools)
        ensure_enabled(tools)
        yield Operator(folder, tools, endpoint)
    except BaseException:
        launcher.end(directory)
        raise
    else:
        if not stays:
            launcher.end(directory)
    finally:
        ports.close()

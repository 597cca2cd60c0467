"""The real gcloud in a shell that has evaluated `emonk-ops sandbox env`."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

SERVICE = "emonk-agent"
JOB = "emonk-agent-tick"
REGION = ("--region", "us-central1")
LOCATION = ("--location", "us-central1")
INVOKER = "emonk-scheduler@emonk-qa.iam.gserviceaccount.com"
RUNNER = "serviceAccount:emonk-agent@emonk-qa.iam.gserviceaccount.com"
PATIENCE = 60.0
NEEDED = [
    pytest.mark.skipif(shutil.which("gcloud") is None, reason="gcloud is not installed"),
    pytest.mark.timeout(300),  # a call of gcloud takes a second, several on a busy machine
]


class Shell:
    """A shell that has evaluated `emonk-ops sandbox env`."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.environment = self.exports()
        self.http = self.environment["EMONK_SANDBOX_HTTP"]

    def exports(self, *options: str) -> dict[str, str]:
        words = (sys.executable, "-m", "emonk_ops", "sandbox", "env", "--dir", str(self.directory))
        ran = subprocess.run([*words, *options], capture_output=True, text=True, check=True)
        pairs = (shlex.split(line)[1].partition("=") for line in ran.stdout.splitlines())
        return {name: value for name, _, value in pairs}

    def run(
        self, *words: str, environment: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        own = {key: one for key, one in os.environ.items() if not key.startswith("CLOUDSDK_")}
        return subprocess.run(
            ["gcloud", *words],
            env={**own, **(environment or self.environment)},
            capture_output=True,
            text=True,
            timeout=PATIENCE,
        )

    def __call__(self, *words: str) -> str:
        """What gcloud prints; it must succeed."""
        ran = self.run(*words)
        assert ran.returncode == 0, f"gcloud {shlex.join(words)}\n{ran.stdout}{ran.stderr}"
        return ran.stdout.strip()

    def json(self, *words: str) -> Any:
        return json.loads(self(*words, "--format", "json") or "null")

    def refused(self, *words: str) -> str:
        """What gcloud complains about; it must fail."""
        ran = self.run(*words)
        assert ran.returncode == 1, ran.stdout + ran.stderr
        return ran.stderr

    def service(self, projection: str = "status.url") -> str:
        return self(
            *("run", "services", "describe", SERVICE, *REGION, "--format", f"value({projection})")
        )

    def job(self) -> Any:
        return self.json("scheduler", "jobs", "describe", JOB, *LOCATION)

    def entries(self, filter_text: str, limit: int = 50) -> Any:
        return self.json("logging", "read", filter_text, "--limit", str(limit))

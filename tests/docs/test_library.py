"""The examples of docs/library.md, each written to a file and run as a user would run it."""

from __future__ import annotations

import os
import re
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "library.md").read_text()
EXAMPLES = dict(re.findall(r"```python\n# (\w+)\.py\n(.*?)```", TEXT, flags=re.DOTALL))


def test_every_block_of_code_is_one_of_the_examples_that_are_run() -> None:
    assert set(EXAMPLES) == {"starlette_app", "fastapi_app", "no_app"}
    assert len(re.findall(r"```python", TEXT)) == len(EXAMPLES)


@contextmanager
def served(folder: Path, module: str) -> Iterator[str]:
    (folder / f"{module}.py").write_text(EXAMPLES[module])
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    child = subprocess.Popen(
        [sys.executable, "-m", "uvicorn", f"{module}:app", "--host", "127.0.0.1", f"--port={port}"],
        cwd=folder,
        env={"PATH": os.environ["PATH"], "SCHEDULER_STORAGE": "memory"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    try:
        give_up = time.monotonic() + 30
        while not _listens(port):
            assert child.poll() is None, child.communicate()
            assert time.monotonic() < give_up
            select.select([], [], [], 0.02)
        yield f"http://127.0.0.1:{port}"
    finally:
        child.send_signal(signal.SIGTERM)
        out, _ = child.communicate(timeout=20)
    assert b"Traceback" not in out, out.decode()
    assert b"Service stopped" in out


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


@pytest.mark.parametrize("module", ["starlette_app", "fastapi_app"])
def test_the_app_of_the_example_serves_its_own_routes_and_runs_its_jobs(
    tmp_path: Path, module: str
) -> None:
    if module == "fastapi_app":
        pytest.importorskip("fastapi", reason="FastAPI is not installed")
    with served(tmp_path, module) as url, httpx.Client(base_url=url, timeout=20) as http:
        assert http.get("/health").json()["status"] == "ok"
        first, again = (http.post("/greet/you").json()["job"] for _ in range(2))
        assert first == again
        report = http.post("/cron/tick").json()
        assert (report["jobs_executed"], report["jobs_succeeded"]) == (1, 1)
        assert http.post("/cron/tick").json()["jobs_executed"] == 0


def test_the_example_without_an_app_runs_an_overdue_job_once(tmp_path: Path) -> None:
    (tmp_path / "no_app.py").write_text(EXAMPLES["no_app"])
    done = subprocess.run(
        [sys.executable, "no_app.py"],
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "1 succeeded {'greeted': 'you'}"


def test_the_options_of_the_document_are_those_that_exist_with_their_defaults() -> None:
    from emonk_ops.tick.job_options import OPTIONS
    from emonk_ops.tick.jobs import Job

    rows = dict(re.findall(r"^\| `(\w+)` \| (.*?) \|", TEXT, flags=re.MULTILINE))
    assert set(rows) == set(OPTIONS) - {"declared"} | {"dedup_key"}
    fields = Job.__dataclass_fields__
    for name, said in rows.items():
        if said not in ("none", "the service's"):
            assert str(fields[name].default).removesuffix(".0") == said.strip("`"), name

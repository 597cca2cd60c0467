"""The same analysis of a long log, read through the Logging API of a sandbox, page by page."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import grpc
from google.cloud.logging_v2.services.logging_service_v2 import LoggingServiceV2Client
from google.cloud.logging_v2.types import LogEntry
from google.protobuf.json_format import ParseDict

from emonk_ops.operations.analysis.spool import Spool
from emonk_ops.operations.judging.comparison import compare, logged
from emonk_ops.sandbox import launcher
from emonk_ops.settings import Environment, Target
from emonk_ops.toolbox import Toolbox
from emonk_ops.wiring import Wiring
from tests.bench.judging import DAY_JOBS, ROOT, peak_kb
from tests.bench.tables import show, whole
from tests.judging.exported import entries
from tests.judging.model import World

PROJECT = "emonk-bench"
WRITTEN_AT_ONCE = 1000
DAYS = (1, 3)
MONTH_DAYS = 30


def api_analysis() -> None:
    """Days of ticks each minute, read and judged in a process of its own."""
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for days in DAYS:
            found = measured_alone(Path(folder) / f"{days}", days)
            rows.append(
                (
                    f"{days} days, {days * 1440:,} ticks",
                    whole(found["entries"]),
                    found["verdict"],
                    f"{found['read']:.1f}",
                    f"{found['read'] / days * MONTH_DAYS:.0f}",
                    f"{found['judge']:.1f}",
                    whole(found["peak_mb"]),
                )
            )
    head = ("log", "entries", "verdict", "read s", "30 days, reckoned", "judge s", "peak MB")
    show("Analysis of a log from the API", head, rows, "CPU seconds of the reader alone; its peak.")


def measured_alone(directory: Path, days: int) -> dict[str, Any]:
    """A sandbox with that log, and a reader of its own. The reader's CPU seconds and peak."""
    endpoint = launcher.launch(directory, clock="real")
    try:
        begin = datetime.now(UTC).replace(second=0, microsecond=0) - timedelta(days=days)
        _write(endpoint.grpc, begin, days)
        argv = [sys.executable, "-m", "tests.bench.api_analysis", str(directory)]
        argv += [begin.isoformat(), str(days)]
        done = subprocess.run(argv, capture_output=True, text=True, check=True, cwd=ROOT)
        found: dict[str, Any] = json.loads(done.stdout)
        return found
    finally:
        launcher.end(directory)


def _write(address: str, begin: datetime, days: int) -> None:
    transport = LoggingServiceV2Client.get_transport_class("grpc")
    client = LoggingServiceV2Client(transport=transport(channel=grpc.insecure_channel(address)))
    batch: list[LogEntry] = []
    for one in _days(begin, days):
        entry = LogEntry()
        ParseDict(one, LogEntry.pb(entry))
        batch.append(entry)
        if len(batch) == WRITTEN_AT_ONCE:
            client.write_log_entries(entries=batch, timeout=30)
            batch = []
    if batch:
        client.write_log_entries(entries=batch, timeout=30)


def _days(begin: datetime, days: int) -> Iterator[dict[str, Any]]:
    world = World(0, jobs=DAY_JOBS, begin=begin)
    hours = 24 - world.rules().horizon / timedelta(hours=1)
    for day in range(days):
        first = begin + timedelta(days=day)
        one = World(day, hours=hours, jobs=DAY_JOBS, begin=first, numbers=world.numbers)
        for told in entries(one.records(), f"{day}-"):
            name = told["logName"].replace("projects/p/", f"projects/{PROJECT}/")
            yield {**told, "logName": name}


def measured(directory: Path, begin: datetime, days: int) -> dict[str, Any]:
    env = Environment(
        "qa",
        Target.SANDBOX,
        PROJECT,
        cadence="* * * * *",
        time_zone="UTC",
        sandbox_dir=directory,
    )
    tools = Toolbox(env=env, ports=Wiring(env), keep=directory)
    end = begin + timedelta(days=days)
    jobs = World(0, jobs=DAY_JOBS, begin=begin).definitions()
    started = time.process_time()
    with Spool(logged(tools, begin, end)) as spool:
        read = time.process_time()
        found = compare(spool, jobs, env, certified=False)
        judged = time.process_time()
        count = spool.seen.entries
    return {
        "entries": count,
        "verdict": found.judgement.verdict.value,
        "read": read - started,
        "judge": judged - read,
        "peak_mb": peak_kb() / 1024,
    }


if __name__ == "__main__":
    told = measured(Path(sys.argv[1]), datetime.fromisoformat(sys.argv[2]), int(sys.argv[3]))
    print(json.dumps(told))

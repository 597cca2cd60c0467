from __future__ import annotations

import json
import logging
import subprocess
import sys
from typing import Any

import pytest

from emonk_ops.tick.logs import Log, StandardLogs
from emonk_ops.tick.testing import ManualClock
from emonk_ops.tick.ticks import COUNTERS, TickReport


def test_a_report_is_read_back_from_a_log_entry_whose_numbers_are_floats() -> None:
    entry = {"message": "Scheduler tick completed", "jobs_checked": 5.0, "jobs_due": 2.0}
    report = TickReport.from_dict(entry)
    assert (report.jobs_checked, report.jobs_due, report.jobs_failed) == (5, 2, 0)
    assert isinstance(report.jobs_checked, int)


@pytest.mark.parametrize("value", ["5", 1.5, True, None])
def test_a_counter_that_is_no_whole_number_is_refused(value: Any) -> None:
    with pytest.raises(ValueError, match="jobs_checked"):
        TickReport.from_dict({"jobs_checked": value})


def test_every_counter_is_a_field_of_the_report() -> None:
    assert set(COUNTERS) <= set(TickReport().to_dict())


def test_an_entry_is_one_line_with_the_special_fields() -> None:
    lines: list[str] = []
    clock = ManualClock()
    log = Log(clock, lines.append, {"revision": "r1"}).bind(job_id="one")
    log.info("Two\nlines", slot=clock.now(), note="ü")
    assert "\n" not in lines[0]
    assert json.loads(lines[0]) == {
        "severity": "INFO",
        "message": "Two\nlines",
        "time": "2026-01-05T12:00:00Z",
        "revision": "r1",
        "job_id": "one",
        "slot": "2026-01-05T12:00:00Z",
        "note": "ü",
    }


def test_an_error_carries_its_type_and_trace() -> None:
    lines: list[str] = []
    log = Log(ManualClock(), lines.append)
    try:
        raise ValueError("no luck")
    except ValueError as error:
        log.error("Job failed", error)
    entry = json.loads(lines[0])
    assert (entry["severity"], entry["error_type"]) == ("ERROR", "ValueError")
    assert "no luck" in entry["stack_trace"]


def test_what_libraries_log_takes_the_same_form() -> None:
    lines: list[str] = []
    logger = logging.Logger("library")
    logger.addHandler(StandardLogs(Log(ManualClock(), lines.append)))
    logger.error("it %s", "broke")
    entry = json.loads(lines[0])
    assert (entry["severity"], entry["message"], entry["logger"]) == (
        "ERROR",
        "it broke",
        "library",
    )


def test_the_vocabulary_loads_without_web_or_google_libraries() -> None:
    program = (
        "import sys, emonk_ops.tick.jobs, emonk_ops.tick.ticks\n"
        "print([m for m in ('starlette', 'uvicorn', 'google.auth', 'httpx') if m in sys.modules])"
    )
    said = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=30
    )
    assert said.stdout == "[]\n"


def test_a_service_loads_without_google_or_http_clients() -> None:
    program = (
        "import sys, emonk_ops.tick.app, emonk_ops.tick.service\n"
        "print([m for m in ('google.auth', 'httpx', 'typer', 'rich') if m in sys.modules])"
    )
    said = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=30
    )
    assert said.stdout == "[]\n"

"""`emonk-ops diagnose --bundle FILE`: collects, redacts, packs."""

from __future__ import annotations

import os
from dataclasses import asdict, is_dataclass
from importlib.metadata import version
from pathlib import Path
from platform import platform, python_version
from typing import TYPE_CHECKING, Any

from emonk_ops.cli.command import folder_of
from emonk_ops.cli.desk import Desk, header
from emonk_ops.errors import OpsError, UsageError

if TYPE_CHECKING:
    from emonk_ops.operations.diagnosing.bundle import Parts
    from emonk_ops.operations.diagnosing.diagnosis import Diagnosis
    from emonk_ops.operations.diagnosing.seen import Seen
    from emonk_ops.ports import LogEntry
    from emonk_ops.toolbox import Toolbox

MOST_ENTRIES = 2_000
LAST_RUNS = 20
LIBRARIES = ("emonk-ops", "google-cloud-run", "google-cloud-scheduler", "google-cloud-logging")


def write_bundle(desk: Desk, tools: Toolbox, found: Diagnosis, path: Path) -> dict[str, Any]:
    """Where it is, its bytes, its files, what was cut. Raises UsageError for an unfit path."""
    from emonk_ops.operations.diagnosing.bundle import Parts, archive

    parts = Parts()
    _add_diagnosis(desk, parts, found)
    _add_cloud(desk, parts, found.seen)
    _add_logs(parts, tools, found)
    _add_journal(desk, parts)
    heading = f"Support bundle of {header(desk.env)}, {found.seen.now:%Y-%m-%d %H:%M:%S}Z"
    blob = archive(parts, heading, found.seen.now)
    try:
        _write(path, blob)
    except OSError as error:
        told = error.strerror or str(error)
        raise UsageError(f"--bundle {path}: {told}", hint="--bundle ./bundle.tar.gz") from error
    desk.screen.line(f"bundle: {path} ({len(blob)} bytes, {len(parts.files)} files)")
    for one in parts.cut:
        desk.screen.line(f"  cut: {one}")
    return {"path": str(path), "bytes": len(blob), "files": list(parts.files), "cut": parts.cut}


def _write(path: Path, blob: bytes) -> None:
    """Readable by its owner only: names of accounts and jobs are in it."""
    folder_of(path)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(blob)


def _add_diagnosis(desk: Desk, parts: Parts, found: Diagnosis) -> None:
    from emonk_ops.cli.diagnosed import lines_of, plain
    from emonk_ops.rollout.redaction import redacted

    text = "\n".join(map(str, redacted(lines_of(found)))) + "\n"
    parts.add("diagnosis.txt", "what is wrong, and what to do", text)
    parts.add("diagnosis.json", "the same as data", plain(found))
    about = {name: _version(name) for name in LIBRARIES}
    about |= {"python": python_version(), "system": platform(), "who": desk.who.actor}
    parts.add("versions.json", "versions of the operator's machine", about)


def _add_cloud(desk: Desk, parts: Parts, seen: Seen) -> None:
    from emonk_ops.cli.recorded import recorded_parts
    from emonk_ops.rollout.redaction import redacted

    told = {
        "service.json": ("the Cloud Run service and the revision that serves", _service(seen)),
        "scheduler-job.json": ("the Cloud Scheduler job, and as it should be", _job(seen)),
        "driver.json": ("who drives", _plain(seen.state)),
        "health.json": ("the service's own word", _plain(seen.health)),
        "jobs.json": ("stored jobs without their payloads", _jobs(seen)),
    }
    for name, (about, content) in told.items():
        parts.add(name, about, redacted(content))
    status = [asdict(one) for one in recorded_parts(desk)]
    parts.add("status.json", "stages, hold, lock, what is unfinished", redacted(status))


def _add_logs(parts: Parts, tools: Toolbox, found: Diagnosis) -> None:
    from emonk_ops.operations.tick_window import COMPLETED, of_service

    wanted = {
        "ticks.jsonl": ("the latest ticks", f'jsonPayload.message="{COMPLETED}"'),
        "errors.jsonl": ("warnings and errors of the service", "severity>=WARNING"),
    }
    for name, (about, query) in wanted.items():
        try:
            entries = tools.logs.entries(
                f"{of_service(tools.env)} AND {query}",
                since=found.seen.since,
                newest_first=True,
                limit=MOST_ENTRIES,
            )
            parts.add_lines(name, about, (_line(one) for one in entries))
        except OpsError as error:
            parts.cut.append(f"{name}: {error.message}")


def _add_journal(desk: Desk, parts: Parts) -> None:
    from emonk_ops.rollout.redaction import redacted

    try:
        runs = list(desk.book.standing().runs.values())[-LAST_RUNS:]
    except OpsError as error:
        parts.cut.append(f"journal.json: {error.message}")
        return
    content = redacted([asdict(one) for one in runs])
    parts.add("journal.json", f"the last {len(runs)} runs of the journal", content)


def _line(entry: LogEntry) -> dict[str, Any]:
    from emonk_ops.rollout.redaction import redacted

    kept = {name: value for name, value in entry.payload.items() if name != "payload"}
    line: dict[str, Any] = redacted(
        {
            "timestamp": entry.timestamp,
            "severity": entry.severity,
            "message": entry.message,
            "payload": kept,
            "http": dict(entry.http),
            "revision": entry.resource.get("revision_name", ""),
        }
    )
    return line


def _service(seen: Seen) -> dict[str, Any]:
    return {"service": _plain(seen.service), "revision": _plain(seen.revision)}


def _job(seen: Seen) -> dict[str, Any]:
    return {"job": _plain(seen.job), "specification": _plain(seen.want)}


def _jobs(seen: Seen) -> list[dict[str, Any]]:
    told = [one.to_dict() for one in seen.jobs or ()]
    return [{name: value for name, value in one.items() if name != "payload"} for one in told]


def _plain(value: Any) -> Any:
    return asdict(value) if is_dataclass(value) and not isinstance(value, type) else value


def _version(name: str) -> str:
    from importlib.metadata import PackageNotFoundError

    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"

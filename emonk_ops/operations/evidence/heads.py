"""What a stretch of log has to be judged by, as plain JSON and back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any

from emonk_ops.operations.acceptance.day import Frame
from emonk_ops.operations.job_audit import jobs_of
from emonk_ops.operations.judging.rules import Rules
from emonk_ops.tick.jobs import Job


def rules_head(rules: Rules, jobs: Iterable[Job], tick_path: str) -> dict[str, Any]:
    """Of a shadow. Payloads of jobs are nobody's business here and are left out."""
    told = asdict(rules)
    told |= {"begin": rules.begin.isoformat(), "end": rules.end.isoformat()}
    listed = [{**job.to_dict(), "payload": {}} for job in jobs]
    return {"rules": told, "jobs": listed, "tick_path": tick_path}


def rules_of_head(head: Mapping[str, Any], changed: Mapping[str, float]) -> Rules:
    """Raises KeyError, ValueError or TypeError for a damaged one."""
    told = dict(head["rules"])
    told |= {name: datetime.fromisoformat(told[name]) for name in ("begin", "end")}
    return Rules(**{**told, **changed})


def jobs_of_head(head: Mapping[str, Any]) -> Sequence[Job]:
    return tuple(jobs_of(iter(head["jobs"])))


def frame_head(frame: Frame) -> dict[str, Any]:
    """Of a stretch of production."""
    told = asdict(frame)
    told["since"] = frame.since.isoformat()
    told["slots"] = [slot.isoformat() for slot in frame.slots]
    told["patience"] = frame.patience.total_seconds()
    return {"frame": told}


def frame_of_head(head: Mapping[str, Any]) -> Frame:
    """Raises KeyError, ValueError or TypeError for a damaged one."""
    told = dict(head["frame"])
    told["since"] = datetime.fromisoformat(told["since"])
    told["slots"] = tuple(datetime.fromisoformat(slot) for slot in told["slots"])
    told["patience"] = timedelta(seconds=told["patience"])
    return Frame(**told)

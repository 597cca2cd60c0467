"""The journal told as chapters: one per run, with what was changed and what did not hold."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from emonk_ops.rollout.records import Record
from emonk_ops.rollout.spool import MARK

ALONE = {
    "hold.set": "put on hold",
    "hold.lifted": "hold lifted",
    "lock.acquired": "lock acquired by hand",
    "lock.released": "lock released by hand",
}


@dataclass
class Chapter:
    """One run, or one record that stands for itself."""

    run: str
    at: datetime
    who: str
    title: str
    reason: str = ""
    status: str = "not ended"
    exit_code: int | None = None
    seconds: float | None = None
    events: list[str] = field(default_factory=list)

    def lines(self) -> list[str]:
        code = f" (exit {self.exit_code})" if self.exit_code is not None else ""
        took = f" in {self.seconds:.1f} s" if self.seconds is not None else ""
        why = f": {self.reason}" if self.reason else ""
        status = self.status.replace("_", " ")
        head = f"{self.at:%Y-%m-%d %H:%M:%S}Z {self.title} by {self.who}{why}"
        return [f"{head} -> {status}{code}{took}", *(f"    {event}" for event in self.events)]

    def to_data(self) -> dict[str, Any]:
        return {
            "run": self.run,
            "at": self.at.isoformat(),
            "who": self.who,
            "title": self.title,
            "reason": self.reason,
            "status": self.status,
            "exit_code": self.exit_code,
            "seconds": self.seconds,
            "events": list(self.events),
        }


def chapters(records: Iterable[Record]) -> list[Chapter]:
    """In the order in which the runs began."""
    told: dict[str, Chapter] = {}
    for record in records:
        body, who = record.body, str(record.who.get("actor", "?"))
        if record.kind == "run.started":
            chapter = Chapter(record.run, record.at, who, str(body["title"]), str(body["reason"]))
            if body.get("took_over"):
                chapter.events.append(f"took over a dead lock: {body['took_over']}")
            if body.get("locked_here_only"):
                chapter.events.append(f"locked on this machine only: {body['locked_here_only']}")
            if body.get(MARK):
                chapter.events.append("written down on its machine and sent later")
            told[record.run] = chapter
        elif record.kind == "run.ended" and record.run in told:
            chapter = told[record.run]
            chapter.status, chapter.exit_code = str(body["status"]), int(body["exit_code"])
            chapter.seconds = body.get("seconds")
        elif record.run in told:
            if event := _event(record):
                told[record.run].events.append(event)
        else:
            told[record.run] = _alone(record, who)
    return list(told.values())


def _alone(record: Record, who: str) -> Chapter:
    title = ALONE.get(record.kind, record.kind)
    return Chapter(record.run, record.at, who, title, str(record.body.get("reason", "")), "done")


def _event(record: Record) -> str:
    body = record.body
    match record.kind:
        case "check" if not body["holds"]:
            return f"{body['verdict']} {body['id']}: {body['summary']}"
        case "attested":
            return f"attested {body['check']}: {body['word']}"
        case "step.ended" | "rollback.step.ended" | "drill.step.ended" | "repair.step.ended":
            word = "done" if body["changed"] else "already so"
            told = str(body["summary"]).removeprefix("already so: ")
            return f"{word} {body['id']}: {told} ({body['seconds']:.1f} s)"
        case "step.failed" | "rollback.step.failed" | "drill.step.failed" | "repair.step.failed":
            return f"failed {body['id']}: {body['message']}"
        case "forced":
            return f"FORCED past the gate: {body['passed']}"
        case "injection.intent":
            return f"inject {body['injection']}: intent"
        case "injection.landed":
            return f"{body['id']} landed"
        case "injection.restored":
            left = "; ".join(body["left"])
            return f"{body['id']} {'restored' if body['ok'] else 'NOT restored: ' + left}"
        case "injection.ended":
            return f"{body['verdict']} {body['name']}: {body['summary']}"
        case "injection.suite":
            return f"suite {body['suite']}: {body['verdict']}"
        case "captured":
            return "captured the way back"
        case "rollback.partial":
            return f"partial rollback of stage {body['stage']}: {body['reason']}"
        case "rollback.started":
            return f"rollback of stage {body['stage']}: {body['reason']}"
        case "rollback.ended":
            left = ", ".join(body["left"])
            return f"rollback {'ended' if body['ok'] else 'did not complete, left: ' + left}"
        case "drill.ended":
            back, forth = body["back_seconds"], body["forth_seconds"]
            word = "went well" if body["ok"] else f"failed: {body['why']}"
            return f"drill {word}: back in {back:.1f} s, forth in {forth:.1f} s"
        case "soak.began":
            return f"soak {body['soak']} began"
        case "soak.ended":
            return f"soak {body['soak']} ended: {body['how']} {body.get('summary', '')}".rstrip()
        case _:
            return ""

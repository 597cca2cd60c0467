"""Small journals, written through the real book, and the stories that come of them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from itertools import count
from pathlib import Path
from typing import Any

from emonk_ops.errors import ExitCode
from emonk_ops.reporting.model import Story, story_of
from emonk_ops.reporting.told.subject import Subject
from emonk_ops.rollout.book import Book, Heading
from emonk_ops.rollout.evidence import EvidenceFolder
from emonk_ops.rollout.identity import identify
from emonk_ops.rollout.journal import Journal
from emonk_ops.rollout.lock import Lock
from emonk_ops.testing import ManualClock

Body = Mapping[str, Any]
Event = tuple[str, Body]


class Telling:
    """Writes runs into a journal, a minute between two records."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.clock = ManualClock()
        names = (f"run-{number}" for number in count(1))
        self.book = Book(
            journal=Journal(folder / "journal.jsonl", clock=self.clock),
            lock=Lock(folder / "lock.json", clock=self.clock, ttl_seconds=10**7),
            who=identify({"EMONK_ACTOR": "ann"}, ("emonk-ops",)),
            new_run_id=lambda: next(names),
        )

    def run(
        self,
        command: str,
        *events: Event,
        stage: int | None = None,
        reason: str = "",
        code: ExitCode | None = ExitCode.DONE,
        summary: str = "",
        **more: Any,
    ) -> str:
        """A whole run; with `code=None` one that was killed. Its name."""
        title = f"stage {stage}: number {stage}" if command == "stage" else command
        heading = Heading(command, title, stage, reason)
        if code is None:
            return self._killed(heading, events)
        with self.book.locked_run(heading) as run:
            for kind, body in events:
                self._pass()
                run.write(kind, body)
                run.changed = run.changed or kind == "step.ended"
            self._pass()
            run.end(code, summary or title, **more)
        return run.id

    def _killed(self, heading: Heading, events: tuple[Event, ...]) -> str:
        start = {"command": heading.command, "stage": heading.stage, "title": heading.title}
        begun = self.book.note("run.started", {**start, "reason": heading.reason})
        for kind, body in events:
            self._pass()
            self.book.journal.append(run=begun.run, kind=kind, who=begun.who, body=body)
        return begun.run

    def _pass(self) -> None:
        self.clock.set(self.clock.now() + timedelta(minutes=1))

    def note(self, kind: str, body: Body) -> None:
        self._pass()
        self.book.note(kind, body)

    @property
    def evidence(self) -> EvidenceFolder:
        return EvidenceFolder(self.folder / "evidence")

    def subject(self, env: str = "qa", target: str = "gcp") -> Subject:
        records = self.book.journal.records()
        return Subject(env, target, "emonk-qa", "emonk-agent", records, self.evidence)

    def story(self, target: str = "gcp") -> Story:
        return story_of(self.subject(target=target))


def check(
    check_id: str,
    verdict: str = "PASS",
    *,
    phase: str = "checks",
    word: str = "",
    advisory: bool = False,
    **facts: Any,
) -> Event:
    holds = verdict == "PASS" or advisory or bool(word)
    attested = {"word": word, "who": "ann", "at": "2026-01-05T12:00:00+00:00"} if word else None
    body: dict[str, Any] = {
        "phase": phase,
        "id": check_id,
        "sentence": f"{check_id} holds",
        "verdict": verdict,
    }
    body |= {"holds": holds, "advisory": advisory, "summary": f"{check_id} was measured"}
    return "check", {**body, "facts": facts, "attestation": attested}


def captured(stage: int) -> Event:
    return "captured", {"stage": stage, "facts": {}}


def step(step_id: str, driver: str = "", seconds: float = 0.5, budget: float = 5.0) -> list[Event]:
    facts = {"driver": driver} if driver else {}
    ended = {"id": step_id, "changed": True, "summary": f"{step_id} done", "facts": facts}
    times = {"seconds": seconds, "budget_seconds": budget}
    return [("step.started", {"id": step_id, "title": step_id}), ("step.ended", ended | times)]


def way_back(stage: int, seq: int, *, ok: bool = True, **more: Any) -> list[Event]:
    about = {"stage": stage, "capture_seq": seq}
    ended = {"id": "undo", "changed": True, "summary": "undone", "facts": {"driver": "legacy"}}
    times = {"seconds": 7.0, "budget_seconds": 5.0}
    left = [] if ok else ["restore-job: the job"]
    return [
        ("rollback.started", {**about, "reason": "it broke", "steps": ["undo"], **more}),
        ("rollback.step.started", {"id": "undo", "title": "undo"}),
        ("rollback.step.ended", ended | times),
        ("rollback.ended", {**about, "ok": ok, "left": left, "seconds": 7.5, "more": False}),
    ]


def fault(name: str = "restart", verdict: str = "PASS", *, restored: bool = True) -> list[Event]:
    about = {"id": f"f-{name}"}
    plan = {"fault_seconds": 60.0, "restore_seconds": 30.0, "heals": ""}
    intent = {**about, "injection": name, "options": {"mode": "kill"}, "plan": plan, "undo": []}
    seen = {"id": "again", "expected": "Jobs retry", "verdict": verdict, "summary": "it ran again"}
    ended = {**about, "name": name, "verdict": verdict, "summary": "all 1 expectations hold"}
    left = [] if restored else ["the job is PAUSED"]
    return [
        ("injection.intent", intent),
        ("injection.injected", {**about, "undo": []}),
        ("injection.landed", {**about, "proof": {"status": 503, "died": True}}),
        ("injection.restored", {**about, "ok": restored, "left": left}),
        ("injection.ended", {**ended, "observations": [seen], "evidence": f"{name}.json"}),
    ]


def soak(*looks: Event, needed: float = 600.0, guide: float = 600.0, stage: int = 3) -> list[Event]:
    at = "2026-01-05T12:00:00+00:00"
    began = {"about": {"driver": "shadow"}, "needed_seconds": needed, "guide_seconds": guide}
    return [("soak.began", {"stage": stage, "soak": "shadow", "at": at, **began}), *looks]


def look(minute: int, covered: float, *breaches: str, stage: int = 3, **facts: Any) -> Event:
    """Five minutes that end at `minute` past twelve."""
    told = [{"criterion": one, "summary": "bad", "certain": False, "facts": {}} for one in breaches]
    body = {"stage": stage, "soak": "shadow", "covered_seconds": covered, "summary": "looked"}
    times = {"from": f"2026-01-05T12:{minute - 5:02}:00+00:00"}
    times |= {"until": f"2026-01-05T12:{minute:02}:00+00:00"}
    return "soak.looked", {**body, **times, "breaches": told, "facts": facts}

"""What the journal knows of injected faults: intents, what became of them, and suites."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from emonk_ops.rollout.records import Record

COMMAND = "inject"
STAGE_4 = "stage-4"  # the suite of the guide's four
PASS = "PASS"
KINDS = (
    "injection.intent",
    "injection.injected",
    "injection.landed",
    "injection.restored",
    "injection.ended",
    "injection.suite",
)


@dataclass
class Injected:
    """One injection. It is open from its intent until everything is known to be undone."""

    id: str
    run: str
    name: str
    at: datetime
    who: str
    options: Mapping[str, Any] = field(default_factory=dict)
    plan: Mapping[str, Any] = field(default_factory=dict)
    undo: tuple[Mapping[str, Any], ...] = ()
    intended: bool = False
    landed: bool = False
    restored: bool = False
    left: tuple[str, ...] = ()  # what the last attempt at a restore could not undo
    verdict: str = ""  # empty while it has none
    summary: str = ""
    evidence: str = ""

    @property
    def open(self) -> bool:
        return self.intended and not self.restored

    @property
    def heals(self) -> str:
        return str(self.plan.get("heals", ""))


@dataclass(frozen=True)
class Suite:
    """A suite that ended: `about` is the artifact that it was tried on."""

    run: str
    at: datetime
    name: str
    verdict: str
    about: Mapping[str, Any]
    parts: tuple[Mapping[str, Any], ...]  # line, injection, options, verdict, summary

    @property
    def passed(self) -> bool:
        return self.verdict == PASS


@dataclass
class Injections:
    """A fold over the records."""

    all: dict[str, Injected] = field(default_factory=dict)
    suites: list[Suite] = field(default_factory=list)

    @property
    def open(self) -> tuple[Injected, ...]:
        return tuple(one for one in self.all.values() if one.open)

    def newest_suite(self, name: str, image: str = "") -> Suite | None:
        """The newest of this name, of this image where one is given."""
        for suite in reversed(self.suites):
            if suite.name == name and image in ("", suite.about.get("image")):
                return suite
        return None

    def fold(self, record: Record) -> None:
        if record.kind == "injection.suite":
            self._suite(record)
            return
        one = self._of(record)
        body = record.body
        match record.kind:
            case "injection.intent":
                one.intended, one.restored = True, False
                one.options, one.plan = body.get("options", {}), body.get("plan", {})
                one.undo = tuple(body["undo"])
            case "injection.injected":
                one.undo = tuple(body["undo"])
            case "injection.landed":
                one.landed = True
            case "injection.restored":
                one.restored = bool(body["ok"])
                one.left = tuple(body.get("left", ()))
            case "injection.ended":
                one.verdict, one.summary = str(body["verdict"]), str(body["summary"])
                one.evidence = str(body.get("evidence", ""))

    def _of(self, record: Record) -> Injected:
        body = record.body
        name = str(body.get("injection") or body.get("name") or "")
        who = str(record.who.get("actor", "somebody"))
        made = Injected(str(body["id"]), record.run, name, record.at, who)
        return self.all.setdefault(made.id, made)

    def _suite(self, record: Record) -> None:
        body = record.body
        self.suites.append(
            Suite(
                run=record.run,
                at=record.at,
                name=str(body["suite"]),
                verdict=str(body["verdict"]),
                about=body["about"],
                parts=tuple(body["parts"]),
            )
        )

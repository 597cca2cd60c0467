"""Soaks: healthy time that was seen. What the journal keeps of one, and one look after another."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from emonk_ops.rollout.model import Breach, Facts, Look
from emonk_ops.rollout.records import Record
from emonk_ops.settings import Environment

LEAST_SHARE = 0.05  # of the time that passes, for an estimate that is not endless


@dataclass
class SoakState:
    """A soak as its records tell it: a fold. `until` is how far it was looked at."""

    stage: int
    id: str
    about: Facts
    needed_seconds: float
    began_at: datetime
    until: datetime
    covered_seconds: float = 0.0
    looks: int = 0
    last: str = ""  # what the newest look saw
    totals: Counter[str] = field(default_factory=Counter)  # looks with a breach, by criterion
    streaks: Counter[str] = field(default_factory=Counter)  # the last ones, without a break
    extensions: int = 0
    ended: str = ""  # empty while it goes on: done, breached, rolled back, or why it began anew

    @property
    def open(self) -> bool:
        return not self.ended

    @property
    def left_seconds(self) -> float:
        return max(0.0, self.needed_seconds - self.covered_seconds)

    @property
    def coverage(self) -> float:
        """The covered share of the time that was looked at; 1.0 before the first look."""
        passed = (self.until - self.began_at).total_seconds()
        return self.covered_seconds / passed if passed > 0 else 1.0

    @property
    def ends_about(self) -> datetime:
        """When it is done if coverage stays what it was."""
        return self.until + timedelta(seconds=self.left_seconds / max(self.coverage, LEAST_SHARE))

    def note(
        self, until: datetime, covered_seconds: float, criteria: frozenset[str], said: str
    ) -> None:
        self.until = until
        self.last = said
        self.covered_seconds += covered_seconds
        self.looks += 1
        self.totals.update(criteria)
        self.streaks = Counter({name: self.streaks[name] + 1 for name in criteria})

    def facts(self) -> dict[str, Any]:
        return {
            "stage": self.stage,
            "soak": self.id,
            "began_at": self.began_at.isoformat(),
            "looked_until": self.until.isoformat(),
            "covered_seconds": round(self.covered_seconds, 1),
            "needed_seconds": self.needed_seconds,
            "left_seconds": round(self.left_seconds, 1),
            "coverage": round(self.coverage, 4),
            "looks": self.looks,
            "last_look": self.last,
            "breaches": dict(self.totals),
            "extensions": self.extensions,
            "ended": self.ended,
        }


def acting(env: Environment, state: SoakState, breaches: tuple[Breach, ...]) -> Breach | None:
    """The breach that must have its consequence now; those only observed have none."""
    for breach in breaches:
        if breach.criterion in env.observe_only:
            continue
        enough = (
            breach.certain
            or state.streaks[breach.criterion] >= env.breach_consecutive
            or state.totals[breach.criterion] >= env.breach_total
        )
        if enough:
            return breach
    return None


def why_enough(env: Environment, state: SoakState, breach: Breach) -> str:
    """By which rule a breach had its consequence."""
    if breach.certain:
        return "one is enough"
    name = breach.criterion
    if state.streaks[name] >= env.breach_consecutive:
        return f"{state.streaks[name]} looks in a row; the limit is {env.breach_consecutive}"
    return f"{state.totals[name]} looks in all; the limit is {env.breach_total}"


def look_body(look: Look) -> dict[str, Any]:
    """The record of one look."""
    return {
        "from": look.since,
        "until": look.until,
        "covered_seconds": round(look.covered_seconds, 3),
        "summary": look.summary,
        "breaches": [
            {
                "criterion": one.criterion,
                "summary": one.summary,
                "certain": one.certain,
                "facts": dict(one.facts),
            }
            for one in look.breaches
        ],
        "facts": dict(look.facts),
    }


def changes(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """What of a soak's belongings is not as it was, in words."""
    return [
        f"{name} was {before.get(name)!r} and is {now.get(name)!r}"
        for name in sorted({*before, *now})
        if before.get(name) != now.get(name)
    ]


Soaks = dict[int, SoakState]


def began(soaks: Soaks, record: Record) -> None:
    """Fold `soak.began`."""
    body = record.body
    at = datetime.fromisoformat(str(body["at"]))
    stage = int(body["stage"])
    soaks[stage] = SoakState(
        stage=stage,
        id=str(body["soak"]),
        about=body["about"],
        needed_seconds=float(body["needed_seconds"]),
        began_at=at,
        until=at,
    )


def looked(soaks: Soaks, record: Record) -> None:
    """Fold `soak.looked`."""
    body = record.body
    if state := soaks.get(int(body["stage"])):
        criteria = frozenset(str(one["criterion"]) for one in body["breaches"])
        until = datetime.fromisoformat(str(body["until"]))
        said = str(body.get("summary", ""))
        state.note(until, float(body["covered_seconds"]), criteria, said)


def extended(soaks: Soaks, record: Record) -> None:
    """Fold `soak.extended`: it goes on."""
    if state := soaks.get(int(record.body["stage"])):
        state.needed_seconds = float(record.body["needed_seconds"])
        state.extensions += 1
        state.ended = ""


def ended(soaks: Soaks, record: Record) -> None:
    """Fold `soak.ended`."""
    if state := soaks.get(int(record.body["stage"])):
        state.ended = str(record.body["how"])


def undone(soaks: Soaks, stage: int) -> None:
    """What ran on top of a stage that was rolled back is over with it."""
    for number, state in soaks.items():
        if number >= stage:
            state.ended = "rolled back"

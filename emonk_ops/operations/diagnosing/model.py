"""A cause: what it is, how it is seen, what to do, how one knows that it is over."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from emonk_ops.operations.diagnosing.seen import Seen
from emonk_ops.rollout.model import Facts


class Issue(StrEnum):
    """The guide's common issues."""

    NOT_EXECUTING = "jobs-not-executing"
    DUPLICATE = "duplicate-execution"
    NOT_TRIGGERING = "not-triggering"
    LATENCY = "high-latency"


@dataclass(frozen=True)
class Suspect:
    """A cause with the evidence for it. `fills` completes its commands; `about` are job ids."""

    evidence: str
    facts: Facts = field(default_factory=dict)
    fills: Mapping[str, str] = field(default_factory=dict)
    about: tuple[str, ...] = ()


@dataclass(frozen=True)
class Cause:
    """One thing that can be wrong. `look` finds its evidence, or nothing.

    `see`, `command` and `over` are for people: the command that shows it, the one that helps, and
    how one knows that it is over; `{env}`, `{service}`, `{job}`, `{project}`, `{region}`,
    `{account}`, `{invoker}` and what a suspect fills are put in. `resolution` is the guide's line
    that it belongs to. `explains` are causes that follow from this one, so it is named first.
    `fix` is the id of a repair that is safe to do at once.
    """

    id: str
    issue: Issue
    sentence: str
    symptom: str
    resolution: str
    see: str
    command: str
    over: str
    look: Callable[[Seen], Suspect | None]
    also: tuple[Issue, ...] = ()  # further issues in which it shows
    explains: tuple[str, ...] = ()
    fix: str = ""

    @property
    def issues(self) -> tuple[Issue, ...]:
        return (self.issue, *self.also)


@dataclass(frozen=True)
class Named:
    """A cause that was found, and its commands with the names put in."""

    cause: Cause
    suspect: Suspect
    see: str
    command: str
    over: str

    def to_data(self) -> dict[str, Any]:
        return {
            "cause": self.cause.id,
            "sentence": self.cause.sentence,
            "issues": [str(one) for one in self.cause.issues],
            "evidence": self.suspect.evidence,
            "facts": dict(self.suspect.facts),
            "jobs": list(self.suspect.about),
            "resolution": self.cause.resolution,
            "see": self.see,
            "next": self.command,
            "over": self.over,
            "fix": self.cause.fix or None,
        }


def named(cause: Cause, suspect: Suspect, seen: Seen) -> Named:
    env = seen.env
    fills = {
        "env": env.name,
        "service": env.service.name,
        "job": env.service.job,
        "project": env.project,
        "region": env.service.region,
        "account": seen.account,
        "invoker": env.tick_invoker,
        **suspect.fills,
    }
    texts = (text.format_map(fills) for text in (cause.see, cause.command, cause.over))
    return Named(cause, suspect, *texts)


def few(names: list[str] | tuple[str, ...], most: int = 3) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def at(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S}Z"

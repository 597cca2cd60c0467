"""What is known of one slot, and which class it is of."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from itertools import pairwise

from emonk_ops.operations.analysis.records import CRON, Decision

CLOCK_SLACK_SECONDS = 2.0  # the store's time as two instances reckon it
ENDED = ("succeeded", "failed", "stuck")


class SlotClass(StrEnum):
    """How a slot went. FOLDED ones belong to the run of a later slot; EDGE ones are not judged."""

    ONE_WINNER = "ONE_WINNER"
    MISSED_BY_TICK = "MISSED_BY_TICK"
    MISSED_BY_LEGACY = "MISSED_BY_LEGACY"
    LOST = "LOST"
    DUPLICATE_EXECUTION = "DUPLICATE_EXECUTION"
    DUPLICATE_EFFECT = "DUPLICATE_EFFECT"
    EARLY = "EARLY"
    EXTRA = "EXTRA"
    INCOMPLETE = "INCOMPLETE"
    EDGE = "EDGE"
    FOLDED = "FOLDED"


BREACHES = (
    SlotClass.MISSED_BY_TICK,
    SlotClass.LOST,
    SlotClass.DUPLICATE_EXECUTION,
    SlotClass.DUPLICATE_EFFECT,
    SlotClass.EARLY,
    SlotClass.EXTRA,
)
# Said by a line that is there, so that no missing line can excuse it.
CERTAIN = (SlotClass.DUPLICATE_EXECUTION, SlotClass.DUPLICATE_EFFECT, SlotClass.EARLY)


@dataclass(slots=True)
class SlotFacts:
    """The lines about one slot of one job, as they came."""

    job_id: str
    slot: datetime
    owner: str = ""
    claims: list[Decision] = field(default_factory=list)
    executions: list[Decision] = field(default_factory=list)
    ends: list[Decision] = field(default_factory=list)
    stale: set[int] = field(default_factory=set)
    dead: bool = False
    effects: Counter[str] = field(default_factory=Counter)

    def note(self, told: Decision) -> None:
        self.owner = self.owner or told.owner
        match told.decision:
            case "claim" | "takeover":
                self.claims.append(told)
            case "execute":
                self.executions.append(told)
            case "end":
                self.ends.append(told)
            case "stale":
                self.stale.add(told.fence)
            case "dead":
                self.dead = True

    @property
    def winner(self) -> Decision | None:
        """The end that counts: the first that was not stale and left nothing to do."""
        sound = (one for one in self.ends if one.fence not in self.stale and one.outcome in ENDED)
        return next(sound, None)

    @property
    def lateness_seconds(self) -> float:
        """Of the first execution."""
        return min((one.lateness_seconds for one in self.executions), default=0.0)


def class_of(facts: SlotFacts) -> SlotClass:
    """The class of an expected slot that has left a line; LOST where nobody took it."""
    if any(count > 1 for count in facts.effects.values()):
        return SlotClass.DUPLICATE_EFFECT
    if _ran_twice(facts):
        return SlotClass.DUPLICATE_EXECUTION
    if any(one.lateness_seconds < 0 for one in facts.executions):
        return SlotClass.EARLY
    if facts.dead:
        return SlotClass.ONE_WINNER
    if not facts.executions:
        return SlotClass.INCOMPLETE if facts.claims or facts.ends else SlotClass.LOST
    if facts.winner is None:
        return SlotClass.INCOMPLETE
    return _by_whom(facts)


def _ran_twice(facts: SlotFacts) -> bool:
    """Two ran to their end, one fence began twice, or two ran at the same time."""
    fences = Counter(one.fence for one in facts.executions)
    completed = {one.fence for one in facts.ends if one.outcome == "succeeded"}
    if len(completed) > 1 or any(count > 1 for count in fences.values()):
        return True
    if completed and any(one.fence > min(completed) for one in facts.executions):
        # An end that was not recorded is stale, and the slot may then be had again.
        return min(completed) not in facts.stale
    ended = {one.fence: one.lateness_seconds for one in facts.ends}
    begun = sorted(facts.executions, key=lambda one: one.fence)
    return any(
        one.fence in ended
        and one.fence not in facts.stale
        and ended[one.fence] > other.lateness_seconds + CLOCK_SLACK_SECONDS
        for one, other in pairwise(begun)
    )


def _by_whom(facts: SlotFacts) -> SlotClass:
    first = min(facts.claims, key=lambda one: one.fence, default=None)
    if first is not None and first.decision == "takeover" and not first.rescued:
        return missed_by(facts.owner)
    return SlotClass.ONE_WINNER


def missed_by(owner: str) -> SlotClass:
    return SlotClass.MISSED_BY_TICK if owner == CRON else SlotClass.MISSED_BY_LEGACY

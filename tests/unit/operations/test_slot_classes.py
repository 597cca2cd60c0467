"""Stories of one slot, and the class each is of."""

from __future__ import annotations

from datetime import timedelta

import pytest

from emonk_ops.operations.analysis.records import Decision
from emonk_ops.operations.judging.slots import SlotClass, SlotFacts, class_of
from tests.judging.model import BEGIN


def told(text: str) -> Decision:
    """Such as "end cron 1 7.5 succeeded": decision, path, fence, seconds behind the slot."""
    decision, path, fence, late, *more = text.split()
    at = BEGIN + timedelta(seconds=float(late))
    return Decision(
        at,
        "i",
        0,
        decision,
        path,
        "cron",
        "a",
        BEGIN,
        float(late),
        int(fence),
        rescued="rescued" in more,
        outcome=more[0] if decision == "end" else "",
    )


STORIES: dict[str, tuple[SlotClass, tuple[str, ...]]] = {
    "the owner runs it": (
        SlotClass.ONE_WINNER,
        ("defer loop 0 0", "claim cron 1 6", "execute cron 1 6", "end cron 1 7 succeeded"),
    ),
    "tried again after a failure": (
        SlotClass.ONE_WINNER,
        (
            "claim cron 1 6",
            "execute cron 1 6",
            "end cron 1 7 failed",
            "claim cron 2 66",
            "execute cron 2 66",
            "end cron 2 67 succeeded",
        ),
    ),
    "rescued by the other path after a crash": (
        SlotClass.ONE_WINNER,
        (
            "claim cron 1 6",
            "execute cron 1 6",
            "takeover loop 2 310 rescued",
            "execute loop 2 310",
            "end loop 2 311 succeeded",
        ),
    ),
    "the owner never came": (
        SlotClass.MISSED_BY_TICK,
        ("takeover loop 1 95", "execute loop 1 95", "end loop 1 96 succeeded"),
    ),
    "only deferred": (SlotClass.LOST, ("defer loop 0 0",)),
    "begun, and no end of it": (SlotClass.INCOMPLETE, ("claim cron 1 6", "execute cron 1 6")),
    "claimed, and never begun": (SlotClass.INCOMPLETE, ("claim cron 1 6",)),
    "given back, and not had again": (
        SlotClass.INCOMPLETE,
        ("claim cron 1 6", "execute cron 1 6", "end cron 1 7 released"),
    ),
    "ended twice": (
        SlotClass.DUPLICATE_EXECUTION,
        (
            "execute cron 1 6",
            "end cron 1 7 succeeded",
            "execute loop 2 60",
            "end loop 2 61 succeeded",
        ),
    ),
    "begun again after it had succeeded": (
        SlotClass.DUPLICATE_EXECUTION,
        ("execute cron 1 6", "end cron 1 7 succeeded", "execute loop 2 60"),
    ),
    "one fence, begun twice": (
        SlotClass.DUPLICATE_EXECUTION,
        ("execute cron 1 6", "execute loop 1 6", "end cron 1 7 succeeded"),
    ),
    "two at the same time": (
        SlotClass.DUPLICATE_EXECUTION,
        (
            "execute cron 1 6",
            "execute loop 2 20",
            "end loop 2 21 succeeded",
            "end cron 1 40 failed",
        ),
    ),
    "frozen past its lease, and then it failed": (
        SlotClass.ONE_WINNER,
        (
            "claim cron 1 6",
            "execute cron 1 6",
            "takeover loop 2 310 rescued",
            "execute loop 2 310",
            "end loop 2 311 succeeded",
            "end cron 1 400 failed",
            "stale cron 1 400",
        ),
    ),
    "frozen past its lease, and then it did it too": (
        SlotClass.DUPLICATE_EXECUTION,
        (
            "execute cron 1 6",
            "execute loop 2 310",
            "end loop 2 311 succeeded",
            "end cron 1 400 succeeded",
            "stale cron 1 400",
        ),
    ),
    "before its time": (
        SlotClass.EARLY,
        ("execute cron 1 -0.5", "end cron 1 1 succeeded"),
    ),
}


@pytest.mark.parametrize("story", STORIES)
def test_a_story_has_its_class(story: str) -> None:
    expected, lines = STORIES[story]
    facts = SlotFacts("a", BEGIN)
    for line in lines:
        facts.note(told(line))
    assert class_of(facts) is expected


def test_an_effect_that_is_there_twice_outweighs_all() -> None:
    facts = SlotFacts("a", BEGIN)
    for line in STORIES["the owner runs it"][1]:
        facts.note(told(line))
    facts.effects["a:key"] += 2
    assert class_of(facts) is SlotClass.DUPLICATE_EFFECT

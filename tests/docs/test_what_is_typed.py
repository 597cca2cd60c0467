"""The commands of the pages, typed in the sandbox as they stand."""

from __future__ import annotations

import pytest

from tests.docs import pages
from tests.docs.typing_along import BY_HAND, LAST, LONG, Reader, lines_to_type, wrong

# One rollout, in this order; a line that was typed is not typed again.
OPERATORS = (
    "README.md",
    "docs/SCHEDULER_SETUP.md",
    "docs/ci.md",
    "docs/jobs.md",
    "docs/injection.md",
    "docs/review.md",
    "docs/state.md",
    "docs/monitoring.md",
    "docs/cleanup.md",
    "docs/rehearsal.md",
)
ELSEWHERE = {"runbook.md"}  # tests/diagnosing types it, while its faults are planted
# The README's clock is the real one, on which a reader waits; its folder is the reader's.
CLOCK = ("--clock real", "--clock virtual")


def test_every_page_with_commands_is_typed_from() -> None:
    shown = {
        page
        for page in pages.PAGES
        for block in pages.blocks(page)
        if block.language == "bash" and block.when != "not run"
    }
    assert shown - ELSEWHERE <= {*OPERATORS, *BY_HAND}


def lines_of(*names: str, long: tuple[str, ...] = ()) -> list[str]:
    lines = lines_to_type(*names, gcloud=False, long=long)
    return [*(line.replace(*CLOCK) for line in lines if line != LAST), LAST]


STORIES = {
    "a rollout": lines_of(*OPERATORS),
    "the README from start to end": lines_of("README.md", long=("README.md",)),
    "alerts": lines_of("README.md", "docs/monitoring.md", long=("docs/monitoring.md",)),
}


@pytest.mark.timeout(400)
@pytest.mark.parametrize("story", STORIES if LONG else ["a rollout"])
def test_an_operator_types_the_pages(reader: Reader, story: str) -> None:
    typed = reader.type(STORIES[story], patience_seconds=390)
    told = wrong(typed)
    assert told == [], "\n".join(told)
    assert [one.line for one in typed] == STORIES[story]
    said = {one.line: one.said for one in typed}
    assert "Cloud Scheduler drives" in said["emonk-ops status --env qa"]


def test_the_stories_are_long_enough_to_say_something() -> None:
    assert [len(lines) > 15 for lines in STORIES.values()] == [True, True, True]
    assert len(STORIES["a rollout"]) > 40

"""The commands of the pages, typed in the sandbox as they stand."""

from __future__ import annotations

import pytest

from tests.docs import pages
from tests.docs.typing_along import BY_HAND, Reader, lines_to_type, wrong

# One rollout, in this order; a line that was typed is not typed again.
OPERATORS = (
    "README.md",
    "docs/SCHEDULER_SETUP.md",
    "docs/ci.md",
    "docs/jobs.md",
    "docs/injection.md",
    "docs/state.md",
    "docs/monitoring.md",
    "docs/cleanup.md",
    "docs/rehearsal.md",
)
ELSEWHERE = {"runbook.md"}  # only parsed here: it wants its faults planted
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


@pytest.mark.timeout(400)
def test_an_operator_types_the_pages_of_a_rollout(reader: Reader) -> None:
    last = "emonk-ops sandbox down"
    lines = [line.replace(*CLOCK) for line in lines_to_type(*OPERATORS, gcloud=False)]
    lines = [line for line in lines if line != last] + [last]
    typed = reader.type(lines, patience_seconds=390)
    told = wrong(typed)
    assert told == [], "\n".join(told)
    assert [one.line for one in typed] == lines
    assert sum(one.line.startswith("emonk-ops") for one in typed) > 35
    said = {one.line: one.said for one in typed}
    assert "Cloud Scheduler drives" in said["emonk-ops status --env qa"]

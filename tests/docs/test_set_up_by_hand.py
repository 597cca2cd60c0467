"""The pages' gcloud commands, typed as they stand in a shell that has the sandbox."""

from __future__ import annotations

import pytest

from tests.docs.typing_along import BY_HAND, LAST, LONG, Reader, lines_to_type, wrong
from tests.sandbox.gcloud_shell import NEEDED

pytestmark = NEEDED


@pytest.mark.parametrize("long", [False, True] if LONG else [False])
def test_the_scheduler_is_set_up_by_hand(reader: Reader, long: bool) -> None:
    """Long: by the page about the sandbox alone, whose commands are others to the same end."""
    names = BY_HAND[:1] if long else BY_HAND
    lines = [*lines_to_type(*names, gcloud=True, long=names if long else ()), LAST]
    typed = reader.type(lines, patience_seconds=280)
    told = wrong(typed)
    assert told == [], "\n".join(told)
    assert [one.line for one in typed] == lines
    assert sum("gcloud" in one.line for one in typed) > 10
    (described,) = [one.said for one in typed if "jobs describe" in one.line]
    assert f"state: {'ENABLED' if long else 'PAUSED'}" in described
    assert "/cron/tick" in described

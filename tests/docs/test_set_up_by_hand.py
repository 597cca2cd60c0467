"""The pages' gcloud commands, typed as they stand in a shell that has the sandbox."""

from __future__ import annotations

from tests.docs.typing_along import BY_HAND, Reader, lines_to_type, wrong
from tests.sandbox.gcloud_shell import NEEDED

pytestmark = NEEDED


def test_the_scheduler_is_set_up_by_hand(reader: Reader) -> None:
    lines = [*lines_to_type(*BY_HAND, gcloud=True), "emonk-ops sandbox down"]
    typed = reader.type(lines, patience_seconds=280)
    told = wrong(typed)
    assert told == [], "\n".join(told)
    assert [one.line for one in typed] == lines
    assert sum("gcloud" in one.line for one in typed) > 10
    (described,) = [one.said for one in typed if "jobs describe" in one.line]
    assert "state: PAUSED" in described
    assert "/cron/tick" in described

"""`emonk-ops diagnose --watch`: says what changed, look by look."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from emonk_ops.cli.desk import Desk
from emonk_ops.cli.staying import left, stay
from emonk_ops.errors import ExitCode

if TYPE_CHECKING:
    from emonk_ops.operations.diagnosing.diagnosis import Diagnosis
    from emonk_ops.toolbox import Toolbox

EVERY_SECONDS = 15.0


def watch_for(
    desk: Desk, tools: Toolbox, look: Callable[[], Diagnosis], minutes: float | None
) -> ExitCode:
    """Under --json an envelope a change; each names when it was. Ends as any watching does."""
    seen: list[str] = []

    def once() -> float:
        found = look()
        causes = [one.cause.id for one in found.causes]
        now = [found.sentence if not causes else "", *causes]
        if now != seen:
            _tell(desk, found, before=seen)
            seen[:] = now
        return EVERY_SECONDS

    code = stay(desk, tools.clock, once, every=EVERY_SECONDS, minutes=minutes, say=desk.screen.line)
    return left(desk, code)


def _tell(desk: Desk, found: Diagnosis, before: list[str]) -> None:
    from emonk_ops.cli.diagnosed import cause_lines, plain

    stamp = f"{found.seen.now:%Y-%m-%d %H:%M:%S}Z"
    ids = {one.cause.id for one in found.causes}
    for gone in [one for one in before[1:] if one not in ids]:
        desk.screen.line(f"{stamp} over: {gone}")
    desk.screen.line(f"{stamp} {found.sentence}")
    for number, one in enumerate(found.causes, 1):
        if one.cause.id not in before:
            for line in cause_lines(number, one):
                desk.screen.line(line)
    if desk.json:
        desk.write_envelope(plain(found), code=found.code)

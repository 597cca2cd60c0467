"""After a rollback nothing goes forward until somebody says why it may."""

from __future__ import annotations

from emonk_ops.errors import OnHold, UsageError
from emonk_ops.rollout.book import Book
from emonk_ops.rollout.standing import Hold


def lift(book: Book, *, reason: str, env: str) -> Hold | None:
    """Lift the hold; None when there is none. Raises UsageError and OnHold."""
    if not reason.strip():
        raise UsageError("resume wants to know why: --reason must say something")
    hold = book.standing().hold
    if hold is None:
        return None
    if not hold.complete:
        raise OnHold(
            f"the rollback that set this hold has not ended ({hold.reason})",
            hint=f"emonk-ops rollback --env {env}",
        )
    book.note("hold.lifted", {"reason": reason, "was": hold.reason})
    return hold

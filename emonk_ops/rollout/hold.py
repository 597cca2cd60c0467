"""On hold nothing goes forward until somebody says why it may. A rollback sets it, or a person."""

from __future__ import annotations

from emonk_ops.errors import OnHold, UsageError
from emonk_ops.rollout.book import Book
from emonk_ops.rollout.standing import Hold


def put_on_hold(book: Book, *, reason: str) -> Hold | None:
    """Set the hold by hand; the one there is already, else None. Raises UsageError."""
    if not reason.strip():
        raise UsageError("hold wants to know why", hint='--reason "…"')
    hold = book.standing().hold
    if hold is None:
        book.note("hold.set", {"reason": reason})
    return hold


def lift(book: Book, *, reason: str, env: str) -> Hold | None:
    """Lift the hold; None when there is none. Raises UsageError and OnHold."""
    if not reason.strip():
        raise UsageError("resume wants to know why: --reason must say something")
    book.require_reachable()
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

"""`emonk-ops lock status|release`."""

from __future__ import annotations

from typing import Annotated

import typer

from emonk_ops.cli import options
from emonk_ops.cli.command import command, group
from emonk_ops.cli.desk import Desk
from emonk_ops.errors import ExitCode, Locked, UsageError

lock_app = group("The environment's lock: one rollout at a time.")
Force = Annotated[bool, typer.Option("--force", help="Even though its holder is at work.")]


@command(lock_app, "status", title="lock status")
def status(desk: Desk) -> ExitCode:
    """Who holds it, since when and why."""
    from emonk_ops.cli.recorded import lock_part

    desk.show_header()
    part = lock_part(desk, desk.book.lock.describe())
    desk.screen.line(part.sentence)
    return desk.answer(part.facts)


@command(lock_app, "release", title="lock release")
def release(desk: Desk, reason: options.Reason = "", force: Force = False) -> ExitCode:
    """Release it by hand; its holder stops at its next step."""
    desk.show_header()
    lock = desk.book.lock
    lease = lock.describe()
    if lease is None:
        desk.screen.line("already so: it is free")
        return desk.answer({"released": False})
    if not reason.strip():
        raise UsageError("lock release wants to know why", hint='--reason "…"')
    if lock.is_live(lease, desk.who.machine) and not force:
        raise Locked(
            f"its holder is at work: {lease.sentence()}",
            hint="Ask them first; --force takes it away",
        )
    lock.release_by_hand()
    desk.book.note("lock.released", {"reason": reason, "was": lease.sentence()})
    desk.screen.line(f"released: {lease.sentence()}")
    return desk.answer({"released": True}, hint=f"emonk-ops status --env {desk.env.name}")

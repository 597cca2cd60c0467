"""`emonk-ops lock status|acquire|release`."""

from __future__ import annotations

from typing import Annotated

import typer

from emonk_ops.cli import options
from emonk_ops.cli.command import command, group
from emonk_ops.cli.desk import Desk
from emonk_ops.errors import ExitCode, Locked, UsageError

lock_app = group("The environment's lock: one rollout at a time.")
Force = Annotated[bool, typer.Option("--force", help="Even though its holder is at work.")]
For = Annotated[str, typer.Option("--for", help="How long at most, e.g. 90m, 2h or 1d.")]
LONGEST_SECONDS = 7 * 86_400.0


@command(lock_app, "status", title="lock status")
def status(desk: Desk) -> ExitCode:
    """Who holds it, since when and why."""
    from emonk_ops.cli.recorded import lock_part

    desk.show_header()
    part = lock_part(desk, desk.book.lock.describe())
    desk.screen.line(part.sentence)
    return desk.answer(part.facts)


@command(lock_app, "acquire", title="lock acquire")
def acquire(desk: Desk, reason: options.Reason = "", lasts: For = "2h") -> ExitCode:
    """Hold it by hand: every other command that takes it is refused until its end or a release."""
    from emonk_ops.cli.durations import parsed

    seconds = parsed(lasts)
    if not reason.strip():
        raise UsageError("lock acquire wants to know why", hint='--reason "…"')
    if not 0 < seconds <= LONGEST_SECONDS:
        raise UsageError(f"--for {lasts}: a lock by hand is held for 7 days at most")
    desk.show_header()
    lease = desk.book.acquire_lock(reason, seconds)
    desk.screen.line(f"acquired: {lease.sentence()}")
    hint = f'emonk-ops lock release --env {desk.env.name} --reason "…"'
    return desk.answer({"acquired": True, "until": lease.expires_at}, hint=hint)


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
    mine = lease.by_hand and lease.holder == desk.who.actor
    if lock.is_live(lease, desk.who.machine) and not force and not mine:
        raise Locked(
            f"it is held: {lease.sentence()}"
            if lease.by_hand
            else f"its holder is at work: {lease.sentence()}",
            hint="Ask them first; --force takes it away",
        )
    desk.book.release_lock(lease, reason)
    desk.screen.line(f"released: {lease.sentence()}")
    return desk.answer({"released": True}, hint=f"emonk-ops status --env {desk.env.name}")

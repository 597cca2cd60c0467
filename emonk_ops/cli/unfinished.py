"""What an earlier command left half way, said first by every command."""

from __future__ import annotations

from emonk_ops.cli.desk import Desk
from emonk_ops.errors import OpsError
from emonk_ops.rollout.standing import Run


def show_unfinished(desk: Desk) -> None:
    """What cannot be read is left to the command that needs it to say."""
    try:
        standing, lease = desk.book.standing(), desk.book.lock.describe()
    except OpsError:
        return
    for run in standing.unfinished:
        if (
            lease is not None
            and lease.run == run.id
            and desk.book.lock.is_live(lease, desk.who.machine)
        ):
            desk.screen.line(f"going on: {lease.sentence()}")
        else:
            desk.screen.line(f"unfinished: {unfinished_sentence(run, desk.env.name)}")


def unfinished_sentence(run: Run, env: str) -> str:
    who = run.who.get("actor", "somebody")
    how = run.status.replace("_", " ") or "it never ended"
    again = f"stage {run.stage}" if run.command == "stage" else "rollback"
    if run.status == "restore_incomplete":
        again = "rollback"
    return (
        f"{run.title} by {who} at {run.started_at:%Y-%m-%d %H:%M:%S}Z ({how}); "
        f"go on with: emonk-ops {again} --env {env}"
    )

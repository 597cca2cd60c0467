"""What an earlier command left half way, said first by every command."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from emonk_ops.errors import OpsError, Unreachable
from emonk_ops.rollout.book import Book
from emonk_ops.rollout.identity import Identity
from emonk_ops.rollout.injections import Injected
from emonk_ops.rollout.lease import Lease
from emonk_ops.rollout.runs import Run
from emonk_ops.settings import Environment


class Place(Protocol):
    """Whose journal and lock are asked. Reading `book` may raise OpsError."""

    @property
    def book(self) -> Book: ...
    @property
    def who(self) -> Identity: ...
    @property
    def env(self) -> Environment: ...


def unfinished_lines(place: Place) -> Iterator[str]:
    """What cannot be read is left to the command that needs it to say."""
    try:
        book = place.book
        standing, lease = book.standing(), _lease_in_sight(book)
    except OpsError:
        return
    for run in standing.unfinished:
        machine = place.who.machine
        if lease is not None and lease.run == run.id and book.lock.is_live(lease, machine):
            yield f"going on: {lease.sentence()}"
        else:
            yield f"unfinished: {unfinished_sentence(run, place.env.name)}"

    for one in standing.injections.open:
        live = lease is not None and lease.run == one.run
        if live and lease is not None and book.lock.is_live(lease, place.who.machine):
            yield f"going on: {lease.sentence()}"
        else:
            yield f"unfinished: {injection_sentence(one, place.env.name)}"


def injection_sentence(one: Injected, env: str) -> str:
    """A fault that may still be there, what ends it, and the command that does."""
    heals = one.heals or "nothing ends it by itself"
    left = f"; left: {'; '.join(one.left)}" if one.left else ""
    return (
        f"the fault {one.name} by {one.who} at {one.at:%Y-%m-%d %H:%M:%S}Z is not known to be "
        f"undone ({heals}){left}; finish it with: emonk-ops inject restore {one.run} --env {env}"
    )


def _lease_in_sight(book: Book) -> Lease | None:
    try:
        return book.lock.describe()
    except Unreachable:
        return None


def unfinished_sentence(run: Run, env: str) -> str:
    who = run.who.get("actor", "somebody")
    how = run.status.replace("_", " ") or "it never ended"
    again = f"stage {run.stage}" if run.command == "stage" else "rollback"
    if run.command == "drill":
        again = "rollback drill"
    if run.command.startswith(("jobs ", "rollback ")):
        again = run.command
    if run.status == "restore_incomplete" and not run.command.startswith("rollback"):
        again = "rollback"
    return (
        f"{run.title} by {who} at {run.started_at:%Y-%m-%d %H:%M:%S}Z ({how}); "
        f"go on with: emonk-ops {again} --env {env}"
    )

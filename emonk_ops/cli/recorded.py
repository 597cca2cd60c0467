"""What only the journal and the lock know: stages, hold, lock, unfinished runs."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from emonk_ops.cli.desk import Desk
from emonk_ops.cli.unfinished import injection_sentence, unfinished_sentence
from emonk_ops.errors import OpsError, Unreachable
from emonk_ops.rollout.lease import Lease
from emonk_ops.rollout.places import PlaceState
from emonk_ops.rollout.sentences import time_left
from emonk_ops.rollout.situation import Part
from emonk_ops.rollout.standing import Standing


def recorded_parts(desk: Desk) -> list[Part]:
    """A damaged journal is a line of the status, not its end."""
    name = desk.env.name
    try:
        standing = desk.book.standing()
        state = desk.book.journal.state()
        lease, locked = _lock(desk)
    except OpsError as error:
        return [Part("journal", f"ERROR: {error.message}", ok=False, asked=False, hint=error.hint)]
    live = lease is not None and desk.book.lock.is_live(lease, desk.who.machine)
    at_work = lease.run if lease is not None and live else ""
    parts = [_journal(state), _stages(standing), *_soaks(standing, name)]
    parts += [_hold(standing, name), locked]
    parts += [
        Part("fault", injection_sentence(one, name), {"run": one.run, "id": one.id}, ok=False)
        for one in standing.injections.open
    ]
    return parts + [
        Part(
            "unfinished",
            unfinished_sentence(run, name),
            {"run": run.id, "command": run.command, "stage": run.stage},
            ok=False,
        )
        for run in standing.unfinished
        if run.id != at_work
    ]


def _journal(state: PlaceState) -> Part:
    facts = {
        "where": state.where,
        "reachable": state.reachable,
        "since": state.since,
        "spooled": state.spooled,
    }
    return Part("journal", state.sentence(), facts, ok=state.reachable, asked=state.reachable)


def _lock(desk: Desk) -> tuple[Lease | None, Part]:
    try:
        lease = desk.book.lock.describe()
    except Unreachable as error:
        words = f"unknown: {error.message}"
        return None, Part("lock", words, {"holder": None}, ok=False, asked=False)
    return lease, lock_part(desk, lease)


def _stages(standing: Standing) -> Part:
    passed = {str(number): at for number, at in sorted(standing.passed.items())}
    words = ", ".join(f"{number} ({at:%Y-%m-%d %H:%M}Z)" for number, at in passed.items())
    return Part("stages", f"passed: {words or 'none'}", {"passed": passed})


def _soaks(standing: Standing, env: str) -> Iterator[Part]:
    """What is left of those that go on, what blocks them, and how the estimate was made."""
    for stage, soak in sorted(standing.soaks.items()):
        if not soak.open:
            continue
        breaches = ", ".join(f"{name} {count}" for name, count in sorted(soak.totals.items()))
        extended = f", extended {soak.extensions} times" if soak.extensions else ""
        words = (
            f"stage {stage} ({soak.id}): "
            f"{_time(soak.covered_seconds)} of {_time(soak.needed_seconds)} covered{extended}; "
            f"looked until {soak.until:%Y-%m-%d %H:%M:%S}Z, coverage {soak.coverage:.1%}; "
            f"done about {soak.ends_about:%Y-%m-%d %H:%M}Z (what is left, divided by that "
            f"coverage); last look: {soak.last or 'none yet'}; breaches: {breaches or 'none'}"
        )
        hint = f"emonk-ops stage {stage} --env {env} --no-wait"
        yield Part("soak", words, soak.facts(), ok=not soak.streaks, hint=hint)


def _time(seconds: float) -> str:
    return time_left(timedelta(seconds=seconds))


def _hold(standing: Standing, env: str) -> Part:
    hold = standing.hold
    if hold is None:
        return Part("hold", "none", {"reason": None})
    word = "ON HOLD" if hold.complete else "ROLLBACK NOT ENDED"
    hint = (
        f'emonk-ops resume --env {env} --reason "…"'
        if hold.complete
        else f"emonk-ops rollback --env {env}"
    )
    sentence = f"{word} since {hold.since:%Y-%m-%d %H:%M:%S}Z: {hold.reason}"
    return Part(
        "hold", sentence, {"reason": hold.reason, "complete": hold.complete}, False, True, hint
    )


def lock_part(desk: Desk, lease: Lease | None) -> Part:
    if lease is None:
        return Part("lock", "free", {"holder": None})
    live = desk.book.lock.is_live(lease, desk.who.machine)
    facts = {"holder": lease.holder, "pid": lease.pid, "host": lease.host, "live": live}
    facts |= {"by_hand": lease.by_hand, "until": lease.expires_at}
    dead = "" if live else " (dead: the next command takes it over)"
    return Part("lock", lease.sentence() + dead, facts)

"""`emonk-ops shadow watch`."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from emonk_ops.cli.desk import Desk
from emonk_ops.cli.jobs_options import instant_of
from emonk_ops.cli.screens import is_lively
from emonk_ops.cli.staying import Minutes, left, stay
from emonk_ops.errors import ExitCode, Interrupted, OpsError

if TYPE_CHECKING:
    from emonk_ops.operations.judging.watching import Look, Watching
    from emonk_ops.ports import LogEntry
    from emonk_ops.rollout.soak import SoakState
    from emonk_ops.toolbox import Toolbox

STAGE = 3
LATE_SECONDS = 60.0  # a line of the service arrives within it
WatchedSince = Annotated[
    str, typer.Option("--since", help="From here on, instead of the shadow's beginning.")
]
Ticks = Annotated[int | None, typer.Option("--ticks", min=1, help="End after so many new ticks.")]


def watch(
    desk: Desk, since: WatchedSince = "", minutes: Minutes = None, ticks: Ticks = None
) -> ExitCode:
    """The shadow while it runs: who ran what, how late, how surely, and what is left of the soak.

    On a terminal one screen, else a line a look; --json prints one line a tick and nothing else.
    """
    begin = instant_of(since, "--since") if since else None
    desk.show_header()
    if desk.json:
        return _stream(desk, begin, minutes, ticks)
    return _show(desk, begin, minutes, ticks)


def _stream(
    desk: Desk, begin: datetime | None, minutes: float | None, ticks: int | None
) -> ExitCode:
    """One JSON object a tick, as the rollout guide's script prints it."""
    from emonk_ops.operations.analysis.sweep import Sweep
    from emonk_ops.operations.judging.watching import LOOK_SECONDS, ticks_query

    tools = desk.toolbox()
    sweep: Sweep | None = None
    wanted = ticks

    def look() -> float | None:
        nonlocal sweep, wanted
        now = tools.clock.now()
        if sweep is None:
            query, since = ticks_query(tools.env), begin or now
            sweep = Sweep(tools.logs, query, since=since, late_seconds=LATE_SECONDS)
        swept = sweep.look(now)
        for entry in swept.entries[:wanted]:
            desk.out.line(json.dumps(_tick(entry), ensure_ascii=False, default=str))
        if wanted is not None:
            wanted = max(0, wanted - len(swept.entries))
        return None if wanted == 0 else swept.calls * LOOK_SECONDS

    say = _complaining(desk)
    return left(desk, stay(desk, tools.clock, look, every=LOOK_SECONDS, minutes=minutes, say=say))


def _tick(entry: LogEntry) -> dict[str, Any]:
    time = entry.timestamp.astimezone(UTC).isoformat().replace("+00:00", "Z")
    return {"time": time, "message": entry.message, "metrics": dict(entry.payload)}


def _show(desk: Desk, begin: datetime | None, minutes: float | None, ticks: int | None) -> ExitCode:
    from emonk_ops.cli.render_watch import LiveScreen, look_line
    from emonk_ops.operations.judging.watching import LOOK_SECONDS

    tools = desk.toolbox()
    lively = is_lively(desk)
    screen = LiveScreen() if lively else None
    showing: AbstractContextManager[None] = nullcontext() if screen is None else screen.showing()
    say = _complaining(desk) if screen is None else screen.complain
    seen = _Seen(tools, begin, say)

    def show(found: Look, soak: str) -> None:
        if screen is None:
            desk.screen.line(look_line(found, soak))
            if found.trouble:
                desk.screen.line(f"  ! {found.trouble}")
        else:
            screen.show(found, soak)

    def look() -> float | None:
        soak = soak_of(desk)
        found, new = seen.look(soak)
        if found is None:
            return LOOK_SECONDS
        show(found, soak_words(soak, found))
        return None if ticks is not None and new >= ticks else found.wait_seconds

    with seen, showing:
        code = stay(desk, tools.clock, look, every=LOOK_SECONDS, minutes=minutes, say=say)
    return left(desk, code)


class _Seen:
    """The watching: begun at its first look, and begun anew where the shadow or its soak is."""

    def __init__(self, tools: Toolbox, begin: datetime | None, say: Callable[[str], None]) -> None:
        self._tools = tools
        self._say = say
        self._given = begin
        self._watching: Watching | None = None
        self._soak = ""  # whose beginning the window has
        self._since = begin  # ticks before are not new
        self._new = 0
        self._waits = False

    def __enter__(self) -> None:
        return None

    def __exit__(self, *_error: object) -> None:
        if self._watching is not None:
            self._watching.__exit__(None, None, None)

    def look(self, soak: SoakState | None) -> tuple[Look | None, int]:
        """None while only one path drives; and how many ticks were new so far."""
        self._since = self._since or self._tools.clock.now()
        watching = self._begun(soak)
        if watching is None:
            return None, 0
        found = watching.look()
        self._new += sum(one.timestamp >= self._since for one in found.ticks)
        return found, self._new

    def _begun(self, soak: SoakState | None) -> Watching | None:
        from emonk_ops.operations.judging.watching import Watching, shadow_began

        current = soak.id if soak is not None and soak.open and self._given is None else ""
        if self._watching is not None and current in ("", self._soak):
            return self._watching
        begin = soak.began_at if soak is not None and current else self._given
        settle = begin is None
        begin = begin or shadow_began(self._tools)
        if begin is None:
            if not self._waits:
                self._say("one path drives alone: waiting until both do (emonk-ops stage 3)")
            self._waits = True
            return None
        if self._watching is not None:
            self._watching.__exit__(None, None, None)
            self._since = self._tools.clock.now()  # what is read again is not new
        self._soak = current
        self._watching = Watching(self._tools, begin, settle=settle)
        return self._watching


def soak_of(desk: Desk) -> SoakState | None:
    """The shadow's soak, as the journal has it now; None where there is none, or no journal."""
    try:
        return desk.book.standing().soaks.get(STAGE)
    except Interrupted:
        raise
    except OpsError:
        return None


def soak_words(soak: SoakState | None, found: Look) -> str:
    """How far the soak has come; without one, how long the shadow was watched."""
    from emonk_ops.rollout.sentences import time_left

    if soak is None:
        return f"{time_left(found.at - found.begin)} of shadow, no soak on record"
    if not soak.open:
        return f"the soak has ended: {soak.ended}"
    left = f"{_time(soak.left_seconds)} of {_time(soak.needed_seconds)} left"
    return f"soak: {left}, coverage {soak.coverage:.1%}, ends about {soak.ends_about:%H:%M:%SZ}"


def _time(seconds: float) -> str:
    from emonk_ops.rollout.sentences import time_left

    return time_left(timedelta(seconds=seconds))


def _complaining(desk: Desk) -> Callable[[str], None]:
    return lambda words: desk.screen.line(f"  ! {words}")

"""A watched shadow: one line a look, or one screen that changes in its place."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from emonk_ops.cli.wording import COLOURS, ICONS, moment
from emonk_ops.operations.analysis.records import CRON, LOOP
from emonk_ops.rollout.verdicts import error_rate_bound

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.live import Live

    from emonk_ops.operations.judging.verdicts import Judgement, Ruling
    from emonk_ops.operations.judging.watching import Look, PathFigures

DUPLICATES = ("DUPLICATE_EXECUTION", "DUPLICATE_EFFECT")
URGENCY = ("FAIL", "ERROR", "INCONCLUSIVE", "PASS")
PATHS = ((CRON, "ticks"), (LOOP, "loop"))


def look_line(look: Look, soak: str) -> str:
    """Everything that counts, on one line."""
    parts = [moment(look.at), *(_path(name, look.paths[path]) for path, name in PATHS)]
    found = look.judgement
    if found is None:
        parts.append(_nothing(look))
    else:
        parts += [_classes(found), _proof(found), verdict_words(found)]
    if not look.caught_up:
        parts.append(f"read up to {look.read_until:%H:%M:%SZ}, more at the next look")
    return " | ".join([*parts, soak])


def verdict_words(found: Judgement) -> str:
    """The verdict so far and the rulings that make it so."""
    named = [one.name for one in found.rulings if one.verdict is found.verdict]
    if found.verdict == "PASS":
        return f"PASS so far: all {len(named)} rulings hold"
    return f"{found.verdict} so far: {', '.join(named)}"


class LiveScreen:
    """One screen. What was shown last stays when it ends."""

    def __init__(self) -> None:
        from rich.console import Console

        self._console = Console(highlight=False)
        self._live: Live | None = None
        self._shown: tuple[Look, str] | None = None

    @contextmanager
    def showing(self) -> Iterator[None]:
        from rich.live import Live

        with Live(console=self._console, auto_refresh=False) as self._live:
            yield

    def show(self, look: Look, soak: str, trouble: str = "") -> None:
        self._shown = (look, soak)
        if self._live is not None:
            self._live.update(screen_of(look, soak, trouble or look.trouble), refresh=True)

    def complain(self, words: str) -> None:
        """Under what was shown last, which is no longer new."""
        if self._shown is not None:
            self.show(*self._shown, trouble=words)
        else:
            self._console.print(f"! {words}", style="yellow", markup=False)


def screen_of(look: Look, soak: str, trouble: str) -> RenderableType:
    """The verdict first and what is wrong before what holds, for a screen may be short."""
    from rich.console import Group
    from rich.text import Text

    found = look.judgement
    head = Text(_nothing(look) if found is None else verdict_words(found), "bold")
    if found is not None:
        head.stylize(COLOURS[found.verdict.value])
    read = "" if look.caught_up else f", log read up to {moment(look.read_until)}"
    times = Text(f"{moment(look.begin)} to {moment(look.at)}{read}", "dim")
    rows: list[RenderableType] = [head, Text(soak), times, _paths_table(look)]
    if found is not None:
        rows += [Text(f"{_classes(found)}; {_proof(found)}"), _rulings_table(found)]
    if trouble:
        rows.insert(2, Text(f"! {trouble}", "yellow"))
    return Group(*rows)


def _paths_table(look: Look) -> RenderableType:
    from rich.table import Table

    table = Table("path", "ticked", "ran", "failed", "late, median", "late, worst", box=None)
    for path, name in PATHS:
        one = look.paths[path]
        worst = _seconds(one.worst if one.runs else None)
        table.add_row(
            name, str(one.ticks), str(one.runs), str(one.failed), _seconds(one.median), worst
        )
    return table


def _rulings_table(found: Judgement) -> RenderableType:
    from rich.table import Table
    from rich.text import Text

    table = Table("", "ruling", "so far", box=None, show_header=False)
    for one in sorted(found.rulings, key=_urgency):
        colour = COLOURS[one.verdict.value]
        mark = Text(f"{ICONS[one.verdict.value]} {one.verdict.value}", colour)
        table.add_row(mark, Text(one.name), Text(one.summary, no_wrap=True, overflow="ellipsis"))
    return table


def _urgency(one: Ruling) -> int:
    return URGENCY.index(one.verdict.value)


def _nothing(look: Look) -> str:
    if look.trouble:
        return "nothing is judged yet"
    return "nothing to judge yet: lines arrive up to two minutes late"


def _path(name: str, one: PathFigures) -> str:
    late = f", late {_seconds(one.median)} (worst {_seconds(one.worst)})" if one.runs else ""
    failed = f", {one.failed} failed" if one.failed else ""
    return f"{name} {one.ticks}, ran {one.runs}{failed}{late}"


def _seconds(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f} s"


def _classes(found: Judgement) -> str:
    told = ", ".join(f"{name} {count}" for name, count in found.classes.items())
    duplicates = sum(found.classes.get(name, 0) for name in DUPLICATES)
    return f"{told or 'no slot yet'}; duplicates {duplicates}"


def _proof(found: Judgement) -> str:
    """What so many slots can prove, and how much of the log is there."""
    ruled = {one.name: one for one in found.rulings}
    n = int(ruled["nothing-lost"].facts.get("n", 0))
    share = float(ruled["log-is-whole"].facts.get("share", 0.0))
    bound = f" (a clean n proves < {error_rate_bound(n):.1%})" if n else ""
    return f"n={n}{bound}, coverage {share:.1%}"

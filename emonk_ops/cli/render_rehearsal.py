"""The rehearsal on a screen: narrated live on a terminal, plain lines elsewhere."""

from __future__ import annotations

import shlex
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

from emonk_ops.cli.output import Output

if TYPE_CHECKING:
    from rich.console import Console, Group, RenderableType
    from rich.live import Live
    from rich.text import Text

    from emonk_ops.rehearsal.acts import Act
    from emonk_ops.rehearsal.theatre import Played

LINES_SHOWN = 12
NEXT_SHOWN = 3


def typed(act: Act) -> str:
    """The command line as it would be typed."""
    prefix = "".join(f"{name}={shlex.quote(value)} " for name, value in act.env.items())
    return f"{prefix}{act.program} {shlex.join(act.argv)}"


def summary_line(one: Played) -> str:
    return f"{one.seconds:6.1f} s  exit {one.exit_code:<3} {one.verdict:12} {one.act.title}"


class Stagehand(Protocol):
    """What the rehearsal tells while it plays."""

    @contextmanager
    def showing(self, acts: Sequence[Act]) -> Iterator[None]: ...
    def began(self, number: int, act: Act) -> None: ...
    def said(self, line: str) -> None: ...
    def ended(self, played: Played) -> None: ...


class PlainStagehand:
    """Everything that is said, in order."""

    def __init__(self, out: Output) -> None:
        self._out = out
        self._acts: Sequence[Act] = ()

    @contextmanager
    def showing(self, acts: Sequence[Act]) -> Iterator[None]:
        self._acts = acts
        yield

    def began(self, number: int, act: Act) -> None:
        self._out.line(f"\n=== {number}/{len(self._acts)} {act.title}")
        if act.why:
            self._out.line(f"    {act.why}")
        self._out.line(f"$ {typed(act)}\n")

    def said(self, line: str) -> None:
        self._out.line(line)

    def ended(self, played: Played) -> None:
        if not played.as_expected:
            self._out.line(f"\n!!! {summary_line(played)}")


class LiveStagehand:
    """The act that plays, what it says last, and what comes; acts that ended stay above."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._acts: Sequence[Act] = ()
        self._number = 0
        self._lines: deque[str] = deque(maxlen=LINES_SHOWN)
        self._live: Live | None = None

    @contextmanager
    def showing(self, acts: Sequence[Act]) -> Iterator[None]:
        from rich.live import Live

        self._acts = acts
        with Live(
            console=self._console, refresh_per_second=8, transient=True, get_renderable=self._scene
        ) as self._live:
            yield

    def began(self, number: int, act: Act) -> None:
        self._number = number
        self._lines.clear()

    def said(self, line: str) -> None:
        self._lines.append(line)

    def ended(self, played: Played) -> None:
        from rich.text import Text

        good = played.as_expected
        icon, colour = ("✔", "green") if good else ("✘", "red")
        told = Text(f"{icon} ", style=colour, no_wrap=True, overflow="ellipsis")
        told.append(f"{played.seconds:6.1f} s  ", style="dim")
        told.append(played.act.title)
        if played.exit_code:
            told.append(f" (exit {played.exit_code})", style="dim")
        self._console.print(told)
        if not good:
            self._console.print(Text(f"  {played.verdict}: {typed(played.act)}", style="red"))
            for line in self._lines:
                self._console.print(Text(f"  {line}", style="dim"))

    def _scene(self) -> Group:
        from rich.console import Group
        from rich.rule import Rule
        from rich.spinner import Spinner
        from rich.text import Text

        if not self._number:
            return Group(Text(""))
        act = self._acts[self._number - 1]
        parts: list[RenderableType] = [
            Rule(f"act {self._number} of {len(self._acts)}", style="dim"),
            Spinner("dots", Text(act.title, style="bold")),
            *([Text(f"  {act.why}", style="italic")] if act.why else []),
            Text(f"  $ {typed(act)}", style="cyan", overflow="ellipsis", no_wrap=True),
            *(_cut(line) for line in self._lines),
            *(
                Text(f"  then: {one.title}", style="dim", overflow="ellipsis", no_wrap=True)
                for one in self._acts[self._number : self._number + NEXT_SHOWN]
            ),
        ]
        return Group(*parts)


def _cut(line: str) -> Text:
    from rich.text import Text

    return Text(f"    {line}", style="dim", overflow="ellipsis", no_wrap=True)

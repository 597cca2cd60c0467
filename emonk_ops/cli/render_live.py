"""A run as a tree that grows on a terminal: phases, their lines, evidence under each."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from emonk_ops.cli.wording import (
    COLOURS,
    ICONS,
    against_budget,
    check_title,
    diff_lines,
    evidence,
    finding_lines,
    seconds,
    step_title,
)
from emonk_ops.rollout.events import (
    CheckBegan,
    CheckEnded,
    Event,
    Noted,
    PhaseBegan,
    StageBegan,
    StepBegan,
    StepBroke,
    StepEnded,
)

if TYPE_CHECKING:
    from rich.console import Console
    from rich.live import Live
    from rich.text import Text
    from rich.tree import Tree

REFRESHES_PER_SECOND = 8


class LiveRenderer:
    """Shows events as a Rich tree. Text from the outside is never read as markup."""

    def __init__(self, console: Console) -> None:
        from rich.tree import Tree

        self._console = console
        self._root: Tree = Tree("")
        self._phase: Tree | None = None  # made when its first line comes
        self._phase_name = ""
        self._line: Tree | None = None
        self._live: Live | None = None

    @contextmanager
    def showing(self) -> Iterator[None]:
        """While within, the tree is on the screen; afterwards it stays there."""
        self._start()
        try:
            yield
        finally:
            self._stop()

    @contextmanager
    def paused(self) -> Iterator[None]:
        """For a question: what was shown stays, and a new tree goes on below it."""
        from rich.tree import Tree

        self._stop()
        try:
            yield
        finally:
            self._root = Tree(self._root.label)
            self._phase = self._line = None
            self._start()

    def notice(self, event: Event) -> None:
        match event:
            case StageBegan(stage):
                self._root.label = self._text(f"stage {stage.number}: {stage.title}", "bold")
            case PhaseBegan(name, _):
                self._phase, self._phase_name = None, name
            case CheckBegan(_, check):
                self._begin(f"{check.id}: {check.sentence}")
            case StepBegan(_, step):
                self._begin(f"{step.id}: {step.title}")
            case CheckEnded(_, result):
                verdict = str(result.finding.verdict)
                icon = "✔" if result.attestation else ICONS[verdict]
                colour = "green" if result.attestation else COLOURS[verdict]
                title = f"{icon} {check_title(result)} ({seconds(result.seconds)})"
                self._end(title, colour, finding_lines(result))
            case StepEnded(_, step, result, took):
                facts = evidence(result.facts)
                below = [*diff_lines(result.facts), *([f"evidence: {facts}"] if facts else [])]
                self._end(f"✔ {step_title(step, result, took)}", "green", below)
            case StepBroke(_, step, error, took):
                title = f"✘ {step.id}: {error.message} ({against_budget(step, took)})"
                self._end(title, "red", list(getattr(error, "log_lines", ())))
            case Noted(text, warning):
                self._branch().add(self._text(text, "yellow" if warning else "dim"))
        if self._live is not None:
            self._live.refresh()

    def _begin(self, text: str) -> None:
        from rich.spinner import Spinner

        self._line = self._branch().add(Spinner("dots", self._text(text, "dim")))

    def _end(self, title: str, colour: str, below: list[str]) -> None:
        line = self._line if self._line is not None else self._branch().add("")
        line.label = self._text(title, colour)
        for text in below:
            line.add(self._text(text, "dim"))
        self._line = None

    def _branch(self) -> Tree:
        if self._phase is None:
            title = self._text(self._phase_name, "bold")
            self._phase = self._root.add(title) if self._phase_name else self._root
        return self._phase

    def _text(self, text: str, style: str) -> Text:
        from rich.text import Text

        return Text(text, style=style)

    def _start(self) -> None:
        from rich.live import Live

        self._live = Live(
            self._root,
            console=self._console,
            refresh_per_second=REFRESHES_PER_SECOND,
            vertical_overflow="visible",
        )
        self._live.start()

    def _stop(self) -> None:
        if self._live is not None:
            self._live.stop()
            self._live = None

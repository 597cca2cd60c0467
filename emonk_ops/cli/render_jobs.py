"""The stored jobs as a table that changes in its place: who is leased first, then who changed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING

from emonk_ops.cli.wording import moment

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.live import Live
    from rich.table import Column

    from emonk_ops.operations.job_watch import Change, JobView

LINES_BESIDE = 5  # of a screen: header, head, what is left out, trouble, the cursor
SHORT = {"state": 9, "due_at": 12, "lease_until": 17, "fence": 5}  # columns
MOST_REMEMBERED = 1_000


class JobTable:
    """One screen. `lease` is the name of the lease's field."""

    def __init__(self, lease: str, console: Console | None = None) -> None:
        from rich.console import Console as RichConsole

        self._lease = lease
        self._console = console or RichConsole(highlight=False)
        self._live: Live | None = None
        self._jobs: Mapping[str, JobView] = {}
        self._changed: dict[str, datetime] = {}
        self._at: datetime | None = None

    @contextmanager
    def showing(self) -> Iterator[None]:
        from rich.live import Live

        with Live(console=self._console, auto_refresh=False) as self._live:
            yield

    def show(
        self, at: datetime | None, jobs: Mapping[str, JobView], changes: Iterable[Change]
    ) -> None:
        self._at, self._jobs = at, jobs
        for change in changes:
            self._changed.pop(change.job_id, None)
            self._changed[change.job_id] = change.at
        while len(self._changed) > MOST_REMEMBERED:
            del self._changed[next(iter(self._changed))]
        self._refresh("")

    def complain(self, words: str) -> None:
        self._refresh(words)

    def _refresh(self, trouble: str) -> None:
        if self._live is not None:
            self._live.update(self._screen(trouble), refresh=True)

    def _screen(self, trouble: str) -> RenderableType:
        from rich.console import Group
        from rich.table import Table
        from rich.text import Text

        table = Table(*self._columns(), box=None)
        room = max(1, self._console.height - LINES_BESIDE)
        names = sorted(self._jobs, key=self._rank)
        for name in names[:room]:
            table.add_row(*(Text(text) for text in self._row(name)), style=self._style(name))
        leased = sum(view.lease_until is not None for view in self._jobs.values())
        hidden = f", {len(names) - room} of them not shown" if len(names) > room else ""
        head = f"{moment(self._at)}  {len(names)} jobs, {leased} leased{hidden}"
        rows: list[RenderableType] = [Text(head, "bold"), table]
        if trouble:
            rows.append(Text(f"! {trouble}", "yellow"))
        return Group(*rows)

    def _columns(self) -> Iterator[Column]:
        """What is short has its width; names and holders share the rest of the line."""
        from rich.table import Column

        rest = self._console.width - sum(SHORT.values()) - 2 * (len(SHORT) + 2)
        longest = max((len(name) for name in self._jobs), default=0)
        names = max(4, min(longest, rest * 2 // 3))
        widths = {"job": names, **SHORT, "holder": max(6, rest - names)}
        for name, width in widths.items():
            head = self._lease if name == "lease_until" else name
            yield Column(head, no_wrap=True, overflow="ellipsis", width=width)

    def _rank(self, name: str) -> tuple[bool, float, str]:
        changed = self._changed.get(name)
        since = -changed.timestamp() if changed is not None else 0.0
        return self._jobs[name].lease_until is None, since, name

    def _row(self, name: str) -> tuple[str, ...]:
        view = self._jobs[name]
        return (
            name,
            view.state,
            self._time(view.due_at),
            self._lease_text(view.lease_until),
            str(view.fence),
            view.holder or "-",
        )

    def _lease_text(self, until: str | None) -> str:
        if until is None or self._at is None:
            return "-"
        left = (datetime.fromisoformat(until) - self._at).total_seconds()
        return f"{self._time(until)} {f'{left:.0f} s' if left > 0 else 'EXPIRED'}"

    def _time(self, text: str | None) -> str:
        """Without its day, where that is today."""
        if text is None:
            return "-"
        at = datetime.fromisoformat(text)
        today = self._at is not None and at.date() == self._at.date()
        return f"{at:%H:%M:%SZ}" if today else f"{at:%m-%d %H:%MZ}"

    def _style(self, name: str) -> str:
        if self._changed.get(name) == self._at:
            return "bold"
        return "cyan" if self._jobs[name].lease_until is not None else ""

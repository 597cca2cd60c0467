"""`emonk-ops judge RUN`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from emonk_ops.cli.command import command
from emonk_ops.cli.desk import Desk
from emonk_ops.errors import ExitCode

if TYPE_CHECKING:
    from emonk_ops.rollout.rejudged import Line, Rejudged

Run = Annotated[str, typer.Argument(help="A run of the journal, or how its name begins.")]
With = Annotated[
    Path | None,
    typer.Option(
        "--with", help="A TOML file with other thresholds: [shadow], [production], [review]."
    ),
]


def register(app: typer.Typer) -> None:
    command(app, "judge")(judge)


def judge(desk: Desk, run: Run, with_: With = None) -> ExitCode:
    """Reach a run's verdicts again from its evidence, offline; --with tries other thresholds."""
    from emonk_ops.operations.evidence.thresholds import Thresholds, read_thresholds
    from emonk_ops.rollout.rejudging import rejudge

    thresholds = Thresholds() if with_ is None else read_thresholds(with_)
    desk.show_header()
    evidence = desk.toolbox().evidence
    assert evidence is not None, "every desk has a place for evidence"
    found = list(rejudge(desk.book.journal.records(), run, evidence, thresholds))
    for one in found:
        _show(desk, one)
    same = all(one.same for one in found)
    differ = sum(not line.same for one in found for line in one.lines)
    words = "all verdicts are as recorded" if same else f"{differ} verdicts differ from the record"
    desk.screen.line(words if with_ is None else f"by {with_}: {words}")
    code = _code(found) if with_ else (ExitCode.DONE if same else ExitCode.CHECK_FAILED)
    data = {"same": same, "with": str(with_ or ""), "evidence": [_plain(one) for one in found]}
    return desk.answer(data, code=code)


def _code(found: list[Rejudged]) -> ExitCode:
    """With other thresholds the question is how it would have ended."""
    from emonk_ops.errors import most_urgent

    return most_urgent([line.now.exit_code for one in found for line in one.lines if line.now])


def _show(desk: Desk, one: Rejudged) -> None:
    saved = one.saved
    window = f"{saved['from']} to {saved['until']}, " if "from" in saved else ""
    records = f"{saved['records']} records, " if "records" in saved else ""
    desk.screen.line(
        f"{saved['kind']}, {saved['purpose']}: {window}{records}{saved['bytes']} bytes, "
        f"sha256 {saved['sha256'][:12]}…"
    )
    for line in one.lines:
        verdict = line.now.verdict if line.now else "none"
        desk.screen.line(f"  {verdict:12} {line.name:24} {_told(line)}")


def _told(line: Line) -> str:
    summary = line.now.summary if line.now else "is not reached any more"
    if line.same:
        return summary if line.same_words else f"{summary} (then: {line.recorded_summary})"
    was = f"was {line.recorded}: {line.recorded_summary}" if line.recorded else "was not recorded"
    return f"{summary} ({was})"


def _plain(one: Rejudged) -> dict[str, Any]:
    return {
        **{name: one.saved[name] for name in ("name", "sha256", "kind", "purpose")},
        **{name: one.saved.get(name) for name in ("from", "until", "records")},
        "same": one.same,
        "verdicts": [
            {
                "name": line.name,
                "verdict": line.now.verdict if line.now else None,
                "summary": line.now.summary if line.now else "",
                "recorded": line.recorded or None,
                "same": line.same,
            }
            for line in one.lines
        ],
    }

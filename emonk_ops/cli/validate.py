"""`emonk-ops validate`: the review after 30 days."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from emonk_ops.cli import options
from emonk_ops.cli.command import command, confirmations
from emonk_ops.cli.desk import Desk
from emonk_ops.cli.jobs_options import instant_of
from emonk_ops.errors import ExitCode

if TYPE_CHECKING:
    from emonk_ops.rollout.review import ReviewReport

GUIDE_DAYS = 30
Days = Annotated[int, typer.Option("--days", min=1, help="Whole days in UTC, the newest ones.")]
Since = Annotated[
    str,
    typer.Option("--since", help="Since when it runs so; without it, since stage 4 passed."),
]

FromFile = Annotated[
    Path | None,
    typer.Option("--from-file", help="Exported entries, the oldest first, instead of the API."),
]


def register(app: typer.Typer) -> None:
    command(app, "validate")(validate)


def validate(
    desk: Desk,
    days: Days = GUIDE_DAYS,
    since: Since = "",
    from_file: FromFile = None,
    confirm: options.Confirm = None,
    no_input: options.NoInput = False,
) -> ExitCode:
    """The review after 30 days: the guide's success criteria over covered days."""
    from emonk_ops.cli.consent import word_asker
    from emonk_ops.cli.screens import screen_for
    from emonk_ops.operations.analysis.log_file import LogFile
    from emonk_ops.rollout.checks import Words
    from emonk_ops.rollout.events import Noted
    from emonk_ops.rollout.review import review, sentence

    begun = instant_of(since, "--since") if since else None
    words = confirmations(confirm)
    desk.show_header()
    screen = screen_for(desk)
    tools = desk.toolbox(say=lambda line: screen.notice(Noted(line)))
    with screen.showing():
        report = review(
            tools,
            desk.book,
            days=days,
            since=begun,
            words=Words(words, word_asker(desk, screen, no_input)),
            observer=screen,
            logs=None if from_file is None else LogFile(from_file, desk.env.service.name),
        )
    desk.screen.line(sentence(report))
    data = {**report.to_data(), "summary": sentence(report)}
    return desk.answer(
        data, code=report.exit_code, hint=_hint(desk, days, since, from_file, report)
    )


def _hint(desk: Desk, days: int, since: str, from_file: Path | None, report: ReviewReport) -> str:
    """The next command: the same with words, the same later, or what a criterion says."""
    from emonk_ops.rollout.model import Verdict

    again = f"emonk-ops validate --env {desk.env.name}"
    again += f" --days {days}" if days != GUIDE_DAYS else ""
    again += f" --since {since}" if since else ""
    again += f" --from-file {from_file}" if from_file else ""
    if report.exit_code is ExitCode.DONE:
        return f"emonk-ops retrospective --env {desk.env.name}"
    asked = [one.check.id for one in report.open if one.finding.verdict is Verdict.ASK]
    if report.exit_code is ExitCode.REFUSED and asked:
        return again + "".join(f' --confirm {name}="…"' for name in asked)
    if report.exit_code is ExitCode.CHECK_FAILED:
        return f"emonk-ops retrospective --env {desk.env.name}, and then: {again}"
    hints = [one.finding.hint for one in report.open if one.finding.hint.startswith("emonk-ops ")]
    return next(iter(hints), again)

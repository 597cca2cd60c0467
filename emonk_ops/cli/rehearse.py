"""`emonk-ops rehearse`: the whole story in the sandbox."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from emonk_ops.cli.output import Output

if TYPE_CHECKING:
    from emonk_ops.cli.render_rehearsal import Stagehand
    from emonk_ops.rehearsal.acts import Act
    from emonk_ops.rehearsal.theatre import Played

REPORT = Path("rehearsal-report")
_out = Output("stdout")
_err = Output("stderr")


def rehearse(
    folder: Annotated[
        Path | None,
        typer.Option(
            "--dir", help="Play in this new folder and keep it (default: a temporary one)."
        ),
    ] = None,
    short: Annotated[bool, typer.Option("--short", help="Stages 0 to 2 in QA: seconds.")] = False,
    out: Annotated[Path, typer.Option("--out", help="Where the report of it all goes.")] = REPORT,
    what: Annotated[
        str,
        typer.Option(
            "--break",
            metavar="WHAT",
            help="Plant something bad: shadow-mismatch, duplicate, failing-deploy, error-burst or "
            "injector-killed.",
        ),
    ] = "",
) -> None:
    """Play the rollout in the sandbox: both environments, failures, rollbacks, days of soak."""
    import tempfile

    from emonk_ops.rehearsal.story import with_report

    acts = with_report(_chosen(short, what), str(out.absolute()))
    if folder is not None:
        if folder.exists() and any(folder.iterdir()):
            _err.line(f"rehearse: {folder} is not empty; name a new folder")
            raise typer.Exit(2)
        folder.mkdir(parents=True, exist_ok=True)
        _play_in(folder.resolve(), acts)
        return
    with tempfile.TemporaryDirectory(prefix="emonk-rehearsal-") as temporary:
        _play_in(Path(temporary), acts)


def _chosen(short: bool, what: str) -> tuple[Act, ...]:
    from emonk_ops.rehearsal.breaks import BREAKS, broken_story
    from emonk_ops.rehearsal.story import short_story, whole_story

    if what:
        if what not in BREAKS:
            _err.line(f"usage: --break {what}: there is no such thing to break")
            _err.line(f"next: {', '.join(BREAKS)}")
            raise typer.Exit(2)
        return broken_story(what)
    if short:
        return short_story()
    with_git = shutil.which("git") is not None
    if not with_git:
        _err.line("git is not here: the clean-up of the source is left out")
    return whole_story(with_git=with_git)


def _play_in(folder: Path, acts: Sequence[Act]) -> None:
    from emonk_ops.clock import Stopwatch
    from emonk_ops.rehearsal.theatre import Theatre

    theatre, stagehand = Theatre(folder), _stagehand()
    stopwatch = Stopwatch()
    played: list[Played] = []
    try:
        with stagehand.showing(acts):
            for number, act in enumerate(acts, 1):
                stagehand.began(number, act)
                played.append(theatre.play(act, stagehand.said))
                stagehand.ended(played[-1])
                if not played[-1].as_expected:
                    break
    finally:
        theatre.close(stagehand.said)
    if not _out.is_terminal:
        _list(played)
    _sum_up(played, len(acts), stopwatch.seconds)


def _stagehand() -> Stagehand:
    from emonk_ops.cli.render_rehearsal import LiveStagehand, PlainStagehand

    if not _out.is_terminal:
        return PlainStagehand(_out)
    from rich.console import Console

    return LiveStagehand(Console())


def _list(played: list[Played]) -> None:
    from emonk_ops.cli.render_rehearsal import summary_line

    _out.line("\n=== The rehearsal")
    for one in played:
        _out.line(summary_line(one))


def _sum_up(played: list[Played], acts: int, seconds: float) -> None:
    good = len(played) == acts and all(one.as_expected for one in played)
    _out.line(
        f"{seconds:6.1f} s  {len(played)} of {acts} acts, {'all' if good else 'NOT all'} well"
    )
    if not good:
        raise typer.Exit(1)
    _out.line(f"the report of it: {played[-1].act.argv[-1]}/report.html")

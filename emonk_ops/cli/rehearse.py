"""`emonk-ops rehearse`: the whole story in the sandbox."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from emonk_ops.rehearsal.theatre import Played


def rehearse(
    folder: Annotated[
        Path | None,
        typer.Option(
            "--dir", help="Play in this new folder and keep it (default: a temporary one)."
        ),
    ] = None,
    short: Annotated[bool, typer.Option("--short", help="Stages 0 to 2 in QA: seconds.")] = False,
) -> None:
    """Play the rollout in the sandbox: both environments, failures, rollbacks, days of soak."""
    import tempfile

    if folder is not None:
        if folder.exists() and any(folder.iterdir()):
            typer.echo(f"rehearse: {folder} is not empty; name a new folder", err=True)
            raise typer.Exit(2)
        folder.mkdir(parents=True, exist_ok=True)
        _play_in(folder.resolve(), short)
        return
    with tempfile.TemporaryDirectory(prefix="emonk-rehearsal-") as temporary:
        _play_in(Path(temporary), short)


def _play_in(folder: Path, short: bool) -> None:
    import shlex

    from emonk_ops.clock import Stopwatch
    from emonk_ops.rehearsal.story import short_story, whole_story
    from emonk_ops.rehearsal.theatre import Theatre

    theatre = Theatre(folder)
    stopwatch = Stopwatch()
    played: list[Played] = []
    acts = short_story() if short else whole_story()
    try:
        for number, act in enumerate(acts, 1):
            prefix = "".join(f"{name}={value} " for name, value in act.env.items())
            typer.echo(f"\n=== {number}/{len(acts)} {act.title}")
            typer.echo(f"$ {prefix}emonk-ops {shlex.join(act.argv)}\n")
            played.append(theatre.play(act))
            if not played[-1].as_expected:
                break
    finally:
        theatre.close()
    _sum_up(played, len(acts), stopwatch.seconds)


def _sum_up(played: list[Played], acts: int, seconds: float) -> None:
    typer.echo("\n=== The rehearsal")
    for one in played:
        mark = "as expected" if one.as_expected else f"EXPECTED {int(one.act.expected)}"
        typer.echo(f"{one.seconds:6.1f} s  exit {one.exit_code:<3} {mark:12} {one.act.title}")
    good = len(played) == acts and all(one.as_expected for one in played)
    typer.echo(
        f"{seconds:6.1f} s  {len(played)} of {acts} acts, {'all' if good else 'NOT all'} well"
    )
    if not good:
        raise typer.Exit(1)

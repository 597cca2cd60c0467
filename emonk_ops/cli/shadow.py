"""`emonk-ops shadow watch|compare|check-logs`."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from emonk_ops.cli.command import command, group
from emonk_ops.cli.desk import Desk
from emonk_ops.cli.jobs_options import instant_of
from emonk_ops.cli.shadow_watch import watch
from emonk_ops.errors import ExitCode, UsageError

if TYPE_CHECKING:
    from emonk_ops.operations.analysis.spool import Spool
    from emonk_ops.operations.judging.certificate import Mutation
    from emonk_ops.operations.judging.verdicts import Judgement

shadow_app = group("Both paths side by side: watched, judged, and what the judge lacks.")
LOOK_BACK_HOURS = 1.5
File = Annotated[
    Path | None,
    typer.Option("--from-file", help="Entries exported as JSON, instead of the Logging API."),
]
Jobs = Annotated[
    Path | None,
    typer.Option("--jobs", help="The jobs as 'jobs export' wrote them, instead of the service."),
]
Hours = Annotated[float, typer.Option("--hours", min=0.01, help="How far back, without --since.")]
Since = Annotated[str, typer.Option("--since", help="The window's first instant.")]
Until = Annotated[str, typer.Option("--until", help="The instant behind its last one.")]
Certificate = Annotated[
    bool, typer.Option(help="Try the judge on this window with defects planted (5 more passes).")
]
Baseline = Annotated[
    str,
    typer.Option(
        "--baseline-since",
        help="Where the time before the shadow begins, for the other endpoints; "
        "else as long before as the window is.",
    ),
]
Bounds = tuple[datetime | None, datetime | None]

command(shadow_app, "watch", title="shadow watch")(watch)


@command(shadow_app, "compare", title="shadow compare")
def compare(
    desk: Desk,
    from_file: File = None,
    jobs: Jobs = None,
    hours: Hours = LOOK_BACK_HOURS,
    since: Since = "",
    until: Until = "",
    certificate: Certificate = True,
    baseline_since: Baseline = "",
) -> ExitCode:
    """Judge whether Cloud Scheduler's ticks do what the loop does, once each and in time."""
    from emonk_ops.operations.judging import baseline, comparison
    from emonk_ops.operations.judging.verdicts import Ruling

    desk.show_header()
    bounds = _bounds(since, until)
    before = instant_of(baseline_since, "--baseline-since") if baseline_since else None
    definitions = comparison.definitions(desk.toolbox, jobs)
    spool, (begin, end) = _read(desk, from_file, hours, bounds)
    with spool:
        found = comparison.compare(
            spool,
            definitions,
            desk.env,
            since=begin,
            until=end,
            lease_seconds=comparison.lease_of(desk.env),
            certified=certificate,
        )
        window = baseline.window_of(spool, begin, end)
        others = (
            baseline.in_service(desk.toolbox(), window, before)
            if from_file is None
            else baseline.in_file(from_file, desk.env, spool, window, before)
        )
    judgement = found.judgement
    if isinstance(others, Ruling):
        judgement = replace(judgement, rulings=(*judgement.rulings, others))
    _show(desk, judgement)
    if isinstance(others, str):
        desk.screen.line(f"  {'left out':12} {baseline.NAME:22} {others}")
    for one in found.certificate:
        desk.screen.line(f"  {_told(one)}")
    if certificate and not found.certificate:
        desk.screen.line("  no run of a tick is sound, so nothing can be planted to try the judge")
    desk.screen.line(f"{judgement.verdict.value}: {_sum(judgement)}")
    data = {**judgement.to_dict(), "certificate": [_plain(one) for one in found.certificate]}
    data["left_out"] = {baseline.NAME: others} if isinstance(others, str) else {}
    hint = f"emonk-ops shadow check-logs --env {desk.env.name}"
    return desk.answer(data, code=judgement.exit_code, hint=hint)


@command(shadow_app, "check-logs", title="shadow check-logs")
def check_logs(
    desk: Desk,
    from_file: File = None,
    hours: Hours = LOOK_BACK_HOURS,
    since: Since = "",
    until: Until = "",
) -> ExitCode:
    """Say what a service's log lacks for being judged, and what cannot be judged without it."""
    from emonk_ops.operations.judging.log_check import check, complaints

    desk.show_header()
    spool, _ = _read(desk, from_file, hours, _bounds(since, until))
    with spool:
        parts, wrong = check(spool), complaints(spool)
        entries = spool.seen.entries
    for part in parts:
        told = f": {part.without}" if part.count == 0 else ""
        desk.screen.line(f"  {part.count:>8} {part.name}{told}")
    for complaint in wrong:
        desk.screen.line(f"  {complaint}")
    lacking = [part.name for part in parts if part.lacking]
    sound = not lacking and not wrong
    desk.screen.line(
        f"{entries} entries: "
        + ("nothing is missing" if sound else f"missing or unusable: {len(lacking) + len(wrong)}")
    )
    data = {
        "entries": entries,
        "parts": [
            {"name": one.name, "count": one.count, "without": one.without, "needed": one.needed}
            for one in parts
        ],
        "lacking": lacking,
        "complaints": list(wrong),
    }
    code = ExitCode.DONE if sound else ExitCode.INCONCLUSIVE
    return desk.answer(data, code=code, hint=f"emonk-ops shadow compare --env {desk.env.name}")


def _bounds(since: str, until: str) -> Bounds:
    begin = instant_of(since, "--since") if since else None
    end = instant_of(until, "--until") if until else None
    if begin is not None and end is not None and begin >= end:
        raise UsageError(f"--since {since} is not before --until {until}", hint="Swap them")
    return begin, end


def _read(desk: Desk, file: Path | None, hours: float, bounds: Bounds) -> tuple[Spool, Bounds]:
    """The records, and the window that was asked for."""
    from emonk_ops.operations.analysis.spool import Spool
    from emonk_ops.operations.judging.comparison import logged, read_file

    if file is not None:
        return read_file(file), bounds
    tools = desk.toolbox()
    end = bounds[1] or tools.clock.now()
    begin = bounds[0] or end - timedelta(hours=hours)
    if begin >= end:
        raise UsageError(
            f"--since {begin.isoformat()} is not before {end.isoformat()}",
            hint="Give an earlier --since",
        )
    return Spool(logged(tools, begin, end)), (begin, end)


def _show(desk: Desk, found: Judgement) -> None:
    classes = ", ".join(f"{name} {count}" for name, count in found.classes.items()) or "no slot"
    desk.screen.line(f"{found.facts['from']} to {found.facts['to']}: {classes}")
    for one in found.rulings:
        desk.screen.line(f"  {one.verdict.value:12} {one.name:22} {one.summary}")


def _told(one: Mutation) -> str:
    caught = f"caught by {', '.join(one.caught_by)}" if one.caught_by else "NOT caught"
    return f"if it had been {one.name}: {caught}"


def _plain(one: Mutation) -> dict[str, object]:
    return {"name": one.name, "caught_by": list(one.caught_by), "verdict": one.verdict}


def _sum(found: Judgement) -> str:
    short = [one.name for one in found.rulings if one.verdict is found.verdict]
    if found.verdict.value == "PASS":
        return f"all {len(found.rulings)} rulings hold"
    return f"{len(short)} of {len(found.rulings)} rulings: {', '.join(short)}"

"""`emonk-ops jobs export|import|migrate`."""

from __future__ import annotations

from pathlib import Path
from shlex import quote
from typing import Annotated

import typer

from emonk_ops.cli import options
from emonk_ops.cli.desk import Desk
from emonk_ops.cli.jobs_options import WaitSeconds
from emonk_ops.errors import ExitCode, UsageError

ToFile = Annotated[Path, typer.Option("--to", help="The file to write.", dir_okay=False)]
FromFile = Annotated[Path, typer.Option("--from", help="The file of an export.", dir_okay=False)]
Held = Annotated[bool, typer.Option("--held", help="With live leases, which go with their jobs.")]
Source = Annotated[str, typer.Option("--from", help="service, json[:PATH], firestore[:PROJECT].")]
Target = Annotated[str, typer.Option("--to", help="service, json[:PATH], firestore[:PROJECT].")]
Abandon = Annotated[
    bool, typer.Option("--abandon", help="Give the drive back to the source of an unfinished one.")
]
MARK = "migration.json"


def export_jobs(desk: Desk, to: ToFile, wait: WaitSeconds = 0, held: Held = False) -> ExitCode:
    """Write all jobs of the service into a file, with count and checksum."""
    from emonk_ops.operations.job_files import export

    desk.show_header()
    tools = desk.toolbox()
    facts = export(tools.service, to, tools.clock, wait_seconds=wait, held=held)
    leased = f", {len(facts['held'])} of them held by live leases" if facts["held"] else ""
    desk.screen.line(f"  {facts['count']} jobs in {to}{leased}")
    desk.screen.line(f"  {facts['checksum']}")
    return desk.answer(facts, hint=f"emonk-ops jobs import --from {to} --env {desk.env.name}")


def import_jobs(
    desk: Desk,
    from_: FromFile,
    reason: options.Reason = "",
    yes: options.Yes = False,
    no_input: options.NoInput = False,
) -> ExitCode:
    """Take the jobs of an export in; again is safe, and no finished slot runs anew."""
    from emonk_ops.cli.consent import require_flag
    from emonk_ops.operations.job_files import read_document, take_in
    from emonk_ops.rollout.book import Heading

    desk.show_header()
    document = read_document(from_)
    require_flag(desk, yes=yes, no_input=no_input, what=f"jobs import --from {from_}")
    service = desk.toolbox().service
    title = f"jobs import --from {quote(str(from_))}"
    with desk.book.locked_run(Heading(title, title, reason=reason)) as record:
        record.changed = True
        facts = take_in(service, document)
        told = (
            f"{facts['imported']} imported, {facts['unchanged']} unchanged, "
            f"{facts['kept_newer']} newer in the service and kept"
        )
        record.end(ExitCode.DONE, told)
    desk.screen.line(f"  {told}")
    same = "just these jobs" if facts["all_as_in_file"] else f"{facts['count_after']} jobs"
    desk.screen.line(f"  the service holds {same} now: {facts['checksum_after']}")
    return desk.answer(facts, hint=f"emonk-ops jobs list --env {desk.env.name}")


def abandon_or_migrate(
    desk: Desk,
    from_: Source,
    to: Target,
    wait: WaitSeconds = 0,
    abandon: Abandon = False,
    reason: options.Reason = "",
    yes: options.Yes = False,
    no_input: options.NoInput = False,
) -> ExitCode:
    """Carry all jobs to another store, which then drives. Run it again after any interruption."""
    from emonk_ops.cli.consent import require_flag
    from emonk_ops.job_ports import Migration
    from emonk_ops.operations.job_places import place_of
    from emonk_ops.rollout.book import Heading

    source, target = place_of(desk.env, from_), place_of(desk.env, to)
    if source == target:
        raise UsageError(f"--from and --to are both {source}", hint="Two places are needed")
    desk.show_header()
    command = f"jobs migrate --from {quote(source)} --to {quote(target)}"
    title = f"{command} --abandon" if abandon else command
    require_flag(desk, yes=yes, no_input=no_input, what=title)
    tools = desk.toolbox()
    mark = tools.keep / MARK
    wanted = Migration(source, target, mark, wait, lambda line: desk.screen.line(f"  {line}"))
    with desk.book.locked_run(Heading(command, title, reason=reason)) as record:
        act = tools.migrations.abandon if abandon else tools.migrations.run
        facts = dict(act(wanted))
        record.changed = not facts.get("already", False)
        if abandon:
            told = f"abandoned: {source} has driver {facts['driver']}, epoch {facts['epoch']}"
        else:
            so = "already so: " if facts["already"] else ""
            told = (
                f"{so}{facts['count']} jobs on both sides, {facts.get('checksum', '')}; "
                f"{target} has driver {facts['driver']}, epoch {facts['epoch']}"
            )
        record.end(ExitCode.DONE, told)
    desk.screen.line(f"  {told}")
    hint = f"emonk-ops status --env {desk.env.name}"
    if target != "service" and not abandon:
        kind = target.partition(":")[0]
        hint = f"start the service with SCHEDULER_STORAGE={kind}; a revision of another name than "
        hint += "the one that drove stands by until it is activated"
    return desk.answer(facts, hint=hint)

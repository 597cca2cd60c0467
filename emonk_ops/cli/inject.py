"""`emonk-ops inject …`: controlled faults, undone and judged."""

from __future__ import annotations

from typing import Annotated

import typer

from emonk_ops.cli import options
from emonk_ops.cli.command import command, group
from emonk_ops.cli.desk import Desk
from emonk_ops.errors import ExitCode

inject_app = group("Controlled faults: proven to have landed, undone, judged; and the suites.")
Via = Annotated[str, typer.Option("--via", help="scheduler or http: who sends the two ticks.")]
Restarted = Annotated[str, typer.Option("--mode", help="drain (a deployment) or kill.")]
Outage = Annotated[str, typer.Option("--mode", help="iam (PERMISSION_DENIED) or transient.")]
Skew = Annotated[str, typer.Option("--skew", help="How far in the past: 10m, 1m, 1h or 1d.")]
Appendix = Annotated[
    bool, typer.Option("--appendix", help="The guide's seven tests after a deployment in QA.")
]
Run = Annotated[str, typer.Argument(help="The run whose intent is open, or its injection's id.")]
Every = Annotated[bool, typer.Option("--all", help="Every intent that is open.")]


@command(inject_app, "duplicate-trigger", title="inject duplicate-trigger")
def duplicate_trigger(
    desk: Desk,
    via: Via = "",
    plan: options.Plan = False,
    yes: options.Yes = False,
    no_input: options.NoInput = False,
    reason: options.Reason = "",
) -> ExitCode:
    """Two ticks at once over one due canary."""
    return _one(desk, "duplicate-trigger", {"via": via}, plan, yes, no_input, reason)


@command(inject_app, "restart", title="inject restart")
def restart(
    desk: Desk,
    mode: Restarted = "",
    plan: options.Plan = False,
    yes: options.Yes = False,
    no_input: options.NoInput = False,
    reason: options.Reason = "",
) -> ExitCode:
    """The service restarted while a canary runs."""
    return _one(desk, "restart", {"mode": mode}, plan, yes, no_input, reason)


@command(inject_app, "firestore-outage", title="inject firestore-outage")
def firestore_outage(
    desk: Desk,
    mode: Outage = "",
    plan: options.Plan = False,
    yes: options.Yes = False,
    no_input: options.NoInput = False,
    reason: options.Reason = "",
) -> ExitCode:
    """The service without its Firestore for a while."""
    return _one(desk, "firestore-outage", {"mode": mode}, plan, yes, no_input, reason)


@command(inject_app, "overdue-job", title="inject overdue-job")
def overdue_job(
    desk: Desk,
    skew: Skew = "",
    plan: options.Plan = False,
    yes: options.Yes = False,
    no_input: options.NoInput = False,
    reason: options.Reason = "",
) -> ExitCode:
    """Canaries in the past, now and in the future."""
    return _one(desk, "overdue-job", {"skew": skew}, plan, yes, no_input, reason)


@command(inject_app, "slow-tick", title="inject slow-tick")
def slow_tick(
    desk: Desk,
    plan: options.Plan = False,
    yes: options.Yes = False,
    no_input: options.NoInput = False,
    reason: options.Reason = "",
) -> ExitCode:
    """A tick of half a minute, and another one meanwhile."""
    return _one(desk, "slow-tick", {}, plan, yes, no_input, reason)


@command(inject_app, "missed-ticks", title="inject missed-ticks")
def missed_ticks(
    desk: Desk,
    plan: options.Plan = False,
    yes: options.Yes = False,
    no_input: options.NoInput = False,
    reason: options.Reason = "",
) -> ExitCode:
    """Two ticks that never come."""
    return _one(desk, "missed-ticks", {}, plan, yes, no_input, reason)


@command(inject_app, "bad-auth", title="inject bad-auth")
def bad_auth(
    desk: Desk,
    plan: options.Plan = False,
    yes: options.Yes = False,
    no_input: options.NoInput = False,
    reason: options.Reason = "",
) -> ExitCode:
    """Ticks by strangers."""
    return _one(desk, "bad-auth", {}, plan, yes, no_input, reason)


@command(inject_app, "suite", title="inject suite")
def suite(
    desk: Desk,
    appendix: Appendix = False,
    plan: options.Plan = False,
    yes: options.Yes = False,
    no_input: options.NoInput = False,
    reason: options.Reason = "",
) -> ExitCode:
    """Stage 4's four failure injections, or with --appendix QA's seven tests."""
    from emonk_ops.cli import inject_suite

    if plan:
        return inject_suite.plan_suite(desk, appendix)
    return inject_suite.run(desk, appendix, yes=yes, no_input=no_input, reason=reason)


@command(inject_app, "restore", title="inject restore")
def restore(
    desk: Desk,
    run: Run = "",
    every: Every = False,
    reason: options.Reason = "",
) -> ExitCode:
    """Undo what an injection left, from its intent in the journal. Safe to run again."""
    from emonk_ops.cli import inject_restore

    return inject_restore.run(desk, run, every, reason)


@command(inject_app, "list", title="inject list")
def listed(desk: Desk) -> ExitCode:
    """Each injection: what it does, and what is expected of the service."""
    from emonk_ops.operations.injection.catalogue import FAULTS

    for one in FAULTS:
        choices = "".join(f" --{name} {'|'.join(of)}" for name, of in one.choices.items())
        desk.screen.line(f"{one.name}{choices}: {one.does}")
        desk.screen.line(f"    expected: {one.expects}")
    data = [
        {
            "name": one.name,
            "does": one.does,
            "expects": one.expects,
            "options": {name: list(of) for name, of in one.choices.items()},
        }
        for one in FAULTS
    ]
    return desk.answer({"injections": data})


def _one(
    desk: Desk,
    name: str,
    given: dict[str, str],
    plan: bool,
    yes: bool,
    no_input: bool,
    reason: str,
) -> ExitCode:
    from emonk_ops.cli import inject_run

    if plan:
        return inject_run.plan_one(desk, name, given)
    return inject_run.run_one(desk, name, given, yes=yes, no_input=no_input, reason=reason)

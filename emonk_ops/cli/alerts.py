"""`emonk-ops alerts plan|apply|check|test|remove`: metrics, policies and channels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import typer

from emonk_ops.cli import options
from emonk_ops.cli.command import command, group
from emonk_ops.cli.desk import Desk
from emonk_ops.errors import ExitCode

Name = Annotated[str, typer.Argument(help="One alert, e.g. heartbeat; else all of them.")]
alerts_app = group("The alert policies, whom they notify, and the metrics they go by.")


@command(alerts_app, "plan", title="alerts plan")
def plan(desk: Desk) -> ExitCode:
    """What apply would change, field by field. Changes nothing."""
    from emonk_ops.cli.kept_things import show_plan
    from emonk_ops.operations.alerts.keeping import Part

    return show_plan(desk, Part.ALERTS)


@command(alerts_app, "apply", title="alerts apply")
def apply(
    desk: Desk,
    reason: options.Reason = "",
    yes: options.Yes = False,
    no_input: options.NoInput = False,
) -> ExitCode:
    """Make it so and read it back. Again is safe; drift is brought back."""
    from emonk_ops.cli.kept_things import apply_part
    from emonk_ops.operations.alerts.keeping import Part

    return apply_part(desk, Part.ALERTS, yes=yes, no_input=no_input, reason=reason)


@command(alerts_app, "check", title="alerts check")
def check(desk: Desk) -> ExitCode:
    """Every policy there, enabled, as wanted, with a channel that exists; open incidents."""
    from emonk_ops.operations.alerts.checking import check as checked

    desk.show_header()
    found = checked(desk.toolbox())
    for one in found.checked:
        desk.screen.line(f"  {'FAIL' if one.problems else 'PASS'} {one.title}")
        for problem in one.problems:
            desk.screen.line(f"      {problem}")
    for incident in found.open_incidents:
        since = f"{incident.opened_at:%Y-%m-%d %H:%M:%S}Z"
        desk.screen.line(f"  OPEN {incident.display_name} since {since}")
    if not found.open_incidents:
        desk.screen.line("  no open incident")
    data = {
        "sound": found.is_sound,
        "checked": [
            {"name": one.name, "title": one.title, "problems": list(one.problems)}
            for one in found.checked
        ],
        "open_incidents": [
            {"title": one.display_name, "policy": one.policy, "since": one.opened_at.isoformat()}
            for one in found.open_incidents
        ],
    }
    code = ExitCode.DONE if found.is_sound else ExitCode.CHECK_FAILED
    hint = "" if found.is_sound else f"emonk-ops alerts plan --env {desk.env.name}"
    return desk.answer(data, code=code, hint=hint)


@command(alerts_app, "test", title="alerts test")
def try_out(
    desk: Desk,
    name: Name = "",
    reason: options.Reason = "",
    yes: options.Yes = False,
    no_input: options.NoInput = False,
) -> ExitCode:
    """Cause each alert's reason, wait for its incident, end the reason. Never in production."""
    from emonk_ops.cli.consent import require_flag
    from emonk_ops.operations.alerts.trying import Outcome, attempt, chosen
    from emonk_ops.rollout.book import Heading

    desk.show_header()
    names = chosen(name)
    title = f"alerts test {name}".rstrip()
    _refuse_in_production(desk)
    require_flag(desk, yes=yes, no_input=no_input, what=title)
    tools = desk.toolbox(say=lambda line: desk.screen.line(f"  {line}"))
    with desk.book.locked_run(Heading("alerts", title, reason=reason)) as record:
        found = []
        for one in names:
            record.changed = True
            tried = attempt(tools, one)
            desk.screen.line(f"  {tried.name}: {tried.outcome}: {tried.sentence}")
            found.append(tried)
        outcomes = [one.outcome for one in found]
        code = _code(outcomes)
        results = {one.name: f"{one.outcome}: {one.sentence}" for one in found}
        fired = outcomes.count(Outcome.FIRED)
        record.end(code, f"{fired} of {len(found)} alerts fired", alerts=results)
    data = {
        "alerts": [
            {"name": one.name, "outcome": one.outcome, "sentence": one.sentence} for one in found
        ]
    }
    return desk.answer(data, code=code, hint=f"emonk-ops alerts check --env {desk.env.name}")


def _code(outcomes: Sequence[str]) -> ExitCode:
    from emonk_ops.operations.alerts.trying import Outcome

    if Outcome.SILENT in outcomes:
        return ExitCode.CHECK_FAILED
    if Outcome.NOT_TRIED in outcomes:
        return ExitCode.INCONCLUSIVE
    return ExitCode.DONE


def _refuse_in_production(desk: Desk) -> None:
    from emonk_ops.cli.consent import is_production
    from emonk_ops.errors import Refused

    if is_production(desk.env.name) and desk.env.target != "sandbox":
        raise Refused(
            f"{desk.env.name} is production: what causes an alert would stop or slow its jobs",
            hint="emonk-ops alerts test --env qa",
        )


@command(alerts_app, "remove", title="alerts remove")
def remove(
    desk: Desk,
    reason: options.Reason = "",
    yes: options.Yes = False,
    no_input: options.NoInput = False,
) -> ExitCode:
    """Take away what carries our label; the metrics stay while the dashboard uses them."""
    from emonk_ops.cli.kept_things import remove_part
    from emonk_ops.operations.alerts.keeping import Part

    return remove_part(desk, Part.ALERTS, yes=yes, no_input=no_input, reason=reason)

"""`emonk-ops alerts plan|apply|check|remove`: log-based metrics, policies and channels."""

from __future__ import annotations

from emonk_ops.cli import options
from emonk_ops.cli.command import command, group
from emonk_ops.cli.desk import Desk
from emonk_ops.errors import ExitCode

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

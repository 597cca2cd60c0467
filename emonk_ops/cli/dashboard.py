"""`emonk-ops dashboard plan|apply|open|remove`: the service's dashboard in Cloud Monitoring."""

from __future__ import annotations

from emonk_ops.cli import options
from emonk_ops.cli.command import command, group
from emonk_ops.cli.desk import Desk
from emonk_ops.errors import ExitCode

dashboard_app = group("The dashboard: executions, requests, latency, jobs, errors, lag, cost.")


@command(dashboard_app, "plan", title="dashboard plan")
def plan(desk: Desk) -> ExitCode:
    """What apply would change, field by field. Changes nothing."""
    from emonk_ops.cli.kept_things import show_plan
    from emonk_ops.operations.alerts.keeping import Part

    return show_plan(desk, Part.DASHBOARD)


@command(dashboard_app, "apply", title="dashboard apply")
def apply(
    desk: Desk,
    reason: options.Reason = "",
    yes: options.Yes = False,
    no_input: options.NoInput = False,
) -> ExitCode:
    """Make it so, the log-based metrics it shows included. Again is safe."""
    from emonk_ops.cli.kept_things import apply_part
    from emonk_ops.operations.alerts.keeping import Part

    return apply_part(desk, Part.DASHBOARD, yes=yes, no_input=no_input, reason=reason)


@command(dashboard_app, "open", title="dashboard open")
def open_(desk: Desk) -> ExitCode:
    """Its address in the console; opened too where a person reads."""
    import typer

    from emonk_ops.errors import NotFound, Refused
    from emonk_ops.monitoring_ports import Kind
    from emonk_ops.operations.alerts.naming import is_ours

    desk.show_header()
    env = desk.env
    found = [
        one
        for one in desk.toolbox().monitoring.listed(Kind.DASHBOARD)
        if is_ours(env, Kind.DASHBOARD, one)
    ]
    if not found:
        raise NotFound(
            f"there is no dashboard of {env.service.name} in {env.project}",
            hint=f"emonk-ops dashboard apply --env {env.name}",
        )
    if env.target == "sandbox":
        raise Refused(
            "the sandbox keeps the dashboard and has no console to show it in",
            hint=f"emonk-ops dashboard plan --env {env.name} --json",
        )
    name = str(found[0]["name"]).rsplit("/", 1)[-1]
    url = f"https://console.cloud.google.com/monitoring/dashboards/builder/{name}"
    url = f"{url}?project={env.project}"
    desk.screen.line(f"  {url}")
    if desk.out.is_terminal and not desk.json and not desk.environ.get("CI"):
        typer.launch(url)
    return desk.answer({"url": url})


@command(dashboard_app, "remove", title="dashboard remove")
def remove(
    desk: Desk,
    reason: options.Reason = "",
    yes: options.Yes = False,
    no_input: options.NoInput = False,
) -> ExitCode:
    """Take away what carries our label; the metrics stay while the alerts use them."""
    from emonk_ops.cli.kept_things import remove_part
    from emonk_ops.operations.alerts.keeping import Part

    return remove_part(desk, Part.DASHBOARD, yes=yes, no_input=no_input, reason=reason)

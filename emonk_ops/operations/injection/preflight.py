"""What must hold before anything is broken: it could land, and it could be undone."""

from __future__ import annotations

from emonk_ops.errors import NotOffered, Refused
from emonk_ops.operations.health import ask_health
from emonk_ops.operations.injection.model import Plan, Radius
from emonk_ops.operations.injection.scene import Scene
from emonk_ops.operations.server_time import server_now
from emonk_ops.toolbox import Toolbox

MOST_SKEW_SECONDS = 5.0
HTTP_DATE_SECONDS = 1.0  # a Date header knows no fractions


def require_allowed(tools: Toolbox, plan: Plan) -> None:
    """The environment's hard caps. Raises Refused."""
    env = tools.env
    if plan.fault_seconds > env.inject_seconds:
        raise Refused(
            f"the fault may last {plan.fault_seconds:.0f} s, and {env.name} allows "
            f"{env.inject_seconds} s",
            hint=f"Raise inject_seconds under [env.{env.name}], or take another option",
        )
    if plan.radius > Radius[env.inject_radius.upper()]:
        raise Refused(
            f"its blast radius is '{plan.radius.name.lower()}', and {env.name} allows "
            f"'{env.inject_radius}'",
            hint=f"Widen inject_radius under [env.{env.name}], or take another option",
        )


def require_permissions(tools: Toolbox, plan: Plan) -> None:
    """What could not be undone is not begun. Raises Refused."""
    if not plan.permissions:
        return
    try:
        missing = tools.platform.missing_permissions(plan.permissions)
    except NotOffered:
        return
    if missing:
        raise Refused(
            f"you lack {', '.join(missing)}: it could not be undone, so it is not begun",
            hint=f"emonk-ops config permissions --env {tools.env.name}",
        )


def require_sound(scene: Scene) -> None:
    """Only what is well can show that it stays well. Raises Refused."""
    tools, name = scene.tools, scene.tools.env.name
    answer = ask_health(tools)
    if answer.status != 200:
        raise Refused(
            f"the service is not healthy: it answers {answer.status}",
            hint=f"emonk-ops status --env {name}",
        )
    state = tools.service.driver()
    if (state.driver, state.role) != ("cloud", "driving"):
        raise Refused(
            f"{state.driver or 'nobody'} drives, and {state.this_revision} is {state.role}: faults "
            "are injected where Cloud Scheduler is the only driver",
            hint=f"emonk-ops status --env {name}",
        )
    job = tools.jobs.describe()
    if job is None or job.state != "ENABLED":
        raise Refused(
            f"the Cloud Scheduler job is {'missing' if job is None else job.state}",
            hint=f"emonk-ops scheduler resume --env {name}",
        )


def require_same_time(tools: Toolbox) -> None:
    """An instant that a server is to honour is not taken from a wrong clock. Raises Refused."""
    skew = (tools.clock.now() - server_now(tools)).total_seconds()
    off = max(0.0, skew - HTTP_DATE_SECONDS, -skew)
    if off > MOST_SKEW_SECONDS:
        raise Refused(
            f"this machine's clock is {skew:+.0f} s off the server's; more than "
            f"{MOST_SKEW_SECONDS:.0f} s are refused where a fault ends at a given instant",
            hint="Set the clock: timedatectl set-ntp true",
        )

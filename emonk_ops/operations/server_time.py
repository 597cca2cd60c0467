"""What time it is where the service runs: the operator's own clock may be wrong."""

from __future__ import annotations

from datetime import datetime

from emonk_ops.errors import Unreachable
from emonk_ops.operations.health import ask_health
from emonk_ops.toolbox import Toolbox


def server_now(tools: Toolbox) -> datetime:
    """The instant in the `Date` header of the service's answer, to the second.

    Raises Unreachable where no answer carries one: no time is better than a wrong one.
    """
    answer = ask_health(tools)
    if answer.at is None:
        raise Unreachable(
            f"{tools.env.service.health_path} answered {answer.status} without a Date header, so "
            "the server's time is not known",
            hint=f"emonk-ops status --env {tools.env.name}",
        )
    return answer.at

"""The health that the running service reports of itself."""

from __future__ import annotations

from emonk_ops.ports import Answer
from emonk_ops.toolbox import Toolbox


def ask_health(tools: Toolbox) -> Answer:
    """Without credentials; with the operator's where the platform lets nobody else in."""
    path = tools.env.service.health_path
    answer = tools.service.probe("GET", path)
    if answer.status in (401, 403) and answer.by == "platform":
        return tools.service.probe("GET", path, operator_token=True)
    return answer

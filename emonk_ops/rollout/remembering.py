"""A capture, kept on the service itself besides the journal."""

from __future__ import annotations

from emonk_ops.errors import CloudError
from emonk_ops.rollout.model import Stage
from emonk_ops.rollout.runs import Capture
from emonk_ops.rollout.standing import Standing
from emonk_ops.toolbox import Toolbox


def remember_new(stage: Stage, tools: Toolbox, standing: Standing, seq: int) -> str:
    """This new capture, or the one that a rollback would still begin with."""
    mine = next(one for one in standing.captures if one.seq == seq)
    newest = standing.newest_to_roll_back()
    goes_first = newest is not None and newest.stage >= mine.stage
    return remember(stage, tools, newest if newest and goes_first else mine)


def remember(stage: Stage, tools: Toolbox, capture: Capture) -> str:
    """Why it could not be kept there, in a sentence; empty when it is. It stops nothing."""
    if stage.remember is None:
        return ""
    captured = {
        "seq": capture.seq,
        "stage": capture.stage,
        "at": capture.at.isoformat(),
        "facts": capture.facts,
    }
    try:
        stage.remember(tools, captured)
    except CloudError as error:
        return f"the way back is in the journal only, and not on the service: {error.message}"
    return ""

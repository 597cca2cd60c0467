"""The guide's line "No performance degradation" of stage 3, over the soak's window."""

from __future__ import annotations

from emonk_ops.operations.judging import baseline
from emonk_ops.operations.shadow_acceptance import summed_up
from emonk_ops.rollout.model import Check, Finding
from emonk_ops.settings import Environment
from emonk_ops.toolbox import Toolbox

SENTENCE = "No performance degradation"


def neighbours_check(env: Environment) -> Check:
    return Check(
        "no-performance-degradation",
        SENTENCE,
        no_performance_degradation,
        inconclusive_is_advisory=env.advisory_tendencies,
    )


def no_performance_degradation(tools: Toolbox) -> Finding:
    """The other endpoints in the soak's window against as long a time before the shadow."""
    soak = tools.memo["soak"]
    return summed_up([baseline.in_service(tools, (soak.began_at, soak.until), None)])

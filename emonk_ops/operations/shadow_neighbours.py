"""The guide's line "No performance degradation" of stage 3, over the soak's window."""

from __future__ import annotations

from dataclasses import replace

from emonk_ops.operations.judging import baseline
from emonk_ops.operations.judging.other_endpoints import LEAST
from emonk_ops.operations.shadow_acceptance import summed_up
from emonk_ops.rollout.model import Check, Finding, Verdict
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
    """The other endpoints in the soak's window against as long a time before the shadow.

    Where nobody calls them there is nothing that could degrade, and a person says so.
    """
    soak = tools.memo["soak"]
    ruling = baseline.in_service(tools, (soak.began_at, soak.until), None)
    found = summed_up([ruling])
    called = max(ruling.facts["n"], ruling.facts["n_before"])
    if called < LEAST and not tools.env.advisory_tendencies:
        return replace(found, verdict=Verdict.ASK)
    return found

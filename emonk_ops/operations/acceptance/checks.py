"""Stage 4's acceptance: the criteria of the guide over the whole soak."""

from __future__ import annotations

from collections.abc import Callable

from emonk_ops.operations.acceptance.appendix import appendix_checks
from emonk_ops.operations.acceptance.criteria import Criteria
from emonk_ops.operations.acceptance.findings import CRITERIA, Judge, storage_errors
from emonk_ops.operations.acceptance.first_hour import first_hour_checks
from emonk_ops.operations.acceptance.window import whole
from emonk_ops.rollout.model import Check, Finding
from emonk_ops.settings import Environment
from emonk_ops.toolbox import Toolbox

TENDENCIES = ("error-rate", "latency-p99")


def acceptance_checks(env: Environment) -> tuple[Check, ...]:
    """Where the environment calls tendencies advisory, too few samples do not block.

    The appendix's tests are for the environment that another one gates: production.
    """
    measured = tuple(
        Check(
            name,
            sentence,
            _over_the_soak(judge),
            inconclusive_is_advisory=env.advisory_tendencies and name in TENDENCIES,
        )
        for name, sentence, judge in CRITERIA
    )
    # A target of the guide's monitoring and no criterion: it is told, and its alert acts at 1 %.
    target = Check(
        "storage-errors-target",
        "Firestore error rate: target <0.1%",
        _over_the_soak(storage_errors),
        advisory=True,
    )
    appendix = appendix_checks(env) if env.gated_by else ()
    return (*first_hour_checks(env), *measured, target, *appendix)


def _over_the_soak(judge: Judge) -> Callable[[Toolbox], Finding]:
    return lambda tools: judge(whole(tools), Criteria())

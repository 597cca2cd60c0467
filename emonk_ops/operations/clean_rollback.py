"""The way back from the clean-up: the revision before it, on the same store, while it exists."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from emonk_ops.errors import CloudError
from emonk_ops.operations import activation, traffic
from emonk_ops.operations.hand_over import hand_over
from emonk_ops.operations.prerequisites import serving_revision
from emonk_ops.operations.rollback import look
from emonk_ops.rollout.model import Finding, Step, StepResult, Verdict
from emonk_ops.settings import Environment
from emonk_ops.toolbox import Toolbox

Facts = Mapping[str, Any]


def inverse_steps(_env: Environment, captured: Facts) -> tuple[Step, ...]:
    """No pause and no carriage: both revisions are ticked by one job and share one store."""
    revision = captured["revision"]
    return (
        Step(
            "restore-revision",
            f"Traffic back to {revision}, which still has the legacy path",
            lambda tools: _restore(tools, captured),
            budget_seconds=30.0,
        ),
        Step(
            "one-driver",
            f"Exactly one driver, {captured['driver']}; healthy",
            lambda tools: look(tools, captured),
            budget_seconds=30.0,
        ),
    )


def _restore(tools: Toolbox, captured: Facts) -> StepResult:
    wanted, drove = str(captured["revision"]), str(captured["driver"])
    if serving_revision(tools).name == wanted:
        return _drive(tools, wanted, drove)
    try:
        facts = hand_over(tools, lambda: traffic.to_revision(tools, wanted), driver_after=drove)
    except CloudError:
        # What serves cannot be asked: the one before takes its place first, and the drive then.
        traffic.to_revision(tools, wanted)
        return StepResult(True, f"{wanted} serves (PINNED)", _drive(tools, wanted, drove).facts)
    return StepResult(True, f"{wanted} serves (PINNED); {drove} drives", facts)


def _drive(tools: Toolbox, wanted: str, drove: str) -> StepResult:
    driven = activation.persistently(
        tools, lambda: activation.ensure_driver_if_offered(tools, drove)
    )
    if driven:
        return StepResult(
            True, f"{wanted} serves; {drove} drives (epoch {driven['epoch']})", driven
        )
    return StepResult(False, f"already so: {wanted} serves, {drove} drives")


def point_of_no_return(tools: Toolbox) -> Finding:
    """What is still possible afterwards, and what is not, for a person to take note of."""
    revision = serving_revision(tools).name
    told = (
        "what is built from now on has no loop to go back to. A rollback of this stage leads to "
        f"{revision} and one of stage 4 to the loop of an older revision, as long as Cloud Run "
        "keeps them: none may be deleted, and fixes made since are in neither"
    )
    return Finding(
        Verdict.ASK,
        told,
        {"revision": revision},
        '--confirm point-of-no-return="who knows it, and that nobody needs the loop"',
    )

"""Which revision serves. A split that names a revision is a pin: later deployments get 0 %."""

from __future__ import annotations

from emonk_ops.errors import StepFailed
from emonk_ops.ports import Service, TrafficShare
from emonk_ops.rollout.model import Finding, Verdict
from emonk_ops.toolbox import Toolbox

ROUTE_SECONDS = 60.0
LATEST = TrafficShare("", 100)


def to_latest(tools: Toolbox, service: Service) -> Service:
    """Un-pin, if it is pinned."""
    if not service.pinned:
        return service
    tools.say("un-pinning traffic: to the latest revision")
    return tools.run.route([LATEST], timeout_seconds=ROUTE_SECONDS)


def to_revision(tools: Toolbox, revision: str) -> str:
    """All traffic to this revision, pinned, and read back. No build is needed."""
    service = tools.run.route([TrafficShare(revision, 100)], timeout_seconds=ROUTE_SECONDS)
    if service.serving_revision != revision:
        raise StepFailed(
            f"traffic was sent to {revision} and {service.serving_revision or 'a split'} serves",
            hint=f"emonk-ops status --env {tools.env.name}",
        )
    return revision


def latest_serves(tools: Toolbox) -> Finding:
    """The revision that was deployed last is the one that serves, and traffic is not pinned."""
    service = tools.run.describe_service()
    facts = {
        "latest_created": service.latest_created,
        "latest_ready": service.latest_ready,
        "serving": [[one.revision, one.percent] for one in service.serving],
        "pinned": service.pinned,
    }
    hint = f"emonk-ops status --env {tools.env.name}"
    if service.pinned:
        return Finding(Verdict.FAIL, f"PINNED to {service.serving_revision}", facts, hint)
    if service.serving_revision != service.latest_created:
        summary = f"{service.latest_created} was deployed, {service.serving_revision} serves"
        return Finding(Verdict.FAIL, summary, facts, hint)
    return Finding(Verdict.PASS, f"{service.serving_revision} has 100 %, not pinned", facts)

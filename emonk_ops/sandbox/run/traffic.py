"""Traffic targets: what they must look like, and to which revision each of them points."""

from __future__ import annotations

from emonk_ops.sandbox.run.errors import invalid, not_found
from emonk_ops.sandbox.run.messages import Service, TrafficTarget, types
from emonk_ops.sandbox.run.names import ServiceName
from emonk_ops.sandbox.run.state import RunState

LATEST = types.TrafficTargetAllocationType.TRAFFIC_TARGET_ALLOCATION_TYPE_LATEST
REVISION = types.TrafficTargetAllocationType.TRAFFIC_TARGET_ALLOCATION_TYPE_REVISION


def settle_traffic(service: Service) -> None:
    """An empty list means all to the latest revision; types that can be told are filled in."""
    if not service.traffic:
        service.traffic = [types.TrafficTarget(type_=LATEST, percent=100)]
    for target in service.traffic:
        if not target.type_:
            target.type_ = REVISION if target.revision else LATEST


def check_traffic(state: RunState, service: Service, name: ServiceName, coming: str) -> None:
    """Refuse a split that is not 100 % or names a revision that neither exists nor is coming."""
    total = sum(target.percent for target in service.traffic)
    if total != 100:
        raise invalid("traffic", f"Traffic percents must sum to 100, got {total}.")
    tags: set[str] = set()
    for target in service.traffic:
        if target.tag in tags:
            raise invalid("traffic", f"Tag '{target.tag}' is used by more than one target.")
        tags |= {target.tag} if target.tag else set()
        if target.type_ == REVISION:
            _check_revision(state, name, target, coming)


def _check_revision(state: RunState, name: ServiceName, target: TrafficTarget, coming: str) -> None:
    if not target.revision:
        raise invalid("traffic.revision", "A target of type REVISION must name its revision.")
    known = target.revision == coming or state.revision(name.revision(target.revision))
    if not known:
        raise not_found("Revision", target.revision)


def resolve(service: Service) -> list[tuple[TrafficTarget, str]]:
    """Each target with the id of its revision; LATEST is the latest that became ready. Targets
    of the latest drop out while no revision ever became ready.
    """
    latest = service.latest_ready_revision.rpartition("/")[2]
    pairs = [(one, one.revision if one.type_ == REVISION else latest) for one in service.traffic]
    return [(target, revision) for target, revision in pairs if revision]


def serves(service: Service, revision: str) -> bool:
    """True when the revision gets traffic, has a tag, or is the latest."""
    if revision in (
        service.latest_created_revision.rpartition("/")[2],
        service.latest_ready_revision.rpartition("/")[2],
    ):
        return True
    return any(target == revision for _, target in resolve(service))

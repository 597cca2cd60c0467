"""Traffic targets, wanted and as they are."""

from __future__ import annotations

from typing import Any

from emonk_ops.sandbox.rest.errors import bad_request
from emonk_ops.sandbox.run.messages import Service, types
from emonk_ops.sandbox.run.traffic import LATEST, REVISION


def wanted(service: Service) -> list[dict[str, Any]]:
    return [_target(one) for one in service.traffic]


def actual(service: Service) -> list[dict[str, Any]]:
    """With the revision that the latest is, and the address of a tag."""
    latest = service.latest_ready_revision.rpartition("/")[2]
    found = []
    for status in service.traffic_statuses:
        target = _target(status)
        target["revisionName"] = status.revision or latest
        if status.uri:
            target["url"] = status.uri
        found.append(target)
    return found


def _target(target: Any) -> dict[str, Any]:
    content: dict[str, Any] = {}
    if target.type_ == LATEST:
        content["latestRevision"] = True
    else:
        content["revisionName"] = target.revision
    if target.percent:
        content["percent"] = target.percent
    if target.tag:
        content["tag"] = target.tag
    return content


def v2(content: list[dict[str, Any]]) -> list[Any]:
    """v2 targets of Knative JSON."""
    targets = []
    for one in content:
        latest, revision = bool(one.get("latestRevision")), one.get("revisionName", "")
        if latest == bool(revision):
            raise bad_request(
                "Exactly one of revisionName and latestRevision must be set in a traffic target.",
                "spec.traffic",
            )
        targets.append(
            types.TrafficTarget(
                type_=LATEST if latest else REVISION,
                revision=revision,
                percent=int(one.get("percent", 0)),
                tag=one.get("tag", ""),
            )
        )
    return targets

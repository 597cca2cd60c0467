"""projects.alerts.list (monitoring v3): incidents as alerts. It is REST only; no client has it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from emonk_ops.sandbox.http_server import Request
from emonk_ops.sandbox.monitoring.errors import Refusal
from emonk_ops.sandbox.monitoring.incidents import Incidents
from emonk_ops.sandbox.monitoring.state import Kept
from emonk_ops.sandbox.rest.errors import rpc_error
from emonk_ops.sandbox.rest.wire import DialectHandler

PATH = "/v3/{parent=projects/*}/alerts"
USUAL_PAGE, MAX_PAGE = 50, 1000
NEWEST_FIRST = ("", "openTime desc", "open_time desc")


class AlertsDialect:
    """Without filter and in the usual order, newest first; asked otherwise it refuses."""

    def __init__(self, incidents: Incidents, policies: Kept) -> None:
        self._incidents = incidents
        self._policies = policies

    def routes(self) -> Mapping[tuple[str, str], DialectHandler]:
        return {("GET", PATH): self._listed}

    async def _listed(self, request: Request, path: Mapping[str, str]) -> Any:
        query = request.query
        if query.get("filter") or query.get("orderBy", "") not in NEWEST_FIRST:
            raise rpc_error(
                "UNIMPLEMENTED", "The sandbox lists all alerts, newest first: no filter, no orderBy"
            )
        project = path["parent"].rpartition("/")[2]
        begin, size = _page(query)
        found = [self._alert(one) for one in _newest_first(self._incidents.all(project))]
        answer: dict[str, Any] = {"alerts": found[begin : begin + size], "totalSize": len(found)}
        if len(found) > begin + size:
            answer["nextPageToken"] = str(begin + size)
        return answer

    def _alert(self, incident: Mapping[str, Any]) -> dict[str, Any]:
        policy = {"name": incident["policy"], "displayName": incident["display_name"]}
        try:
            kept = self._policies.get(incident["policy"])
            policy["userLabels"] = dict(kept.user_labels)
        except Refusal:
            pass  # the policy was deleted; what it opened stays
        alert = {
            "name": incident["name"],
            "state": incident["state"],
            "openTime": _stamp(incident["open_time"]),
            "policy": policy,
        }
        if incident["close_time"]:
            alert["closeTime"] = _stamp(incident["close_time"])
        return alert


def _newest_first(incidents: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    return sorted(incidents, key=lambda one: str(one["open_time"]), reverse=True)


def _page(query: Mapping[str, str]) -> tuple[int, int]:
    """Begin and size; raises RestError for what is no number."""
    try:
        size = int(query.get("pageSize", 0))
        return int(query.get("pageToken") or 0), min(size if size > 0 else USUAL_PAGE, MAX_PAGE)
    except ValueError:
        raise rpc_error("INVALID_ARGUMENT", "pageSize and pageToken must be numbers") from None


def _stamp(text: str) -> str:
    moment = datetime.fromisoformat(text)
    return moment.isoformat(timespec="microseconds").replace("+00:00", "Z")

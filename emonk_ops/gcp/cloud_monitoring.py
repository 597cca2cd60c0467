"""Cloud Monitoring (v3, dashboards v1) and log-based metrics (Logging v2), as JSON documents."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any

import httpx

from emonk_ops.errors import CloudError, CredentialsMissing, PermissionMissing, Unreachable
from emonk_ops.gcp.calls import READ_ATTEMPT_SECONDS, reading, writing
from emonk_ops.gcp.endpoints import client, credentials, sandbox_address
from emonk_ops.gcp.faults import translated
from emonk_ops.monitoring_ports import Document, Incident, Kind
from emonk_ops.settings import Environment, Target

ALERTS_URL = "https://monitoring.googleapis.com/v3/projects/{project}/alerts"
LISTED = 100
TEST_LOG = "emonk-ops-test"


@dataclass(frozen=True)
class Surface:
    """How the client of one kind is called: its methods' last words and its fields' names."""

    client: Any
    message: Any
    singular: str  # of the methods: create_<singular>
    plural: str
    parent: str  # the field with the project in a list or create request
    field: str  # the field with the resource
    name: str = "name"  # the field with a resource's name in a delete request
    permission: str = ""  # e.g. monitoring.alertPolicies


class GcpMonitoring:
    """See `emonk_ops.monitoring_ports.Monitoring`."""

    def __init__(self, env: Environment) -> None:
        self._env = env
        self._project = f"projects/{env.project}"

    def listed(self, kind: Kind) -> tuple[Document, ...]:
        surface = self._surface(kind)
        ask = getattr(surface.client, f"list_{surface.plural}")
        with translated(f"{surface.permission}.list", self._env):
            return tuple(
                _document(one) for one in ask(request={surface.parent: self._project}, **reading())
            )

    def create(self, kind: Kind, document: Document) -> Document:
        surface = self._surface(kind)
        request = {surface.parent: self._project, surface.field: _message(surface, document)}
        return self._change(surface, "create", request)

    def update(self, kind: Kind, document: Document) -> Document:
        surface = self._surface(kind)
        request = {surface.field: _message(surface, document)}
        if kind is Kind.METRIC:
            request["metric_name"] = f"{self._project}/metrics/{document['name']}"
        return self._change(surface, "update", request)

    def delete(self, kind: Kind, name: str) -> None:
        surface = self._surface(kind)
        full = f"{self._project}/metrics/{name}" if kind is Kind.METRIC else name
        with translated(f"{surface.permission}.delete", self._env):
            getattr(surface.client, f"delete_{surface.singular}")(
                request={surface.name: full}, **writing()
            )

    def incidents(self) -> tuple[Incident, ...]:
        if self._env.target is Target.SANDBOX:
            return self._sandbox_incidents()
        return tuple(_incident(one) for one in self._alerts().get("alerts", ()))

    def write_entry(self, payload: Document) -> None:
        from google.cloud.logging_v2.services.logging_service_v2 import LoggingServiceV2Client

        env = self._env
        entry = {
            "log_name": f"{self._project}/logs/{TEST_LOG}",
            "severity": "WARNING",
            "resource": {
                "type": "cloud_run_revision",
                "labels": {
                    "project_id": env.project,
                    "location": env.service.region,
                    "service_name": env.service.name,
                },
            },
            "json_payload": dict(payload),
        }
        with translated("logging.logEntries.create", env):
            client(LoggingServiceV2Client, env).write_log_entries(entries=[entry], **writing())

    def _change(self, surface: Surface, verb: str, request: dict[str, Any]) -> Document:
        call: Callable[..., Any] = getattr(surface.client, f"{verb}_{surface.singular}")
        with translated(f"{surface.permission}.{verb}", self._env):
            return _document(call(request=request, **writing()))

    def _surface(self, kind: Kind) -> Surface:
        match kind:
            case Kind.METRIC:
                return self._metrics
            case Kind.POLICY:
                return self._policies
            case Kind.CHANNEL:
                return self._channels
        return self._dashboards

    @cached_property
    def _metrics(self) -> Surface:
        from google.cloud.logging_v2.services.metrics_service_v2 import MetricsServiceV2Client
        from google.cloud.logging_v2.types import LogMetric

        return Surface(
            self._client(MetricsServiceV2Client),
            LogMetric,
            "log_metric",
            "log_metrics",
            "parent",
            "metric",
            "metric_name",
            permission="logging.logMetrics",
        )

    @cached_property
    def _policies(self) -> Surface:
        from google.cloud.monitoring_v3 import AlertPolicy, AlertPolicyServiceClient

        return Surface(
            self._client(AlertPolicyServiceClient),
            AlertPolicy,
            "alert_policy",
            "alert_policies",
            "name",
            "alert_policy",
            permission="monitoring.alertPolicies",
        )

    @cached_property
    def _channels(self) -> Surface:
        from google.cloud.monitoring_v3 import (
            NotificationChannel,
            NotificationChannelServiceClient,
        )

        return Surface(
            self._client(NotificationChannelServiceClient),
            NotificationChannel,
            "notification_channel",
            "notification_channels",
            "name",
            "notification_channel",
            permission="monitoring.notificationChannels",
        )

    @cached_property
    def _dashboards(self) -> Surface:
        from google.cloud.monitoring_dashboard_v1 import Dashboard, DashboardsServiceClient

        return Surface(
            self._client(DashboardsServiceClient),
            Dashboard,
            "dashboard",
            "dashboards",
            "parent",
            "dashboard",
            permission="monitoring.dashboards",
        )

    def _client(self, kind: Any) -> Any:
        with translated("monitoring", self._env):
            return client(kind, self._env)

    def _sandbox_incidents(self) -> tuple[Incident, ...]:
        url = f"{sandbox_address(self._env).http}/sandbox/incidents"
        try:
            answer = httpx.get(url, timeout=READ_ATTEMPT_SECONDS, trust_env=False)
            answer.raise_for_status()
        except httpx.HTTPError as error:
            raise Unreachable(f"{url}: {error}", hint="emonk-ops sandbox status") from error
        found = [
            Incident(
                one["policy"],
                one["display_name"],
                one["state"],
                datetime.fromisoformat(one["open_time"]),
                datetime.fromisoformat(one["close_time"]) if one["close_time"] else None,
            )
            for one in answer.json()["incidents"]
            if one["policy"].startswith(f"{self._project}/")
        ]
        return tuple(sorted(found, key=lambda one: one.opened_at, reverse=True))

    def _alerts(self) -> dict[str, Any]:
        """projects.alerts.list, which no client library has (monitoring/api/ref_v3/rest)."""
        from google.auth.exceptions import RefreshError, TransportError
        from google.auth.transport.requests import AuthorizedSession
        from requests import RequestException

        url = ALERTS_URL.format(project=self._env.project)
        parameters = {"pageSize": str(LISTED), "orderBy": "open_time desc"}
        with AuthorizedSession(credentials(self._env)) as session:  # type: ignore[no-untyped-call]
            try:
                answer = session.get(url, params=parameters, timeout=READ_ATTEMPT_SECONDS)
            except RefreshError as error:
                raise CredentialsMissing(
                    f"monitoring.alerts.list: {error}",
                    hint="gcloud auth application-default login",
                ) from error
            except (RequestException, TransportError) as error:
                raise Unreachable(f"monitoring.alerts.list: no answer: {error}") from error
        if answer.status_code == 403:
            raise PermissionMissing(
                f"monitoring.alerts.list: {answer.text[:300]}",
                hint=f"emonk-ops config permissions --env {self._env.name}",
            )
        if answer.status_code != 200:
            raise CloudError(f"monitoring.alerts.list: {answer.status_code} {answer.text[:300]}")
        found: dict[str, Any] = answer.json()
        return found


def _document(message: Any) -> dict[str, Any]:
    from google.protobuf.json_format import MessageToDict

    return MessageToDict(type(message).pb(message))


def _message(surface: Surface, document: Document) -> Any:
    from google.protobuf.json_format import ParseDict

    return surface.message(ParseDict(dict(document), surface.message.pb()()))


def _incident(alert: Document) -> Incident:
    policy = alert.get("policy", {})
    closed = alert.get("closeTime")
    return Incident(
        str(policy.get("name", "")),
        str(policy.get("displayName", "")),
        str(alert.get("state", "")),
        datetime.fromisoformat(str(alert["openTime"])),
        datetime.fromisoformat(closed) if closed else None,
    )

"""Cloud Monitoring (v3, dashboards v1) and log-based metrics (Logging v2), as JSON documents."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any

from emonk_ops.errors import CloudError, CredentialsMissing, PermissionMissing, Unreachable
from emonk_ops.gcp.calls import READ_ATTEMPT_SECONDS, reading, writing
from emonk_ops.gcp.endpoints import client, credentials, sandbox_address
from emonk_ops.gcp.faults import translated
from emonk_ops.monitoring_ports import Document, Incident, Kind
from emonk_ops.settings import Environment, Target

ALERTS = "monitoring.alerts.list"
LISTED = 1000
SHOWN = 300  # letters of an error's text
OK, FORBIDDEN = 200, 403
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
        return tuple(self._incident(one) for one in self._alerts().get("alerts", ()))

    def write_entry(self, payload: Document) -> None:
        from google.cloud.logging_v2.services.logging_service_v2 import LoggingServiceV2Client

        env = self._env
        entry = {
            "log_name": f"{self._project}/logs/{TEST_LOG}",
            "severity": "NOTICE",  # no complaint of the service
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

    def _incident(self, alert: Document) -> Incident:
        """A snapshot may name the project by its number; a policy's id is the same anyway."""
        policy = alert.get("policy", {})
        number = str(policy.get("name", "")).rpartition("/")[2]
        closed = alert.get("closeTime")
        return Incident(
            f"{self._project}/alertPolicies/{number}",
            str(policy.get("displayName", "")),
            str(alert.get("state", "")),
            datetime.fromisoformat(str(alert["openTime"])),
            datetime.fromisoformat(closed) if closed else None,
        )

    def _alerts(self) -> dict[str, Any]:
        """projects.alerts.list, newest first; no client library has it (monitoring ref_v3)."""
        from google.auth.exceptions import GoogleAuthError
        from requests import RequestException

        url = f"{self._http}/v3/{self._project}/alerts"
        try:
            with self._session() as session:
                answer = session.get(
                    url, params={"pageSize": str(LISTED)}, timeout=READ_ATTEMPT_SECONDS
                )
        except GoogleAuthError as error:
            raise CredentialsMissing(
                f"{ALERTS}: {error}", hint="gcloud auth application-default login"
            ) from error
        except RequestException as error:
            raise Unreachable(f"{ALERTS}: no answer: {error}", hint=self._hint("check")) from error
        if answer.status_code == FORBIDDEN:
            raise PermissionMissing(
                f"{ALERTS}: {answer.text[:SHOWN]}", hint=self._hint("permissions")
            )
        if answer.status_code != OK:
            raise CloudError(f"{ALERTS}: {answer.status_code} {answer.text[:SHOWN]}")
        found: dict[str, Any] = answer.json()
        return found

    @property
    def _http(self) -> str:
        if self._env.target is Target.SANDBOX:
            return sandbox_address(self._env).http
        return "https://monitoring.googleapis.com"

    def _session(self) -> Any:
        if self._env.target is Target.SANDBOX:
            from requests import Session

            session = Session()
            session.trust_env = False
            return session
        from google.auth.transport.requests import AuthorizedSession

        authorized: Any = AuthorizedSession
        return authorized(credentials(self._env))

    def _hint(self, command: str) -> str:
        return f"emonk-ops config {command} --env {self._env.name}"


def _document(message: Any) -> dict[str, Any]:
    from google.protobuf.json_format import MessageToDict

    return MessageToDict(type(message).pb(message))


def _message(surface: Surface, document: Document) -> Any:
    from google.protobuf.json_format import ParseDict

    return surface.message(ParseDict(dict(document), surface.message.pb()()))

"""Puts Cloud Monitoring on the sandbox's gRPC server."""

from __future__ import annotations

from typing import Any

import grpc
from google.cloud.monitoring_dashboard_v1 import types as boards
from google.cloud.monitoring_v3 import types

from emonk_ops.sandbox.control_requests import Action
from emonk_ops.sandbox.http_server import Request, Response, json_response
from emonk_ops.sandbox.logging.metrics import LogMetrics
from emonk_ops.sandbox.logging.store import LogStore
from emonk_ops.sandbox.monitoring.alerts import AlertsDialect
from emonk_ops.sandbox.monitoring.conditions import Conditions
from emonk_ops.sandbox.monitoring.handlers import (
    CHANNEL_METHODS,
    DASHBOARD_METHODS,
    POLICY_METHODS,
    ChannelMethods,
    DashboardMethods,
    Numbers,
    PolicyMethods,
)
from emonk_ops.sandbox.monitoring.incidents import Incidents
from emonk_ops.sandbox.monitoring.samples import Measurements
from emonk_ops.sandbox.monitoring.state import Kept
from emonk_ops.sandbox.monitoring.time_series import TimeSeriesMethods
from emonk_ops.sandbox.rest.calls import Calls
from emonk_ops.sandbox.unary import unary_handler
from emonk_ops.sandbox.world import World

SERIES_METHODS = (("ListTimeSeries", "list_time_series", types.ListTimeSeriesRequest.pb()),)


class MonitoringApi:
    """Cloud Monitoring of one world."""

    def __init__(self, world: World, logs: LogStore) -> None:
        store, numbers = world.store, Numbers(world.rng)
        policies = Kept(store, "monitoring.policy", types.AlertPolicy.pb(), "alert policy")
        channels = Kept(
            store, "monitoring.channel", types.NotificationChannel.pb(), "notification channel"
        )
        dashboards = Kept(store, "monitoring.dashboard", boards.Dashboard.pb(), "dashboard")
        metrics = LogMetrics(store, world.clock.now)
        measurements = Measurements(logs, metrics)
        conditions = Conditions(measurements, logs)
        self.incidents = Incidents(world, policies, conditions)
        self._alerts = AlertsDialect(self.incidents, policies)
        changed = self.incidents.policies_changed
        self._series = TimeSeriesMethods(measurements)
        self._policies = PolicyMethods(
            policies, channels, conditions, numbers, world.clock.now, changed
        )
        self._channels = ChannelMethods(channels, policies, numbers)
        self._dashboards = DashboardMethods(dashboards, numbers)

    def handlers(self) -> list[grpc.GenericRpcHandler[Any, Any]]:
        v3 = "google.monitoring.v3"
        return [
            unary_handler(f"{v3}.MetricService", self._series, SERIES_METHODS),
            unary_handler(f"{v3}.AlertPolicyService", self._policies, POLICY_METHODS),
            unary_handler(f"{v3}.NotificationChannelService", self._channels, CHANNEL_METHODS),
            unary_handler(
                "google.monitoring.dashboard.v1.DashboardsService",
                self._dashboards,
                DASHBOARD_METHODS,
            ),
        ]

    def actions(self) -> dict[tuple[str, str], Action]:
        """Control actions under /sandbox/."""
        return {("GET", "/sandbox/incidents"): self._told}

    def dialects(self, _calls: Calls) -> AlertsDialect:
        """What the API has over REST alone."""
        return self._alerts

    async def _told(self, _request: Request) -> Response:
        return json_response({"incidents": list(self.incidents.all())})

    async def start(self) -> None:
        self.incidents.start()

    async def stop(self) -> None:
        await self.incidents.stop()

    async def reset(self) -> None:
        """The store is emptied by the caller."""


def register(world: World) -> MonitoringApi:
    """The API of a world; it sees what the log store holds."""
    if not isinstance(world.logs, LogStore):
        raise TypeError(f"Cloud Monitoring needs logging.store.LogStore, not {world.logs!r}")
    return MonitoringApi(world, world.logs)

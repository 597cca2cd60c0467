"""Alert policies, notification channels and dashboards: raw requests in, raw answers out."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import datetime
from typing import Any

import grpc
from google.cloud.monitoring_dashboard_v1 import types as boards
from google.cloud.monitoring_v3 import types
from google.protobuf import empty_pb2
from google.protobuf.field_mask_pb2 import FieldMask

from emonk_ops.sandbox.monitoring.conditions import Conditions
from emonk_ops.sandbox.monitoring.errors import Refusal, invalid
from emonk_ops.sandbox.monitoring.state import Kept
from emonk_ops.sandbox.monitoring.time_series import project_of

MAX_PAGE = 1000
POLICY_METHODS = (
    ("CreateAlertPolicy", "create", types.CreateAlertPolicyRequest.pb()),
    ("GetAlertPolicy", "get", types.GetAlertPolicyRequest.pb()),
    ("ListAlertPolicies", "listed", types.ListAlertPoliciesRequest.pb()),
    ("UpdateAlertPolicy", "update", types.UpdateAlertPolicyRequest.pb()),
    ("DeleteAlertPolicy", "delete", types.DeleteAlertPolicyRequest.pb()),
)
CHANNEL_METHODS = (
    ("CreateNotificationChannel", "create", types.CreateNotificationChannelRequest.pb()),
    ("GetNotificationChannel", "get", types.GetNotificationChannelRequest.pb()),
    ("ListNotificationChannels", "listed", types.ListNotificationChannelsRequest.pb()),
    ("UpdateNotificationChannel", "update", types.UpdateNotificationChannelRequest.pb()),
    ("DeleteNotificationChannel", "delete", types.DeleteNotificationChannelRequest.pb()),
)
DASHBOARD_METHODS = (
    ("CreateDashboard", "create", boards.CreateDashboardRequest.pb()),
    ("GetDashboard", "get", boards.GetDashboardRequest.pb()),
    ("ListDashboards", "listed", boards.ListDashboardsRequest.pb()),
    ("UpdateDashboard", "update", boards.UpdateDashboardRequest.pb()),
    ("DeleteDashboard", "delete", boards.DeleteDashboardRequest.pb()),
)
MIN_AUTO_CLOSE_SECONDS = 1800


class Numbers:
    """Ids as the platform gives: long numbers."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng

    def next(self) -> str:
        return str(self._rng.randrange(10**18, 10**19))


class PolicyMethods:
    """google.monitoring.v3.AlertPolicyService."""

    def __init__(
        self,
        kept: Kept,
        channels: Kept,
        conditions: Conditions,
        numbers: Numbers,
        now: Callable[[], datetime],
        changed: Callable[[], None],
    ) -> None:
        self._kept = kept
        self._channels = channels
        self._conditions = conditions
        self._numbers = numbers
        self._now = now
        self._changed = changed

    async def create(self, request: Any) -> Any:
        project = project_of(request.name)
        policy = request.alert_policy
        policy.name = f"projects/{project}/alertPolicies/{self._numbers.next()}"
        for index, condition in enumerate(policy.conditions):
            condition.name = f"{policy.name}/conditions/{self._numbers.next()}{index}"
        policy.creation_record.mutate_time.FromDatetime(self._now())
        return self._checked(policy)

    async def get(self, request: Any) -> Any:
        return self._kept.get(request.name)

    async def listed(self, request: Any) -> Any:
        found = [*self._kept.all(f"projects/{project_of(request.name)}")]
        page, more = _page(found, request)
        response: Any = types.ListAlertPoliciesResponse.pb()
        return response(alert_policies=page, next_page_token=more, total_size=len(found))

    async def update(self, request: Any) -> Any:
        policy = _merged(self._kept.get(request.alert_policy.name), request, "alert_policy")
        for condition in policy.conditions:
            condition.name = condition.name or f"{policy.name}/conditions/{self._numbers.next()}"
        return self._checked(policy)

    async def delete(self, request: Any) -> Any:
        self._kept.delete(request.name)
        return empty_pb2.Empty()

    def _checked(self, policy: Any) -> Any:
        if not policy.display_name:
            raise invalid("Field alert_policy.display_name must be set.")
        if not policy.conditions:
            raise invalid("Field alert_policy.conditions must have at least one condition.")
        if policy.combiner == 0:
            raise invalid("Field alert_policy.combiner must be set.")
        close = policy.alert_strategy.auto_close.seconds
        if close and close < MIN_AUTO_CLOSE_SECONDS:
            raise invalid("Field alert_policy.alert_strategy.auto_close must be at least 30 min.")
        for condition in policy.conditions:
            self._conditions.check(condition)
        for channel in policy.notification_channels:
            self._channels.get(channel)
        if not policy.HasField("enabled"):
            policy.enabled.value = True
        policy.mutation_record.mutate_time.FromDatetime(self._now())
        self._kept.put(policy)
        self._changed()
        return policy


class ChannelMethods:
    """google.monitoring.v3.NotificationChannelService; nothing is ever sent from the sandbox."""

    def __init__(self, kept: Kept, policies: Kept, numbers: Numbers) -> None:
        self._kept = kept
        self._policies = policies
        self._numbers = numbers

    async def create(self, request: Any) -> Any:
        channel = request.notification_channel
        if not channel.type_:
            raise invalid("Field notification_channel.type must be set, for example to email.")
        project = project_of(request.name)
        channel.name = f"projects/{project}/notificationChannels/{self._numbers.next()}"
        if not channel.HasField("enabled"):
            channel.enabled.value = True
        self._kept.put(channel)
        return channel

    async def get(self, request: Any) -> Any:
        return self._kept.get(request.name)

    async def listed(self, request: Any) -> Any:
        found = [*self._kept.all(f"projects/{project_of(request.name)}")]
        page, more = _page(found, request)
        response: Any = types.ListNotificationChannelsResponse.pb()
        return response(notification_channels=page, next_page_token=more, total_size=len(found))

    async def update(self, request: Any) -> Any:
        before = self._kept.get(request.notification_channel.name)
        channel = _merged(before, request, "notification_channel")
        self._kept.put(channel)
        return channel

    async def delete(self, request: Any) -> Any:
        users = [one for one in self._policies.all() if request.name in one.notification_channels]
        if users and not request.force:
            raise Refusal(
                grpc.StatusCode.FAILED_PRECONDITION,
                f"Channel {request.name} is used by {users[0].name}; delete it with force.",
            )
        for policy in users:
            kept = [one for one in policy.notification_channels if one != request.name]
            del policy.notification_channels[:]
            policy.notification_channels.extend(kept)
            self._policies.put(policy)
        self._kept.delete(request.name)
        return empty_pb2.Empty()


class DashboardMethods:
    """google.monitoring.dashboard.v1.DashboardsService."""

    def __init__(self, kept: Kept, numbers: Numbers) -> None:
        self._kept = kept
        self._numbers = numbers

    async def create(self, request: Any) -> Any:
        board = request.dashboard
        if not board.display_name:
            raise invalid("Field dashboard.displayName must be set.")
        if not board.name:
            board.name = f"{request.parent}/dashboards/{self._numbers.next()}"
        self._check_new(board.name)
        return self._put(board, request.validate_only)

    async def get(self, request: Any) -> Any:
        return self._kept.get(request.name)

    async def listed(self, request: Any) -> Any:
        found = [*self._kept.all(request.parent)]
        page, more = _page(found, request)
        response: Any = boards.ListDashboardsResponse.pb()
        return response(dashboards=page, next_page_token=more)

    async def update(self, request: Any) -> Any:
        before = self._kept.get(request.dashboard.name)
        if request.dashboard.etag and request.dashboard.etag != before.etag:
            raise Refusal(
                grpc.StatusCode.ABORTED,
                f"The etag {request.dashboard.etag} is not the current one, {before.etag}.",
            )
        return self._put(request.dashboard, request.validate_only)

    async def delete(self, request: Any) -> Any:
        self._kept.delete(request.name)
        return empty_pb2.Empty()

    def _check_new(self, name: str) -> None:
        try:
            self._kept.get(name)
        except Refusal:
            return
        raise Refusal(grpc.StatusCode.ALREADY_EXISTS, f"{name} already exists.")

    def _put(self, board: Any, validate_only: bool) -> Any:
        board.etag = self._numbers.next()
        if not validate_only:
            self._kept.put(board)
        return board


def _page(found: list[Any], request: Any) -> tuple[list[Any], str]:
    if getattr(request, "filter", ""):
        found = [one for one in found if _named(one, request.filter)]
    begin, size = int(request.page_token or 0), min(request.page_size or MAX_PAGE, MAX_PAGE)
    return found[begin : begin + size], str(begin + size) if len(found) > begin + size else ""


def _named(message: Any, text: str) -> bool:
    """The one filter that operators type: `display_name="…"` (or type="…" of a channel)."""
    field, sign, value = text.partition("=")
    name = {"displayName": "display_name", "type": "type_"}.get(field.strip(), field.strip())
    if not sign or name not in ("display_name", "name", "type_"):
        raise invalid(f'Filter "{text}" is not one that the sandbox reads: display_name="…".')
    return bool(getattr(message, name) == value.strip().strip("\"'"))


def _merged(before: Any, request: Any, field: str) -> Any:
    """The message with the masked fields replaced; without a mask, all of them."""
    given = getattr(request, field)
    if not request.update_mask.paths:
        return given
    FieldMask(paths=request.update_mask.paths).MergeMessage(given, before, True, True)
    return before

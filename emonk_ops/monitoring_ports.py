"""What the operations need of Cloud Monitoring and of log-based metrics.

The same rules hold as for `emonk_ops.ports`. A document is a resource in the JSON form of its REST
reference (camelCase, durations like "300s"): what is shown, compared and sent is one thing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol

Document = Mapping[str, Any]


class Kind(StrEnum):
    """The resources that are kept, in the order in which they need one another."""

    METRIC = "metric"  # logging v2, projects.metrics; its `name` is the short id
    CHANNEL = "channel"  # monitoring v3, projects.notificationChannels
    POLICY = "policy"  # monitoring v3, projects.alertPolicies
    DASHBOARD = "dashboard"  # monitoring dashboard v1, projects.dashboards


@dataclass(frozen=True)
class Incident:
    """What a policy opened. `policy` is the policy's full name, `state` OPEN or CLOSED."""

    policy: str
    display_name: str
    state: str
    opened_at: datetime
    closed_at: datetime | None


class Monitoring(Protocol):
    """Cloud Monitoring of the environment's project."""

    def listed(self, kind: Kind) -> tuple[Document, ...]:
        """All of the project, whoever made them."""
        ...

    def create(self, kind: Kind, document: Document) -> Document:
        """As it was made, its `name` in it."""
        ...

    def update(self, kind: Kind, document: Document) -> Document:
        """Replace the one whose `name` the document has; with its `etag`, only that version."""
        ...

    def delete(self, kind: Kind, name: str) -> None: ...

    def incidents(self) -> tuple[Incident, ...]:
        """Open and closed ones, newest first; the newest hundred at least."""
        ...

    def write_entry(self, payload: Document) -> None:
        """A log entry under the service's resource, in a log of its own: `emonk-ops-test`."""
        ...


class StorageFaults(Protocol):
    """Calls of the service to its store that go wrong on demand; only the sandbox offers it."""

    def begin(self, method: str, code: str, *, account: str, seconds: float) -> str:
        """Refuse calls by `account` with `code`, for so long at most. The fault's name.

        `method` is package.Service/Method, * standing for any letters. `NotOffered` elsewhere.
        """
        ...

    def end(self, fault: str) -> None:
        """No longer; one that has ended already is no error."""
        ...

"""What the operations need of an access policy, when they change a line of it.

The same rules hold as for `emonk_ops.ports`. A policy is read and written whole, with its etag.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class Condition:
    """When a binding holds; `expression` is in IAM's language."""

    title: str
    expression: str
    description: str = ""


@dataclass(frozen=True)
class Binding:
    """Who has a role, always or under a condition."""

    role: str
    members: tuple[str, ...]
    condition: Condition | None = None


@dataclass(frozen=True)
class Policy:
    """All bindings of a project, and the mark by which a write finds out that it changed.

    `audited` are SERVICE/LOG_TYPE of the Data Access logs that are on, e.g.
    datastore.googleapis.com/DATA_READ; a write leaves them as they are.
    """

    bindings: tuple[Binding, ...]
    etag: bytes = b""
    audited: frozenset[str] = frozenset()


class ProjectAccess(Protocol):
    """The access policy of the environment's project, or of its service."""

    def policy(self) -> Policy: ...

    def set_policy(self, policy: Policy) -> Policy:
        """Replace it. Raises `Conflict` when it is no longer the one with this etag."""
        ...

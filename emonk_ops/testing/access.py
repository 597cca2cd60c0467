"""A project's access policy in memory."""

from __future__ import annotations

from dataclasses import replace

from emonk_ops.access_ports import Binding, Policy
from emonk_ops.errors import Conflict
from emonk_ops.testing.world import InMemoryWorld


class InMemoryAccess:
    """See `emonk_ops.access_ports.ProjectAccess`. Every write has an etag of its own."""

    def __init__(self, world: InMemoryWorld) -> None:
        self._world = world
        self._kept = Policy((), b"1")

    def policy(self) -> Policy:
        return self._kept

    def set_policy(self, policy: Policy) -> Policy:
        with self._world.change("set policy"):
            if policy.etag != self._kept.etag:
                raise Conflict("resourcemanager.projects.setIamPolicy: the etag is not the current")
            bindings = tuple(one for one in policy.bindings if one.members)
            etag = str(int(self._kept.etag) + 1).encode()
            self._kept = replace(self._kept, bindings=bindings, etag=etag)
        return self._kept

    def log_data_access(self, *audited: str) -> None:
        """Somebody switches Data Access logs on, each as SERVICE/LOG_TYPE."""
        self._kept = replace(self._kept, audited=frozenset(audited))

    def grant(self, role: str, *members: str) -> None:
        """Somebody else's change."""
        added = Binding(role, members)
        bindings = (*self._kept.bindings, added)
        etag = str(int(self._kept.etag) + 1).encode()
        self._kept = replace(self._kept, bindings=bindings, etag=etag)

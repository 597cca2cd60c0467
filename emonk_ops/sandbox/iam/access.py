"""Who may do what, by the policies in force on a resource and on its project."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from datetime import datetime

from emonk_ops.sandbox.iam import conditions
from emonk_ops.sandbox.iam.policies import Policies
from emonk_ops.sandbox.iam.roles import PERMISSIONS

_PROJECT = re.compile(r"projects/[^/]+")


class Access:
    """Answers at the world's time. A grant on the project holds for what is in it."""

    def __init__(self, policies: Policies, now: Callable[[], datetime]) -> None:
        self._policies = policies
        self._now = now

    def granted(self, email: str, permission: str, resource: str) -> bool:
        """Whether the account may; an empty e-mail is a caller without identity."""
        return any(self._grants(email, permission, one) for one in _scopes(resource))

    def granted_of(self, email: str, permissions: Iterable[str], resource: str) -> list[str]:
        """Those of the permissions that the account has."""
        return [one for one in permissions if self.granted(email, one, resource)]

    def _grants(self, email: str, permission: str, resource: str) -> bool:
        now = self._now()
        for binding in self._policies.in_force(resource, now).bindings:
            if permission not in PERMISSIONS.get(binding.role, ()):
                continue
            if not any(_is(email, member) for member in binding.members):
                continue
            if not binding.HasField("condition"):
                return True
            if conditions.parse(binding.condition.expression)(now):
                return True
        return False


def project_of(resource: str) -> str:
    """`projects/P` of a resource's name, "" where it has none."""
    found = _PROJECT.search(resource)
    return found[0] if found else ""


def _scopes(resource: str) -> tuple[str, ...]:
    project = project_of(resource)
    return (resource,) if project in ("", resource) else (resource, project)


def _is(email: str, member: str) -> bool:
    if member == "allUsers":
        return True
    if not email:
        return False
    if member == "allAuthenticatedUsers":
        return True
    kind, _, name = member.partition(":")
    if kind == "domain":
        return email.endswith(f"@{name}")
    return kind in ("user", "serviceAccount", "group") and name.lower() == email.lower()

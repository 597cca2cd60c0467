"""Stands before every method: is its API enabled, and may this caller call it?"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from emonk_ops.sandbox.iam.access import Access, project_of
from emonk_ops.sandbox.iam.callers import Callers, current_caller
from emonk_ops.sandbox.iam.errors import permission_denied, service_disabled
from emonk_ops.sandbox.iam.projects import project_number
from emonk_ops.sandbox.iam.required import REQUIRED, api_of, resource_of

Enabled = Callable[[str, str], bool]
Exists = Callable[[str, str], None]
DATA = "/google.firestore.v1.Firestore/"


class Guard:
    """Both wires ask it before a method is called; a caller without identity may do everything."""

    def __init__(
        self, access: Access, callers: Callers, enabled: Enabled, exists: Exists | None = None
    ) -> None:
        self._access = access
        self._callers = callers
        self._enabled = enabled
        self._exists = exists

    def caller(self, authorization: str, door: str = "") -> str:
        """The caller's e-mail, "" for one without identity. Raises Refusal for a bad token."""
        return self._callers.caller(authorization, door)

    def admit(self, method: str, request: Any, email: str) -> None:
        """Raise Refusal when `/package.Service/Method` may not be called so."""
        required = REQUIRED.get(method)
        resource = resource_of(request, required.fields) if required is not None else ""
        current_caller.set(email)
        api = api_of(method)
        project = project_of(resource)
        if api is not None and project and not self._enabled(project, api[0]):
            raise service_disabled(*api, project.partition("/")[2], project_number(project))
        if required is None:
            return
        if email and not self._access.granted(email, required.permission, resource):
            raise permission_denied(required.permission, resource)
        if self._exists is not None and method.startswith(DATA):
            database = resource.split("/")
            if len(database) > 3:
                self._exists(project, database[3])

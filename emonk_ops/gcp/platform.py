"""A project's switches and permissions, by Google's REST APIs.

Service Usage v1, Resource Manager v1, Firestore Admin v1. The sandbox has none of them yet.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from emonk_ops.errors import CloudError, NotFound, NotOffered, PermissionMissing, Unreachable
from emonk_ops.gcp.endpoints import credentials
from emonk_ops.gcp.faults import translated
from emonk_ops.settings import Environment

SECONDS = 8.0


class SandboxPlatform:
    """Says of every question that it cannot be asked here: an ERROR, never a pass."""

    def api_enabled(self, api: str) -> bool:
        raise NotOffered("the sandbox has no Service Usage API yet")

    def missing_permissions(self, permissions: Sequence[str]) -> tuple[str, ...]:
        raise NotOffered("the sandbox has no IAM API yet")

    def roles_of(self, member: str) -> tuple[str, ...]:
        raise NotOffered("the sandbox has no IAM API yet")

    def firestore_database(self) -> Mapping[str, Any] | None:
        raise NotOffered("the sandbox has no Firestore Admin API yet")


class GooglePlatform:
    """See `emonk_ops.ports.Platform`."""

    def __init__(self, env: Environment) -> None:
        from google.auth.transport.requests import AuthorizedSession

        self._env = env
        session: Any = AuthorizedSession
        self._session = session(credentials(env))

    def api_enabled(self, api: str) -> bool:
        found = self._ask(
            "serviceusage.services.get",
            "GET",
            f"https://serviceusage.googleapis.com/v1/projects/{self._env.project}/services/{api}",
        )
        return str(found.get("state")) == "ENABLED"

    def missing_permissions(self, permissions: Sequence[str]) -> tuple[str, ...]:
        found = self._ask(
            "resourcemanager.projects.testIamPermissions",
            "POST",
            f"{self._project}:testIamPermissions",
            {"permissions": list(permissions)},
        )
        granted = set(found.get("permissions", []))
        return tuple(one for one in permissions if one not in granted)

    def roles_of(self, member: str) -> tuple[str, ...]:
        policy = self._ask(
            "resourcemanager.projects.getIamPolicy",
            "POST",
            f"{self._project}:getIamPolicy",
            {"options": {"requestedPolicyVersion": 3}},
        )
        return tuple(
            str(binding["role"])
            for binding in policy.get("bindings", [])
            if member in binding.get("members", [])
        )

    def firestore_database(self) -> Mapping[str, Any] | None:
        try:
            return self._ask(
                "datastore.databases.get",
                "GET",
                "https://firestore.googleapis.com/v1/projects/"
                f"{self._env.project}/databases/(default)",
            )
        except NotFound:
            return None

    @property
    def _project(self) -> str:
        return f"https://cloudresourcemanager.googleapis.com/v1/projects/{self._env.project}"

    def _ask(
        self, call: str, method: str, url: str, body: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        import requests

        try:
            with translated(call, self._env):
                answer = self._session.request(method, url, json=body, timeout=SECONDS)
        except requests.RequestException as error:
            raise Unreachable(
                f"{call}: no answer: {error}", hint=f"emonk-ops config check --env {self._env.name}"
            ) from error
        if answer.status_code == 200:
            found: dict[str, Any] = answer.json()
            return found
        words = f"{call}: HTTP {answer.status_code}: {answer.text[:300]}"
        match answer.status_code:
            case 404:
                raise NotFound(words)
            case 401 | 403:
                raise PermissionMissing(
                    words, hint=f"emonk-ops config permissions --env {self._env.name}"
                )
        raise CloudError(words, hint=f"emonk-ops config check --env {self._env.name}")

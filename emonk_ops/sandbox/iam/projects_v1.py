"""Projects in the words of Resource Manager v1, which `gcloud projects describe` speaks."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from google.cloud.resourcemanager_v3 import types

from emonk_ops.sandbox.http_server import Request
from emonk_ops.sandbox.rest.calls import Calls
from emonk_ops.sandbox.rest.context import metadata_of

_GET = "/google.cloud.resourcemanager.v3.Projects/GetProject"


class ProjectsV1:
    """GET /v1/projects/{id}, over v3's method."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    def routes(
        self,
    ) -> dict[tuple[str, str], Callable[[Request, Mapping[str, str]], Awaitable[Any]]]:
        return {("GET", "/v1/projects/{project}"): self._get}

    async def _get(self, request: Request, path: Mapping[str, str]) -> dict[str, Any]:
        asked = types.GetProjectRequest.pb()(name=f"projects/{path['project']}")
        project = await self._calls.unary(_GET, asked, metadata_of(request))
        return {
            "projectNumber": project.name.partition("/")[2],
            "projectId": project.project_id,
            "lifecycleState": types.Project.State(project.state).name,
            "name": project.display_name,
        }

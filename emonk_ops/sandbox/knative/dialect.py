"""The requests of serving.knative.dev/v1, as far as `gcloud run services|revisions` make them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from google.protobuf import json_format

from emonk_ops.sandbox.http_server import Request
from emonk_ops.sandbox.knative import revisions, services, words
from emonk_ops.sandbox.knative.calls import RunCalls
from emonk_ops.sandbox.knative.places import Locations, locations_of, one_location
from emonk_ops.sandbox.knative.selectors import page_of, selected
from emonk_ops.sandbox.rest.calls import Calls
from emonk_ops.sandbox.rest.errors import bad_request, rpc_error
from emonk_ops.sandbox.rest.requests import parameters
from emonk_ops.sandbox.run.messages import Service, types
from emonk_ops.sandbox.run.traffic import resolve

Path = Mapping[str, str]
_NAMESPACE = "/apis/serving.knative.dev/v1/namespaces/{project}"
_LOCATION = "/v1/projects/{project}/locations/{location}"


class KnativeDialect:
    """Answers with JSON content. `locations` names those where a project has services."""

    def __init__(self, calls: Calls, locations: Locations) -> None:
        self._calls = calls
        self._locations = locations

    def routes(self) -> dict[tuple[str, str], Callable[[Request, Path], Any]]:
        found: dict[tuple[str, str], Callable[[Request, Path], Any]] = {
            ("GET", f"{_LOCATION}/operations/{{operation}}"): self._operation,
            ("POST", f"{_LOCATION}/operations/{{operation}}:wait"): self._wait,
        }
        for verb in ("GET", "POST", "PUT", "DELETE"):
            found[(verb, "/apis/**")] = self._unserved
        for parent in (_NAMESPACE, _LOCATION):
            found |= {
                ("GET", f"{parent}/services"): self._services,
                ("POST", f"{parent}/services"): self._create,
                ("GET", f"{parent}/services/{{service}}"): self._service,
                ("PUT", f"{parent}/services/{{service}}"): self._replace,
                ("DELETE", f"{parent}/services/{{service}}"): self._delete,
                ("GET", f"{parent}/revisions"): self._revisions,
                ("GET", f"{parent}/revisions/{{revision}}"): self._revision,
                ("DELETE", f"{parent}/revisions/{{revision}}"): self._delete_revision,
            }
        return found

    # -- services --------------------------------------------------------------------------

    async def _found(self, request: Request, path: Path) -> Service:
        where = locations_of(request, path, self._locations)
        run = RunCalls(self._calls, request)
        return await run.service_in(path["project"], where, path["service"])

    async def _service(self, request: Request, path: Path) -> Any:
        return services.knative(await self._found(request, path))

    async def _services(self, request: Request, path: Path) -> Any:
        run, found = RunCalls(self._calls, request), []
        for location in locations_of(request, path, self._locations):
            parent = f"projects/{path['project']}/locations/{location}"
            found += [services.knative(one) for one in await run.services(parent)]
        return _list("ServiceList", request, found)

    async def _create(self, request: Request, path: Path) -> Any:
        location = one_location(request, path, self._locations)
        content = _content(request, "Service")
        service = types.Service()
        _take(service, content)
        service.etag = ""
        identity = content.get("metadata", {}).get("name", "")
        parent = f"projects/{path['project']}/locations/{location}"
        dry = _dry(request)
        run = RunCalls(self._calls, request)
        operation = await run.create(parent, identity, service, dry)
        return await self._changed(run, f"{parent}/services/{identity}", operation, dry)

    async def _replace(self, request: Request, path: Path) -> Any:
        content = _content(request, "Service")
        named = content.get("metadata", {}).get("name", "")
        if named != path["service"]:
            raise bad_request(
                f"The name '{named}' in the body is not the name '{path['service']}' in the URL.",
                "metadata.name",
            )
        service = await self._found(request, path)
        _take(service, content)
        dry = _dry(request)
        run = RunCalls(self._calls, request)
        operation = await run.replace(service, dry)
        return await self._changed(run, service.name, operation, dry)

    async def _changed(self, run: RunCalls, name: str, operation: Any, dry: bool) -> Any:
        if not dry:
            return services.knative(await run.service(name), operation.name)
        return services.knative(_result(operation))

    async def _delete(self, request: Request, path: Path) -> Any:
        service = await self._found(request, path)
        await RunCalls(self._calls, request).delete_service(service.name)
        return {"apiVersion": "v1", "kind": "Status", "status": "Success"}

    # -- revisions -------------------------------------------------------------------------

    async def _all_revisions(self, request: Request, path: Path) -> list[dict[str, Any]]:
        run, found = RunCalls(self._calls, request), []
        for location in locations_of(request, path, self._locations):
            parent = f"projects/{path['project']}/locations/{location}"
            serving = frozenset(
                revision
                for service in await run.services(parent)
                for target, revision in resolve(service)
                if target.percent
            )
            listed = await run.revisions(f"{parent}/services/-")
            found += [revisions.knative(one, serving) for one in listed]
        found.sort(key=lambda one: str(one["metadata"]["creationTimestamp"]), reverse=True)
        return found

    async def _revisions(self, request: Request, path: Path) -> Any:
        return _list("RevisionList", request, await self._all_revisions(request, path))

    async def _revision(self, request: Request, path: Path) -> Any:
        for one in await self._all_revisions(request, path):
            if one["metadata"]["name"] == path["revision"]:
                return one
        message = f"Resource '{path['revision']}' of kind 'REVISION' does not exist."
        raise rpc_error("NOT_FOUND", message)

    async def _delete_revision(self, request: Request, path: Path) -> Any:
        one = await self._revision(request, path)
        labels = one["metadata"]["labels"]
        parent = f"projects/{path['project']}/locations/{labels[words.LOCATION_LABEL]}"
        service = labels[words.SERVICE_LABEL]
        name = f"{parent}/services/{service}/revisions/{path['revision']}"
        await RunCalls(self._calls, request).delete_revision(name)
        return {"apiVersion": "v1", "kind": "Status", "status": "Success"}

    # -- operations ------------------------------------------------------------------------

    async def _operation(self, request: Request, path: Path) -> Any:
        run = RunCalls(self._calls, request)
        return _operation_content(await run.operation(_operation_name(path)))

    async def _wait(self, request: Request, path: Path) -> Any:
        run = RunCalls(self._calls, request)
        return _operation_content(await run.wait(_operation_name(path)))

    async def _unserved(self, request: Request, _path: Path) -> Any:
        raise rpc_error(
            "UNIMPLEMENTED",
            f"The sandbox does not implement {request.method} {request.path} of Cloud Run v1.",
        )


def _take(service: Service, content: dict[str, Any]) -> None:
    try:
        services.take(service, content)
    except (AttributeError, TypeError, ValueError) as problem:
        # A list where an object should be, a word where a number should be.
        raise bad_request(f"The body is not a Service of {words.API_VERSION}: {problem}") from None


def _operation_name(path: Path) -> str:
    parent = f"projects/{path['project']}/locations/{path['location']}"
    return f"{parent}/operations/{path['operation']}"


def _operation_content(operation: Any) -> dict[str, Any]:
    content: dict[str, Any] = {"name": operation.name, "done": operation.done}
    if operation.HasField("error"):
        content["error"] = json_format.MessageToDict(operation.error)
    elif operation.done:
        content["response"] = services.knative(_result(operation))
    return content


def _result(operation: Any) -> Service:
    service = types.Service.pb()()
    operation.response.Unpack(service)
    return types.Service.wrap(service)


def _dry(request: Request) -> bool:
    return dict(parameters(request)).get("dryRun") == "all"


def _content(request: Request, kind: str) -> dict[str, Any]:
    try:
        content = request.json()
    except ValueError as problem:
        raise bad_request(f"Invalid JSON payload received. {problem}") from None
    if not isinstance(content, dict) or content.get("kind") != kind:
        raise bad_request(f"The body must be an object of kind {kind}.", "kind")
    for part in ("metadata", "spec"):
        if not isinstance(content.get(part, {}), dict):
            raise bad_request(f"The {part} of the body must be an object.", part)
    return content


def _list(kind: str, request: Request, found: list[dict[str, Any]]) -> dict[str, Any]:
    asked = dict(parameters(request))
    chosen = selected(found, asked.get("labelSelector", ""))
    items, following = page_of(chosen, asked.get("limit", ""), asked.get("continue", ""))
    metadata = {"continue": following} if following else {}
    return {"apiVersion": words.API_VERSION, "kind": kind, "metadata": metadata, "items": items}

"""The REST wire: an HTTP request finds its rule, its rule the method, the method its handler."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import grpc

from emonk_ops.sandbox.http_server import Request, Response
from emonk_ops.sandbox.rest.answers import Style, streamed, whole
from emonk_ops.sandbox.rest.calls import Calls, request_kind
from emonk_ops.sandbox.rest.context import RestContext, metadata_of
from emonk_ops.sandbox.rest.coverage import served_packages
from emonk_ops.sandbox.rest.documents import sensible
from emonk_ops.sandbox.rest.errors import JSON_HEADER, RestError, no_such_path, unimplemented
from emonk_ops.sandbox.rest.other_paths import OTHER_PATHS
from emonk_ops.sandbox.rest.requests import message_of
from emonk_ops.sandbox.rest.rules import HttpRule, surfaces
from emonk_ops.sandbox.rest.templates import Template

DialectHandler = Callable[[Request, Mapping[str, str]], Awaitable[Any]]


class Dialect(Protocol):
    """JSON that is not a method's own: (verb, path template) -> what answers it with JSON content.

    A handler is given the request and the path's fields, and raises RestError.
    """

    def routes(self) -> Mapping[tuple[str, str], DialectHandler]: ...


@dataclass(frozen=True)
class _Route:
    template: Template
    rule: HttpRule


class RestWire:
    """Answers for every API whose handlers it is given; routes are made at the first request."""

    def __init__(
        self,
        handlers: Sequence[grpc.GenericRpcHandler[Any, Any]],
        interceptors: Sequence[grpc.aio.ServerInterceptor[Any, Any]] = (),
        dialects: Sequence[Callable[[Calls], Dialect]] = (),
    ) -> None:
        serving = [one for one in handlers if isinstance(one, grpc.ServiceRpcHandler)]
        self.calls = Calls(serving, interceptors)
        self._packages = served_packages(handlers)
        self._dialects = [make(self.calls) for make in dialects]

    @cached_property
    def _routes(self) -> Mapping[str, Sequence[_Route]]:
        """By verb, what says more about a path first."""
        rules: dict[str, list[_Route]] = {}
        for rule in self._rules():
            rules.setdefault(rule.verb, []).append(_Route(Template(rule.template), rule))
        for routes in rules.values():
            routes.sort(key=lambda route: route.template.weight)
        return rules

    def _rules(self) -> Iterator[HttpRule]:
        for package in self._packages:
            for surface in surfaces(package):
                yield from surface.rules
        for method, paths in OTHER_PATHS.items():
            if self.calls.serves(method):
                for verb, template, body in paths:
                    yield HttpRule(method, verb, template, body)

    @cached_property
    def _spoken(self) -> Sequence[tuple[str, Template, DialectHandler]]:
        found = [
            (verb, Template(template), handler)
            for dialect in self._dialects
            for (verb, template), handler in dialect.routes().items()
        ]
        return sorted(found, key=lambda one: one[1].weight)

    async def handle(self, request: Request) -> Response:
        """The answer of the method that the request means, or the platform's 404 page."""
        try:
            for verb, template, handler in self._spoken:
                path = template.match(request.path)
                if verb == request.method and path is not None:
                    content = await handler(request, path)
                    return Response(
                        200, [JSON_HEADER], (Style(request).text(content) + "\n").encode()
                    )
            route = self._route(request)
            if route is None:
                return no_such_path(request.path)
            return await self._call(route[0], route[1], request)
        except RestError as error:
            return error.response()

    def _route(self, request: Request) -> tuple[HttpRule, Mapping[str, str]] | None:
        for route in self._routes.get(request.method, ()):
            path = route.template.match(request.path)
            if path is not None and sensible(route.rule, request.path):
                return route.rule, path
        return None

    async def _call(self, rule: HttpRule, path: Mapping[str, str], request: Request) -> Response:
        metadata = metadata_of(request)
        handler: Any = await self.calls.find(rule.method, metadata)
        if handler is None or handler.request_streaming:
            raise unimplemented(rule.method)
        message = message_of(request_kind(handler), rule, path, request)
        context, style = RestContext(metadata), Style(request)
        if handler.unary_stream is not None:
            return await streamed(style, handler.unary_stream(message, context))
        return whole(style, await handler.unary_unary(message, context))

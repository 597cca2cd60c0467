"""The REST wire: an HTTP request finds its rule, its rule the method, the method its handler."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any, Protocol

import grpc

from emonk_ops.sandbox.http_server import Request, Response
from emonk_ops.sandbox.rest.absent import absent_api, no_such_api
from emonk_ops.sandbox.rest.answers import Style, streamed, whole
from emonk_ops.sandbox.rest.calls import Calls, request_kind
from emonk_ops.sandbox.rest.context import RestContext, metadata_of
from emonk_ops.sandbox.rest.coverage import served_packages
from emonk_ops.sandbox.rest.documents import sensible
from emonk_ops.sandbox.rest.errors import (
    JSON_HEADER,
    RestError,
    no_such_path,
    rpc_error,
    unimplemented,
)
from emonk_ops.sandbox.rest.requests import message_of
from emonk_ops.sandbox.rest.rules import HttpRule, other_rules, surfaces
from emonk_ops.sandbox.rest.templates import Template

DialectHandler = Callable[[Request, Mapping[str, str]], Awaitable[Any]]
_log = logging.getLogger(__name__)
_Answer = Callable[[Request, Mapping[str, str]], Awaitable[Response]]


class Dialect(Protocol):
    """JSON that is not a method's own: (verb, path template) -> what answers it with JSON content.

    A handler is given the request and the path's fields, and raises RestError.
    """

    def routes(self) -> Mapping[tuple[str, str], DialectHandler]: ...


@dataclass(frozen=True)
class _Route:
    template: Template
    answer: _Answer


class RestWire:
    """Answers for every API whose handlers it is given; routes are made at the first request."""

    def __init__(
        self,
        handlers: Sequence[grpc.GenericRpcHandler[Any, Any]],
        interceptors: Sequence[grpc.aio.ServerInterceptor[Any, Any]] = (),
        dialects: Sequence[Callable[[Calls], Dialect]] = (),
    ) -> None:
        serving = [one for one in handlers if isinstance(one, grpc.ServiceRpcHandler)]
        self._calls = Calls(serving, interceptors)
        self._packages = served_packages(handlers)
        self._dialects = [make(self._calls) for make in dialects]

    async def handle(self, request: Request) -> Response:
        """The answer of the method that the request means, or the platform's 404 page."""
        api = absent_api(request.header("host"))
        try:
            if api:
                raise no_such_api(api)
            for route in self._routes.get(request.method, ()):
                path = route.template.match(request.path)
                if path is not None and sensible(route.template, request.path):
                    return await route.answer(request, path)
        except RestError as error:
            return error.response()
        except Exception:
            _log.exception("%s %s failed", request.method, request.path)
            return rpc_error("INTERNAL", "Internal error encountered.").response()
        return no_such_path(request.path)

    @cached_property
    def _routes(self) -> Mapping[str, Sequence[_Route]]:
        """By verb, what says more about a path first."""
        found: dict[str, list[_Route]] = {}
        for verb, template, answer in [*self._of_dialects(), *self._of_methods()]:
            found.setdefault(verb, []).append(_Route(Template(template), answer))
        for routes in found.values():
            routes.sort(key=lambda route: route.template.weight)
        return found

    def _of_methods(self) -> Iterator[tuple[str, str, _Answer]]:
        for package in self._packages:
            rules = [rule for surface in surfaces(package) for rule in surface.rules]
            for rule in [*rules, *other_rules(package)]:
                yield rule.verb, rule.template, partial(self._call, rule)

    def _of_dialects(self) -> Iterator[tuple[str, str, _Answer]]:
        for dialect in self._dialects:
            for (verb, template), handler in dialect.routes().items():
                yield verb, template, partial(_spoken, handler)

    async def _call(self, rule: HttpRule, request: Request, path: Mapping[str, str]) -> Response:
        metadata = metadata_of(request)
        handler: Any = await self._calls.find(rule.method, metadata)
        if handler is None or handler.request_streaming:
            raise unimplemented(rule.method)
        message = message_of(request_kind(handler), rule, path, request)
        context, style = RestContext(metadata), Style(request)
        if handler.unary_stream is not None:
            return await streamed(style, handler.unary_stream(message, context))
        return whole(style, await handler.unary_unary(message, context))


async def _spoken(handler: DialectHandler, request: Request, path: Mapping[str, str]) -> Response:
    text = Style(request).text(await handler(request, path))
    return Response(200, [JSON_HEADER], text.encode() + b"\n")

"""Cloud Run's own look at who calls a service: run.invoker, before the container is asked.

From run/docs/authenticating/service-to-service and run/docs/securing/managing-access.
"""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import Any

from google.auth import jwt

from emonk_ops.sandbox.http_server import Request, Response
from emonk_ops.sandbox.run.messages import Service
from emonk_ops.sandbox.world import World

INVOKE = "run.routes.invoke"
_HELP = "Read more at https://cloud.google.com/run/docs/securing/authenticating"
_NOT_AUTHENTICATED = (
    "The request was not authenticated. Either allow unauthenticated invocations or set the proper"
    f" Authorization header. {_HELP}"
)
_BAD_TOKEN = f"The request was not authorized to invoke this service. {_HELP} Additional details: "


@dataclass(frozen=True)
class Refused:
    """What the caller gets, and what the request log says of it."""

    response: Response
    status: int
    text: str


class Invokers:
    """Decides for one service, by its policy and its project's, at each request."""

    def __init__(self, world: World, service: Service, urls: tuple[str, ...]) -> None:
        self._world = world
        self._name = service.name
        self._open = bool(service.invoker_iam_disabled)
        self._audiences = [*urls, *service.custom_audiences]

    def refusal(self, request: Request) -> Refused | None:
        """None for a caller who may; the open door of allUsers asks for nothing."""
        access = self._world.access
        if access is None or self._open or access.granted("", INVOKE, self._name):
            return None
        token = _bearer(request)
        if not token:
            return _refused(request, 403, _NOT_AUTHENTICATED)
        try:
            claims = self._claims(token)
        except ValueError as problem:
            return _refused(request, 401, f"{_BAD_TOKEN}{problem}")
        if access.granted(str(claims.get("email", "")), INVOKE, self._name):
            return None
        return _refused(request, 403, f"{_BAD_TOKEN}the account lacks {INVOKE}.")

    def _claims(self, token: str) -> dict[str, Any]:
        decode: Any = jwt.decode
        claims: dict[str, Any] = decode(
            token, certs=self._world.oidc.certs(), audience=self._audiences
        )
        return claims


def _bearer(request: Request) -> str:
    # X-Serverless-Authorization leaves Authorization to the application.
    header = request.header("x-serverless-authorization") or request.header("authorization")
    scheme, _, token = header.partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def _refused(request: Request, status: int, text: str) -> Refused:
    title = "403 Forbidden" if status == 403 else "401 Unauthorized"
    said = "Error: Forbidden" if status == 403 else "Error: Unauthorized"
    page = (
        '<html><head>\n<meta http-equiv="content-type" content="text/html;charset=utf-8">\n'
        f"<title>{title}</title>\n</head>\n<body text=#000000 bgcolor=#ffffff>\n<h1>{said}</h1>\n"
        "<h2>Your client does not have permission to get URL"
        f" <code>{escape(request.path)}</code> from this server.</h2>\n<h2></h2>\n</body></html>\n"
    )
    headers = [(b"content-type", b"text/html; charset=UTF-8")]
    if status == 401:
        headers.append((b"www-authenticate", b'Bearer error="invalid_token"'))
    return Refused(Response(status, headers, page.encode()), status, text)

"""From an HTTP request to a method's protobuf request: body, query and path, in that order."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from google.protobuf import json_format

from emonk_ops.sandbox.http_server import Request
from emonk_ops.sandbox.rest.bodies import checked
from emonk_ops.sandbox.rest.errors import bad_request
from emonk_ops.sandbox.rest.fields import find_field, nested, value_of
from emonk_ops.sandbox.rest.rules import HttpRule

# The parameters that every Google API takes: https://cloud.google.com/apis/docs/system-parameters
SYSTEM_PARAMETERS = frozenset(
    {
        "access_token",
        "alt",
        "callback",
        "fields",
        "key",
        "oauth_token",
        "prettyPrint",
        "quotaUser",
        "uploadType",
        "upload_protocol",
        "xgafv",
    }
)


def parameters(request: Request) -> list[tuple[str, str]]:
    """The query in order, with repetitions; `$alt` and `alt` are the same."""
    pairs = parse_qsl(urlsplit(request.target).query, keep_blank_values=True)
    return [(name.removeprefix("$").removeprefix("."), value) for name, value in pairs]


def message_of(kind: Any, rule: HttpRule, path: Mapping[str, str], request: Request) -> Any:
    """The request message; RestError in the platform's words for what does not fit it."""
    message = kind()
    content = _content(request)
    if rule.body == "*":
        _parse(checked(content, kind.DESCRIPTOR, ""), message)
    elif rule.body:
        part = getattr(message, rule.body)
        part.SetInParent()
        _parse(checked(content, part.DESCRIPTOR, rule.body), part)
    elif content:
        checked(content, kind.DESCRIPTOR, "")
        raise bad_request("Request message for this method must come in the URL, not in the body.")
    _take_query(message, parameters(request))
    for field, value in path.items():
        owner, name = nested(message, field)
        setattr(owner, name, value)
    return message


def _content(request: Request) -> Any:
    try:
        content = request.json()
    except ValueError as problem:
        raise bad_request(f"Invalid JSON payload received. {problem}") from None
    if not isinstance(content, dict):
        raise bad_request(
            'Invalid JSON payload received. Unknown name "": Root element must be a message.'
        )
    return content


def _parse(content: Any, message: Any) -> None:
    try:
        json_format.ParseDict(content, message)
    except json_format.ParseError as problem:
        raise bad_request(f"Invalid JSON payload received. {problem}") from None


def _take_query(message: Any, pairs: Iterable[tuple[str, str]]) -> None:
    gathered: dict[str, Any] = {}
    for name, text in pairs:
        if name in SYSTEM_PARAMETERS:
            continue
        path = _known_path(message.DESCRIPTOR, name)
        target = gathered
        for field in path[:-1]:
            target = target.setdefault(field.name, {})
        last = path[-1]
        value = value_of(last, text, name)
        if last.is_repeated:
            target.setdefault(last.name, []).append(value)
        else:
            target[last.name] = value
    if gathered:
        _parse(gathered, message)


def _known_path(descriptor: Any, name: str) -> list[Any]:
    """The fields along a dotted parameter name."""
    path = []
    for word in name.split("."):
        field = find_field(descriptor, word) if descriptor is not None else None
        if field is None:
            raise bad_request(
                f'Invalid JSON payload received. Unknown name "{name}": Cannot bind query'
                f" parameter. Field '{word}' could not be found in request message."
            )
        path.append(field)
        descriptor = field.message_type
    return path

"""Errors on the REST wire: google.rpc.Status as JSON, with the HTTP status of its code."""

from __future__ import annotations

import base64
import importlib
import json
from collections.abc import Iterable
from typing import Any

import grpc
from google.protobuf import any_pb2, json_format
from google.rpc import error_details_pb2, status_pb2

from emonk_ops.sandbox.http_server import Response

# google/rpc/code.proto says which HTTP status each code has.
HTTP_STATUS = {
    "CANCELLED": 499,
    "UNKNOWN": 500,
    "INVALID_ARGUMENT": 400,
    "DEADLINE_EXCEEDED": 504,
    "NOT_FOUND": 404,
    "ALREADY_EXISTS": 409,
    "PERMISSION_DENIED": 403,
    "UNAUTHENTICATED": 401,
    "RESOURCE_EXHAUSTED": 429,
    "FAILED_PRECONDITION": 400,
    "ABORTED": 409,
    "OUT_OF_RANGE": 400,
    "UNIMPLEMENTED": 501,
    "INTERNAL": 500,
    "UNAVAILABLE": 503,
    "DATA_LOSS": 500,
}
DETAILS_KEY = "grpc-status-details-bin"
# A detail can be written as JSON only when its type is known by then.
importlib.import_module(error_details_pb2.__name__)


class RestError(Exception):
    """What a method, an interceptor or the transcoding itself refuses."""

    def __init__(
        self, code: grpc.StatusCode, message: str, details: Iterable[any_pb2.Any] = ()
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.details = tuple(details)

    @property
    def http_status(self) -> int:
        return HTTP_STATUS[self.code.name]

    def content(self) -> dict[str, Any]:
        """The body: {"error": {"code", "message", "status", "details"}}."""
        error: dict[str, Any] = {
            "code": self.http_status,
            "message": self.message,
            "status": self.code.name,
        }
        if self.details:
            error["details"] = [_detail(one) for one in self.details]
        return {"error": error}

    def response(self) -> Response:
        return Response(
            self.http_status, [JSON_HEADER], json.dumps(self.content(), indent=2).encode() + b"\n"
        )


JSON_HEADER = (b"content-type", b"application/json; charset=UTF-8")


def aborted(code: grpc.StatusCode, message: str, trailers: Iterable[Any]) -> RestError:
    """What a gRPC handler meant by `context.abort(code, message, trailers)`."""
    details: list[any_pb2.Any] = []
    for key, value in trailers:
        if key == DETAILS_KEY:
            details.extend(status_pb2.Status.FromString(value).details)
    return RestError(code, message, details)


def bad_request(description: str, field: str = "") -> RestError:
    """INVALID_ARGUMENT in the words of Google's own JSON transcoding."""
    violation = error_details_pb2.BadRequest.FieldViolation(field=field, description=description)
    detail = any_pb2.Any()
    detail.Pack(error_details_pb2.BadRequest(field_violations=[violation]))
    return RestError(grpc.StatusCode.INVALID_ARGUMENT, description, [detail])


def rpc_error(code: str, message: str) -> RestError:
    """An error by the name of its code, for dialects."""
    return RestError(grpc.StatusCode[code], message)


def unimplemented(method: str) -> RestError:
    """`method` is /package.Service/Method."""
    return RestError(grpc.StatusCode.UNIMPLEMENTED, unimplemented_words(method))


def unimplemented_words(method: str) -> str:
    return (
        f"The sandbox does not implement {method.strip('/')};"
        " 'emonk-ops sandbox coverage' lists what it does."
    )


def no_such_path(path: str) -> Response:
    """What the platform's front end says to a path that belongs to no API: a page, not JSON."""
    escaped = path.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    page = (
        "<!DOCTYPE html>\n<html lang=en>\n  <meta charset=utf-8>\n"
        "  <title>Error 404 (Not Found)!!1</title>\n"
        "  <p><b>404.</b> <ins>That’s an error.</ins>\n"
        f"  <p>The requested URL <code>{escaped}</code> was not found on this server."
        "  <ins>That’s all we know.</ins>\n"
    )
    return Response(404, [(b"content-type", b"text/html; charset=UTF-8")], page.encode())


def _detail(detail: any_pb2.Any) -> dict[str, Any]:
    try:
        return json_format.MessageToDict(detail)
    except TypeError:  # a type that nobody here knows
        return {"@type": detail.type_url, "value": base64.b64encode(detail.value).decode()}

"""What one attempt came to: status code of the job, and the words of the execution log."""

from __future__ import annotations

from dataclasses import dataclass

from google.rpc import code_pb2

_BY_STATUS = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    409: "ABORTED",
    429: "RESOURCE_EXHAUSTED",
    499: "CANCELLED",
    501: "UNIMPLEMENTED",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}


@dataclass(frozen=True)
class Outcome:
    """`code` is a google.rpc.Code name, `http_status` what the target answered, if it did."""

    code: str
    debug_info: str
    http_status: int | None = None

    @property
    def succeeded(self) -> bool:
        return self.code == "OK"

    @property
    def number(self) -> int:
        """The google.rpc.Code number for the job's status."""
        return int(code_pb2.Code.Value(self.code))


def answered(status: int) -> Outcome:
    """The outcome of an HTTP answer: only 2xx acknowledges."""
    said = f"Original HTTP response code number = {status}"
    if 200 <= status < 300:
        return Outcome("OK", f"URL_CRAWLED. {said}", status)
    if status in (401, 403):
        where = "URL_ERROR-ERROR_AUTHENTICATION"
    elif status == 404:
        where = "URL_ERROR-ERROR_NOT_FOUND"
    elif status >= 500:
        where = "URL_UNREACHABLE-UNREACHABLE_5xx"
    else:
        where = "URL_ERROR-ERROR_OTHER"
    fallback = (
        "INTERNAL" if status >= 500 else "FAILED_PRECONDITION" if status >= 400 else "UNKNOWN"
    )
    return Outcome(_BY_STATUS.get(status, fallback), f"{where}. {said}", status)


def timed_out(seconds: float) -> Outcome:
    return Outcome(
        "DEADLINE_EXCEEDED", f"URL_TIMEOUT. No response within the attempt deadline of {seconds:g}s"
    )


def unreachable(reason: str) -> Outcome:
    return Outcome("UNAVAILABLE", f"URL_UNREACHABLE. {reason}")

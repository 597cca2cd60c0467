"""What IAM refuses, and how each product words a refusal of its own."""

from __future__ import annotations

import grpc
from google.protobuf import any_pb2
from google.rpc import error_details_pb2, status_pb2

from emonk_ops.sandbox.refusal import Refusal as Refusal

BASIC_ROLE_CONDITION = "Conditions can't be set on primitive roles"


def invalid(message: str) -> Refusal:
    return Refusal(grpc.StatusCode.INVALID_ARGUMENT, message)


def etag_mismatch() -> Refusal:
    # resourcemanager: a lost race is ABORTED (HTTP 409), which says to read again and retry.
    return Refusal(
        grpc.StatusCode.ABORTED,
        "There were concurrent policy changes. Please retry the whole read-modify-write with"
        " exponential backoff. The request's ETag did not match the current policy's ETag.",
    )


def unauthenticated() -> Refusal:
    return Refusal(
        grpc.StatusCode.UNAUTHENTICATED,
        "Request had invalid authentication credentials. Expected OAuth 2 access token, login"
        " cookie or other valid authentication credential. See"
        " https://developers.google.com/identity/sign-in/web/devconsole-project.",
    )


def permission_denied(permission: str, resource: str) -> Refusal:
    """In the words of the product that the permission belongs to."""
    product = permission.partition(".")[0]
    if product == "datastore":
        message = "Missing or insufficient permissions."
    elif product == "cloudscheduler":
        message = (
            f'The principal (user or service account) lacks IAM permission "{permission}" for the'
            f' resource "{resource}" (or the resource may not exist).'
        )
    elif product == "resourcemanager":
        message = "The caller does not have permission"
    else:
        message = (
            f"Permission '{permission}' denied on resource '{resource}' (or it may not exist)."
        )
    reason = {"permission": permission, "resource": resource}
    return _with_info(
        grpc.StatusCode.PERMISSION_DENIED,
        message,
        "IAM_PERMISSION_DENIED",
        f"{product}.googleapis.com",
        reason,
    )


def service_disabled(api: str, title: str, project: str, number: int) -> Refusal:
    """As Service Usage words it for an API that is not enabled in the project."""
    address = f"https://console.developers.google.com/apis/api/{api}/overview?project={project}"
    message = (
        f"{title} has not been used in project {number} before or it is disabled. Enable it by"
        f" visiting {address} then retry. If you enabled this API recently, wait a few minutes for"
        " the action to propagate to our systems and retry."
    )
    facts = {"service": api, "consumer": f"projects/{number}", "serviceTitle": title}
    code = grpc.StatusCode.PERMISSION_DENIED
    return _with_info(code, message, "SERVICE_DISABLED", "googleapis.com", facts)


def _with_info(
    code: grpc.StatusCode, message: str, reason: str, domain: str, facts: dict[str, str]
) -> Refusal:
    info = error_details_pb2.ErrorInfo(reason=reason, domain=domain, metadata=facts)
    packed = any_pb2.Any()
    packed.Pack(info)
    number: int = code.value[0]
    status = status_pb2.Status(code=number, message=message, details=[packed])
    return Refusal(code, message, status.SerializeToString())

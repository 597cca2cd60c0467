"""What Cloud Run refuses: gRPC status and wording (google.cloud.run.v2)."""

from __future__ import annotations

import grpc

from emonk_ops.sandbox.refusal import Refusal as Refusal

_HELP = "https://cloud.google.com/run/docs/troubleshooting"


class RolloutFailed(Exception):
    """A revision or its route did not become ready. `code` is a google.rpc code number."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


def invalid(field: str, message: str) -> Refusal:
    return Refusal(grpc.StatusCode.INVALID_ARGUMENT, f"Violation in {field}: {message}")


def not_found(kind: str, name: str) -> Refusal:
    return Refusal(grpc.StatusCode.NOT_FOUND, f"{kind} '{name}' not found.")


def already_exists(kind: str, name: str) -> Refusal:
    return Refusal(grpc.StatusCode.ALREADY_EXISTS, f"{kind} '{name}' already exists.")


def revision_conflict(name: str) -> Refusal:
    message = f"Revision named '{name}' with different configuration already exists."
    return Refusal(grpc.StatusCode.ALREADY_EXISTS, message)


def revision_serves(name: str) -> Refusal:
    message = f"Revision '{name}' is receiving traffic or is the latest one; it cannot be deleted."
    return Refusal(grpc.StatusCode.FAILED_PRECONDITION, message)


def etag_conflict(name: str, given: str, stored: str) -> Refusal:
    message = (
        f"Conflict for resource '{name}': version '{given}' was specified but current version is"
        f" '{stored}'."
    )
    return Refusal(grpc.StatusCode.ABORTED, message)


def image_missing(revision: str, image: str) -> RolloutFailed:
    message = (
        f"Revision '{revision}' is not ready and cannot serve traffic. Image '{image}' not found."
    )
    return RolloutFailed(5, message)


def never_listened(revision: str, port: int) -> RolloutFailed:
    return RolloutFailed(
        9,
        f"Revision '{revision}' is not ready and cannot serve traffic. The user-provided container"
        " failed to start and listen on the port defined provided by the"
        f" PORT={port} environment variable within the allocated timeout. This can happen when the"
        " container port is misconfigured or if the timeout is too short. The health check timeout"
        " can be extended. Logs for this revision might contain more information.\n\nFor more"
        f" troubleshooting guidance, see {_HELP}#container-failed-to-start",
    )

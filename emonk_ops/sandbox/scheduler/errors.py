"""What Cloud Scheduler refuses: gRPC status and wording (google.cloud.scheduler.v1)."""

from __future__ import annotations

import grpc

from emonk_ops.sandbox.refusal import Refusal as Refusal

JOB_FORMAT = "projects/<PROJECT_ID>/locations/<LOCATION_ID>/jobs/<JOB_ID>"
PARENT_FORMAT = "projects/<PROJECT_ID>/locations/<LOCATION_ID>"


def invalid(message: str) -> Refusal:
    return Refusal(grpc.StatusCode.INVALID_ARGUMENT, message)


def not_found() -> Refusal:
    return Refusal(grpc.StatusCode.NOT_FOUND, "Job not found.")


def already_exists(name: str) -> Refusal:
    return Refusal(grpc.StatusCode.ALREADY_EXISTS, f"Job {name} already exists.")


def wrong_state(name: str, action: str, needed: str, found: str) -> Refusal:
    return Refusal(
        grpc.StatusCode.FAILED_PRECONDITION,
        f"Job {name} cannot be {action}: its state must be {needed}, but it is {found}.",
    )


def not_implemented(what: str) -> Refusal:
    return Refusal(grpc.StatusCode.UNIMPLEMENTED, f"The sandbox does not implement {what}.")


def bad_schedule() -> Refusal:
    return invalid("Schedule or time zone is invalid.")


def bad_mask(path: str) -> Refusal:
    return invalid(f"Invalid mask for Job: {path}")

"""What Cloud Monitoring refuses."""

from __future__ import annotations

import grpc

from emonk_ops.sandbox.refusal import Refusal as Refusal


def invalid(message: str) -> Refusal:
    return Refusal(grpc.StatusCode.INVALID_ARGUMENT, message)


def not_found(what: str) -> Refusal:
    return Refusal(grpc.StatusCode.NOT_FOUND, f"Could not find {what}.")


def unimplemented(what: str) -> Refusal:
    return Refusal(grpc.StatusCode.UNIMPLEMENTED, f"The sandbox does not implement {what}.")

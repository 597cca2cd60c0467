"""What Cloud Logging refuses: gRPC status and wording (reference of google.logging.v2)."""

from __future__ import annotations

import grpc

from emonk_ops.sandbox.refusal import Refusal as Refusal


class FilterError(Refusal):
    """A filter that the query language does not admit."""

    def __init__(self, reason: str) -> None:
        super().__init__(grpc.StatusCode.INVALID_ARGUMENT, f"Unparseable filter: {reason}")


def invalid(message: str) -> Refusal:
    return Refusal(grpc.StatusCode.INVALID_ARGUMENT, message)


def not_found(message: str) -> Refusal:
    return Refusal(grpc.StatusCode.NOT_FOUND, message)


def exhausted(message: str) -> Refusal:
    return Refusal(grpc.StatusCode.RESOURCE_EXHAUSTED, message)

"""What Cloud Monitoring refuses."""

from __future__ import annotations

import grpc


class Refusal(Exception):
    """A request the API answers with an error status."""

    def __init__(self, code: grpc.StatusCode, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


def invalid(message: str) -> Refusal:
    return Refusal(grpc.StatusCode.INVALID_ARGUMENT, message)


def not_found(what: str) -> Refusal:
    return Refusal(grpc.StatusCode.NOT_FOUND, f"Could not find {what}.")


def unimplemented(what: str) -> Refusal:
    return Refusal(grpc.StatusCode.UNIMPLEMENTED, f"The sandbox does not implement {what}.")

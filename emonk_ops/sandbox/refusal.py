"""What every API of the sandbox raises for a request that it answers with an error status."""

from __future__ import annotations

import grpc


class Refusal(Exception):
    """`details` is a serialized google.rpc.Status for the binary trailer, where there is one."""

    def __init__(self, code: grpc.StatusCode, message: str, details: bytes = b"") -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.details = details

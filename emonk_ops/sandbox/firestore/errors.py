"""What Firestore refuses: gRPC status and the wording of Google's own emulator."""

from __future__ import annotations

import grpc

from emonk_ops.sandbox.refusal import Refusal as Refusal


def invalid(message: str) -> Refusal:
    return Refusal(grpc.StatusCode.INVALID_ARGUMENT, message)


def not_found(name: str) -> Refusal:
    return Refusal(grpc.StatusCode.NOT_FOUND, f"Document ({name}) not found.")


def already_exists(project: str, path: str) -> Refusal:
    shown = "/".join(f"{one[4:-2]}L" if _is_numeric(one) else one for one in path.split("/"))
    where = f"EntityRef{{partitionRef=dev~{project}, path=/{shown}}}"
    return Refusal(grpc.StatusCode.ALREADY_EXISTS, f"entity already exists: {where}")


def nothing_to_update(project: str, path: str) -> Refusal:
    return Refusal(grpc.StatusCode.NOT_FOUND, f"no entity to update: {_entity(project, path)}")


def newer_base(project: str, path: str) -> Refusal:
    what = "Invalid base version, it is greater than the stored version"
    return invalid(f"{what}: {_entity(project, path)}")


def other_base(stored: int, required: int) -> Refusal:
    """Versions are update times in microseconds; 0 where there is no document."""
    return Refusal(
        grpc.StatusCode.FAILED_PRECONDITION,
        f"the stored version ({stored}) does not match the required base version ({required})",
    )


def _entity(project: str, path: str) -> str:
    """The text form of a key: one element for a document and each of its parents."""
    parts = path.split("/")
    elements = "".join(
        f'  Element {{\n    type: "{kind}"\n    {_name(name)}\n  }}\n'
        for kind, name in zip(parts[::2], parts[1::2], strict=True)
    )
    return f'app: "dev~{project}"\npath <\n{elements}>\n'


def _name(identity: str) -> str:
    """Of a document: `__id7__` is a number."""
    return f"id: {identity[4:-2]}" if _is_numeric(identity) else f'name: "{identity}"'


def _is_numeric(identity: str) -> bool:
    return identity.startswith("__id") and identity.endswith("__")


def lock_timeout() -> Refusal:
    return Refusal(grpc.StatusCode.ABORTED, "Transaction lock timeout.")


def closed_transaction() -> Refusal:
    return invalid("Transaction is invalid or closed.")


def unknown_transaction() -> Refusal:
    return invalid("Invalid transaction.")


def too_old() -> Refusal:
    """As clients of the platform report it."""
    return Refusal(
        grpc.StatusCode.FAILED_PRECONDITION, "The requested snapshot version is too old."
    )


def not_implemented(what: str) -> Refusal:
    return Refusal(
        grpc.StatusCode.UNIMPLEMENTED,
        f"Method google.firestore.v1.Firestore/{what} is unimplemented",
    )

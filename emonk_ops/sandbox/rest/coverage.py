"""What the sandbox serves of each API it speaks, read from its handlers and Google's clients."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import grpc

from emonk_ops.sandbox.rest.calls import Calls
from emonk_ops.sandbox.rest.other_paths import OTHER_PATHS
from emonk_ops.sandbox.rest.rules import OPERATIONS, surfaces

Handlers: TypeAlias = "Sequence[grpc.GenericRpcHandler[Any, Any]]"


@dataclass(frozen=True)
class Coverage:
    """One service. `grpc_only` are those of `served` that REST cannot call."""

    service: str
    served: tuple[str, ...]
    grpc_only: tuple[str, ...]
    unserved: tuple[str, ...]


def service_names(handlers: Handlers) -> list[str]:
    """Full names of the services that the handlers serve."""
    return [
        name
        for one in handlers
        if isinstance(one, grpc.ServiceRpcHandler) and (name := one.service_name())
    ]


def served_packages(handlers: Handlers) -> list[str]:
    """Protocol packages of which at least one service is served, sorted."""
    return sorted({name.rpartition(".")[0] for name in service_names(handlers)})


def coverage(handlers: Handlers) -> list[Coverage]:
    """Every service of every package of which something is served."""
    calls = Calls([one for one in handlers if isinstance(one, grpc.ServiceRpcHandler)])
    found = [surface for package in served_packages(handlers) for surface in surfaces(package)]
    on_rest = {rule.method for surface in found for rule in surface.rules} | OTHER_PATHS.keys()
    services = {surface.service: surface.methods for surface in found}
    if OPERATIONS in service_names(handlers):
        services[OPERATIONS] = _operations()
    return [
        _coverage(calls, service, methods, on_rest) for service, methods in sorted(services.items())
    ]


def _operations() -> tuple[str, ...]:
    from google.longrunning import operations_pb2

    service = operations_pb2.DESCRIPTOR.services_by_name["Operations"]
    return tuple(method.name for method in service.methods)


def _coverage(calls: Calls, service: str, methods: Iterable[str], on_rest: set[str]) -> Coverage:
    served = [one for one in methods if calls.serves(f"/{service}/{one}")]
    return Coverage(
        service,
        tuple(served),
        tuple(one for one in served if not _restful(calls, f"/{service}/{one}", on_rest)),
        tuple(one for one in methods if one not in served),
    )


def _restful(calls: Calls, method: str, on_rest: set[str]) -> bool:
    return method in on_rest and not calls.streams_requests(method)


def table(rows: Iterable[Coverage]) -> Iterator[str]:
    """Markdown lines; services of which nothing is served come after the others."""
    rows = list(rows)
    yield "| service | served | not served |"
    yield "|---|---|---|"
    for row in rows:
        if row.served:
            yield f"| `{row.service}` | {_served(row)} | {_listed(row.unserved)} |"
    for row in rows:
        if not row.served:
            yield f"| `{row.service}` | none | {_listed(row.unserved)} |"


def _served(row: Coverage) -> str:
    return ", ".join(f"{one} (gRPC only)" if one in row.grpc_only else one for one in row.served)


def _listed(names: Iterable[str]) -> str:
    return ", ".join(names) or "none"

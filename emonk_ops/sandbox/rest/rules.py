"""Which HTTP request means which method: google.api.http rules, as Google's clients carry them."""

from __future__ import annotations

import importlib
import pkgutil
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from emonk_ops.sandbox.rest.other_paths import OTHER_PATHS
from emonk_ops.sandbox.rest.written_rules import WRITTEN

OPERATIONS = "google.longrunning.Operations"
LOCATIONS = "google.cloud.location.Locations"
_MIXINS = {
    "GetOperation": OPERATIONS,
    "ListOperations": OPERATIONS,
    "DeleteOperation": OPERATIONS,
    "CancelOperation": OPERATIONS,
    "WaitOperation": OPERATIONS,
    "GetLocation": LOCATIONS,
    "ListLocations": LOCATIONS,
}
# Where a client package is not called as its protocol package says.
_UNUSUAL = {"google.api.serviceusage.v1": "google.cloud.service_usage_v1"}
_NOT_METHODS = ("host", "kind", "operations_client")


@dataclass(frozen=True)
class HttpRule:
    """One rule; `method` is /package.Service/Method, `body` a field, "*" or nothing."""

    method: str
    verb: str
    template: str
    body: str = ""


@dataclass(frozen=True)
class Surface:
    """One service of an API as its client knows it: all its methods, served or not."""

    service: str
    methods: tuple[str, ...]
    rules: tuple[HttpRule, ...]


def surfaces(protocol: str) -> Iterator[Surface]:
    """Every service of a protocol package such as google.cloud.run.v2, none without a client."""
    package = _client(protocol)
    try:
        folder = importlib.import_module(f"{package}.services")
    except ModuleNotFoundError:
        return
    for found in pkgutil.iter_modules(folder.__path__):
        yield _surface(protocol, f"{package}.services.{found.name}")


def other_rules(protocol: str) -> Iterator[HttpRule]:
    """Paths of another version of the API that mean methods of this package."""
    for method, paths in OTHER_PATHS.items():
        if method.strip("/").startswith(f"{protocol}."):
            for verb, template, body in paths:
                yield HttpRule(method, verb, template, body)


def _client(protocol: str) -> str:
    """google.firestore.admin.v1 is spoken by google.cloud.firestore_admin_v1."""
    if protocol in _UNUSUAL:
        return _UNUSUAL[protocol]
    words = protocol.removeprefix("google.").removeprefix("cloud.").split(".")
    return "google.cloud." + "_".join(words)


def _surface(protocol: str, module: str) -> Surface:
    exported = importlib.import_module(module).__all__
    client = next(name for name in exported if not name.endswith("AsyncClient"))
    service = f"{protocol}.{client.removesuffix('Client')}"
    written = tuple(_written(service))
    try:
        carried = tuple(
            _carried(service, importlib.import_module(f"{module}.transports.rest_base"))
        )
    except ModuleNotFoundError:
        carried = ()
    return Surface(service, tuple(_methods(module)), carried or written)


def _carried(service: str, module: Any) -> Iterator[HttpRule]:
    """The rules in a client's REST transport, those of operations and locations among them."""
    transport = next(kind for name, kind in vars(module).items() if name.endswith("RestTransport"))
    for name, kind in vars(transport).items():
        options = getattr(kind, "_get_http_options", None)
        if not name.startswith("_Base") or options is None:
            continue
        method = name.removeprefix("_Base")
        owner = _MIXINS.get(method, service)
        for option in options():
            yield HttpRule(
                f"/{owner}/{method}",
                option["method"].upper(),
                option["uri"],
                option.get("body", ""),
            )


def _written(service: str) -> Iterator[HttpRule]:
    for method, verb, template, body in WRITTEN.get(service, ()):
        yield HttpRule(f"/{service}/{method}", verb, template, body)


def _methods(module: str) -> Iterator[str]:
    base = importlib.import_module(f"{module}.transports.base")
    transport = next(
        kind
        for name, kind in vars(base).items()
        if name.endswith("Transport") and kind.__module__ == base.__name__
    )
    for name, value in vars(transport).items():
        if isinstance(value, property) and name not in _NOT_METHODS:
            method = re.sub(r"(?:^|_)(\w)", lambda found: found[1].upper(), name)
            if method not in _MIXINS:
                yield method

"""Where a Knative request is meant for: its region is in the host's name, not in the path."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping

from emonk_ops.sandbox.http_server import Request
from emonk_ops.sandbox.rest.errors import rpc_error

_REGION = re.compile(r"([a-z]+-[a-z]+\d+)-")
EVERYWHERE = "-"
Locations = Callable[[str], Iterable[str]]


def locations_of(request: Request, path: Mapping[str, str], locations: Locations) -> list[str]:
    """The region that path or host say, else every region in which the project has services."""
    named = path.get("location", EVERYWHERE)
    if named != EVERYWHERE:
        return [named]
    found = _REGION.match(request.header("host"))
    if found is not None and "location" not in path:
        return [found[1]]
    return sorted(set(locations(path["project"])))


def one_location(request: Request, path: Mapping[str, str], locations: Locations) -> str:
    """For what is made new: exactly one."""
    found = locations_of(request, path, locations)
    if len(found) != 1:
        raise rpc_error(
            "INVALID_ARGUMENT",
            "The region must be part of the host's name, for example us-central1-run.localhost.",
        )
    return found[0]

"""APIs that the sandbox does not have at all: gcloud is sent here for them, to be told so."""

from __future__ import annotations

from emonk_ops.sandbox.rest.errors import RestError, rpc_error

_DOMAIN = ".absent.localhost"


def host_of_absent(api: str) -> str:
    """The host's name under which an absent API is asked."""
    return f"{api}{_DOMAIN}"


def absent_api(host: str) -> str:
    """The absent API that a request's host means, empty for every other host."""
    name = host.partition(":")[0]
    return name.removesuffix(_DOMAIN) if name.endswith(_DOMAIN) else ""


def no_such_api(api: str) -> RestError:
    # Not a status of 500 and above: gcloud would ask five times again before it says so.
    return rpc_error("NOT_FOUND", f"The sandbox has no {api}.googleapis.com.")

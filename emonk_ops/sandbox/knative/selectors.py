"""Lists as Knative gives them: label selectors, a limit, and where to go on."""

from __future__ import annotations

from typing import Any

from emonk_ops.sandbox.rest.errors import bad_request

Items = list[dict[str, Any]]


def selected(items: Items, selector: str) -> Items:
    """Those whose labels fit `a=b,c=d`."""
    wanted = dict(_pair(one) for one in selector.split(",") if one.strip())
    return [one for one in items if wanted.items() <= one["metadata"]["labels"].items()]


def _pair(text: str) -> tuple[str, str]:
    name, sign, value = text.partition("=")
    if not sign or name.endswith("!"):
        raise bad_request(
            f"The sandbox understands label selectors of the form name=value only, not '{text}'.",
            "labelSelector",
        )
    return name.strip(), value.strip("= ")


def page_of(items: Items, limit: str, token: str) -> tuple[Items, str]:
    """A page and the token of the next, empty when there is none. The token is a position."""
    start, size = _whole(token, "continue"), _whole(limit, "limit")
    end = start + size if size else len(items)
    return items[start:end], str(end) if end < len(items) else ""


def _whole(text: str, name: str) -> int:
    if text and not text.isdigit():
        raise bad_request(f"Invalid value at '{name}' (TYPE_INT32), \"{text}\"", name)
    return int(text or "0")

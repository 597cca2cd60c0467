"""Checks of names and entries that Cloud Logging makes before it does anything."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from emonk_ops.sandbox.logging.errors import invalid
from emonk_ops.sandbox.logging.filter_bounds import log_id_of
from emonk_ops.sandbox.logging.store import project_of

_PROJECT = r"projects/([a-z][a-z0-9.:-]{0,61}[a-z0-9]|\d+)"
_PARENT = re.compile(_PROJECT)
_VIEW = re.compile(_PROJECT + r"/locations/[^/]+/buckets/[^/]+/views/[^/]+")
_LOG_NAME = re.compile(_PROJECT + r"/logs/([^/]+)")
_LOG_ID = re.compile(r"[A-Za-z0-9/_.-]+")
_YEAR_1, _YEAR_10000 = -62_135_596_800, 253_402_300_800  # seconds since 1970
MAX_LOG_ID = 512
MAX_PARENTS = 100


def projects_of(resource_names: Sequence[str]) -> list[str]:
    """Distinct project ids of a request's resource names; raises Refusal (INVALID_ARGUMENT)."""
    if not resource_names:
        raise invalid("Required parameter 'resource_names' is missing")
    if len(resource_names) > MAX_PARENTS:
        raise invalid(f"At most {MAX_PARENTS} resource names can be queried at once")
    for name in resource_names:
        if not (_PARENT.fullmatch(name) or _VIEW.fullmatch(name)):
            raise invalid(
                f"Invalid resource name '{name}': expected projects/PROJECT_ID (the sandbox has"
                " no organizations, folders or billing accounts)"
            )
    return list(dict.fromkeys(project_of(name) for name in resource_names))


def check_log_name(name: str) -> None:
    """Raise Refusal (INVALID_ARGUMENT) unless the name is `projects/P/logs/ENCODED_ID`."""
    if not _LOG_NAME.fullmatch(name):
        raise invalid(
            f"Invalid log name '{name}': expected projects/PROJECT_ID/logs/LOG_ID with the log id"
            " URL-encoded"
        )
    log_id = log_id_of(name)
    if len(log_id) >= MAX_LOG_ID or not _LOG_ID.fullmatch(log_id):
        raise invalid(
            f"Invalid log id '{log_id}': fewer than {MAX_LOG_ID} of the characters"
            " A-Z a-z 0-9 / _ - . are allowed"
        )


def check_entry(entry: Any) -> None:
    """Raise Refusal (INVALID_ARGUMENT) for a raw entry, completed from its request, that is bad."""
    if not entry.log_name:
        raise invalid("Log name is missing: set it in the request or in each entry")
    check_log_name(entry.log_name)
    if not entry.resource.type:
        raise invalid("A monitored resource must be specified: set it in the request or the entry")
    stamp = entry.timestamp
    if not (_YEAR_1 <= stamp.seconds < _YEAR_10000 and 0 <= stamp.nanos < 10**9):
        raise invalid("Log entry timestamp is not between the years 1 and 9999")


def is_descending(order_by: str) -> bool:
    """Read `order_by`; raises Refusal (INVALID_ARGUMENT) for anything but timestamp."""
    words = order_by.split()
    if words in ([], ["timestamp"], ["timestamp", "asc"]):
        return False
    if words == ["timestamp", "desc"]:
        return True
    raise invalid(
        f"Invalid order_by '{order_by}': only 'timestamp asc' and 'timestamp desc' are permitted"
    )

"""Two documents compared field by field."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Differences = dict[str, list[str]]
ABSENT = "-"


def differences(found: Any, want: Any, path: str = "") -> Differences:
    """Path -> [as it is, as it should be].

    What is only in `found` is what the platform fills in or what somebody added beside: no
    difference. A list counts as a whole where it is longer or shorter.
    """
    if isinstance(want, Mapping):
        there = found if isinstance(found, Mapping) else {}
        return {
            name: pair
            for key, value in want.items()
            for name, pair in differences(there.get(key), value, _joined(path, key)).items()
        }
    if isinstance(want, list):
        items = found if isinstance(found, list) else []
        if len(items) == len(want):
            return {
                name: pair
                for index, value in enumerate(want)
                for name, pair in differences(items[index], value, f"{path}[{index}]").items()
            }
        return {path: [_told(items), _told(want)]}
    if found == want or (found is None and _is_default(want)):
        return {}
    return {path: [ABSENT if found is None else _told(found), _told(want)]}


def _joined(path: str, key: str) -> str:
    return f"{path}.{key}" if path else key


def _is_default(value: Any) -> bool:
    """JSON leaves out what has the value that a field has anyway."""
    return not value or (isinstance(value, str) and value.endswith("_UNSPECIFIED"))


def _told(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(_told(one) for one in value) or "none"
    if isinstance(value, Mapping):
        named = value.get("displayName") or value.get("title") or value.get("key")
        return str(named) if named else f"{len(value)} fields"
    return str(value)

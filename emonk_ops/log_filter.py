"""The filter that Cloud Logging is asked with: what is looked for, within bounds of time."""

from __future__ import annotations

from datetime import UTC, datetime


def bounded(query: str, since: datetime, until: datetime | None = None) -> str:
    """`query` from `since` on (aware) and, where there is one, up to `until`, which is excluded."""
    bounds = [f'timestamp>="{_stamp(since)}"']
    if until is not None:
        bounds.append(f'timestamp<"{_stamp(until)}"')
    return " AND ".join([*([f"({query})"] if query else []), *bounds])


def _stamp(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")

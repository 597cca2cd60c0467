"""Instants as text and back: aware, UTC, refused otherwise."""

from __future__ import annotations

from datetime import UTC, datetime

from emonk_ops.tick.errors import NaiveTime

OFFSET = "+00:00"


def aware(value: datetime, name: str) -> datetime:
    """`value` in UTC. Raises NaiveTime, showing the aware form, when it has no time zone."""
    if value.tzinfo is None or value.utcoffset() is None:
        shown = value.isoformat(sep=" ", timespec="seconds")
        raise NaiveTime(
            f"{name}={shown} has no time zone, so nobody can tell which instant is meant.",
            hint="Use datetime.now(UTC) instead of datetime.utcnow(), or add tzinfo=UTC: "
            f"datetime.fromisoformat('{value.isoformat(timespec='seconds')}+00:00').",
        )
    return value if value.tzinfo is UTC else value.astimezone(UTC)


def to_text(value: datetime) -> str:
    """ISO 8601 in UTC with a final Z; microseconds only when there are any."""
    text = value.isoformat()
    if value.tzinfo is not None and not text.endswith(OFFSET):
        text = value.astimezone(UTC).isoformat()
    return text.removesuffix(OFFSET) + "Z"


def maybe_text(value: datetime | None) -> str | None:
    """As `to_text`, None staying None."""
    return None if value is None else to_text(value)


def from_text(text: str | datetime, name: str = "time") -> datetime:
    """The instant an ISO 8601 text means; one that was read already is given back.

    Raises NaiveTime without a zone, ValueError for another text.
    """
    return aware(text if isinstance(text, datetime) else datetime.fromisoformat(text), name)


def maybe_from_text(text: str | datetime | None, name: str = "time") -> datetime | None:
    """As `from_text`, None staying None."""
    return None if text is None else from_text(text, name)

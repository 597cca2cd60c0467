"""Notification channels from the settings: found, or made for an address that has none yet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from zlib import crc32

from emonk_ops.errors import NotFound
from emonk_ops.monitoring_ports import Document
from emonk_ops.operations.alerts.naming import labels
from emonk_ops.settings import Environment

EMAIL = "email"


def chosen(env: Environment) -> tuple[str, ...]:
    """The settings' channels of this project: a full name belongs to the project it names."""
    own = f"projects/{env.project}/"
    return tuple(one for one in env.alert_channels if "@" in one or one.startswith(own))


def wanted_channels(env: Environment) -> dict[str, dict[str, Any]]:
    """Documents of channels for the addresses, by short name."""
    return {
        (name := f"email-{crc32(address.encode()):08x}"): {
            "type": EMAIL,
            "displayName": f"{address} ({env.service.name})",
            "labels": {"email_address": address},
            "userLabels": labels(env, name),
        }
        for address in chosen(env)
        if "@" in address
    }


def channel_for(there: Sequence[Document], address: str) -> Document | None:
    """Whoever made it."""
    for one in there:
        if one.get("type") == EMAIL and address_of(one) == address:
            return one
    return None


def address_of(channel: Document) -> str:
    labels_: Mapping[str, str] = channel.get("labels", {})
    return labels_.get("email_address", "")


def resolved(env: Environment, there: Sequence[Document]) -> list[str]:
    """Full names; an address whose channel is not made yet stands for itself.

    Raises NotFound for a full name that does not exist.
    """
    names = {str(one["name"]) for one in there}
    found = []
    for one in chosen(env):
        channel = channel_for(there, one) if "@" in one else None
        if "@" not in one and one not in names:
            raise NotFound(
                f"there is no notification channel {one}",
                hint="[alerts] channels in emonk-ops.toml: an email address, or a full name of "
                "`gcloud beta monitoring channels list`",
            )
        found.append(one if channel is None else str(channel["name"]))
    return found

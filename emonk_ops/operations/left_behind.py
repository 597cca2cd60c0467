"""What an old export left in Firestore: noted on the service, so that going forward keeps it.

Jobs that arrive in a store silence those that an older carriage left there. What was scheduled
after the export, and could not be read when it was left, is no such leftover.
"""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime

from emonk_ops.errors import CloudError
from emonk_ops.operations.prerequisites import serving_revision
from emonk_ops.operations.service_env import storage_of
from emonk_ops.toolbox import Toolbox

KEY = "emonk-ops/left-in-firestore-since"
EVERYTHING = datetime.fromtimestamp(0, UTC)


def note(tools: Toolbox, since: datetime) -> None:
    """From `since` on the jobs in Firestore were not carried; the earliest such time counts."""
    known = _noted(tools)
    if known is not None and known <= since:
        return
    try:
        tools.run.annotate({KEY: since.isoformat()})
    except CloudError as error:
        tools.say(f"it is not noted on the service what stays in Firestore: {error.message}")


def kept_since(tools: Toolbox) -> datetime | None:
    """Where jobs arrive in Firestore: from when on those that it has must stay."""
    if storage_of(serving_revision(tools).env) != "firestore":
        return None
    return _noted(tools)


def settle(tools: Toolbox) -> None:
    """They are together again. Where the note cannot be taken off now, it does no harm."""
    with suppress(CloudError):
        if _noted(tools) is not None:
            tools.run.annotate({KEY: None})


def _noted(tools: Toolbox) -> datetime | None:
    text = tools.run.describe_service().annotations.get(KEY)
    try:
        return None if text is None else datetime.fromisoformat(text)
    except ValueError:
        return EVERYTHING

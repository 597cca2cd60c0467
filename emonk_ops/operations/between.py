"""The exported jobs between two revisions: on this disk, and beside the journal.

Whoever shares the journal can go on where another machine died: with the traffic moved and the jobs
not there yet, that machine's disk would be the only place that has them.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import datetime
from typing import Any

from emonk_ops.errors import CloudError, NotFound
from emonk_ops.operations import carried_file
from emonk_ops.operations.carried_file import Carried
from emonk_ops.toolbox import Toolbox

SHARED = "carried-jobs.json"
ARRIVED = "arrived"


def save(tools: Toolbox, carried: Carried) -> None:
    """Here first. Raises StepFailed, and StateDamaged without room for the copy."""
    carried_file.save(tools.keep, carried)
    _share(tools, asdict(carried))


def load(tools: Toolbox) -> Carried | None:
    """None when nothing is between two revisions. Raises StateDamaged.

    Of an export here and another one beside the journal the younger counts. What was taken before
    jobs arrived by another machine's hand is a record only. While the journal's place is down, this
    disk decides.
    """
    here, shared = carried_file.load(tools.keep), _shared(tools)
    if ARRIVED in shared:
        if here is None or _instant(here.quiesced_at) > _instant(shared[ARRIVED]):
            return here
        carried_file.settle(tools.keep)
        return None
    there = Carried(**shared) if shared else None
    if here is None or there is None:
        return here or there
    return there if _instant(here.quiesced_at) < _instant(there.quiesced_at) else here


def settle(tools: Toolbox) -> None:
    """They arrived: what is kept of them is a record. For the others first."""
    if found := load(tools):
        _share(tools, {ARRIVED: found.quiesced_at})
        if carried_file.load(tools.keep) is None:
            carried_file.save(tools.keep, found, carried_file.LAST_FILE)
    carried_file.settle(tools.keep)


def _instant(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _share(tools: Toolbox, document: dict[str, Any]) -> None:
    if tools.evidence is not None:
        tools.evidence.save(SHARED, json.dumps(document).encode())


def _shared(tools: Toolbox) -> dict[str, Any]:
    if tools.evidence is None:
        return {}
    try:
        found: dict[str, Any] = json.loads(tools.evidence.load(SHARED))
    except (NotFound, CloudError):
        return {}
    return found

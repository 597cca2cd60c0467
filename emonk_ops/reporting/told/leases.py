"""Leases of the canary jobs under a fault, from the evidence of an injection."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from emonk_ops.errors import OpsError
from emonk_ops.reporting.told.faults import FaultTold
from emonk_ops.reporting.told.subject import Subject


@dataclass(frozen=True)
class LeaseSeen:
    """One run of a slot. `until` is its effect; without one, when somebody else took the slot.

    `ended` is False for a run without effect: its lease ran out, `rescued` if another run followed.
    """

    job: str
    since: datetime
    until: datetime | None
    ended: bool
    rescued: bool = False


@dataclass(frozen=True)
class FaultSeen:
    """`why` says why the evidence shows nothing here; empty where it does."""

    leases: tuple[LeaseSeen, ...] = ()
    restored_at: datetime | None = None
    why: str = ""


def fault_seen(subject: Subject, fault: FaultTold) -> FaultSeen:
    """What the evidence of the fault shows, if it is here and as it was saved."""
    if not fault.evidence:
        return FaultSeen(why="no evidence was kept")
    try:
        blob = subject.evidence.load(fault.evidence)
        if fault.sha256 and hashlib.sha256(blob).hexdigest() != fault.sha256:
            return FaultSeen(why=f"the evidence {fault.evidence} is not what was saved")
        return _read(json.loads(blob))
    except OpsError as error:
        return FaultSeen(why=error.message)
    except (KeyError, ValueError, TypeError, AttributeError) as error:
        return FaultSeen(why=f"the evidence {fault.evidence} is damaged: {error!r}")


def _read(evidence: Mapping[str, Any]) -> FaultSeen:
    observed = evidence.get("observed") or {}
    lines = [*observed.get("lines", ()), *(evidence.get("recovered") or {}).get("lines", ())]
    restored = evidence.get("restored_at")
    return FaultSeen(
        tuple(_leases(lines)),
        None if restored is None else datetime.fromisoformat(str(restored)),
    )


def _leases(lines: Sequence[Mapping[str, Any]]) -> Iterator[LeaseSeen]:
    """Runs of each slot in their order; lines that were read twice count once."""
    slots: dict[tuple[str, str], dict[tuple[str, datetime], None]] = {}
    for one in lines:
        key = (str(one["job"]), str(one["slot"]))
        line = (str(one["what"]), datetime.fromisoformat(str(one["at"])))
        slots.setdefault(key, {})[line] = None
    for (job, _slot), found in slots.items():
        yield from _of_slot(job, sorted(found, key=lambda line: line[1]))


def _of_slot(job: str, lines: Sequence[tuple[str, datetime]]) -> Iterator[LeaseSeen]:
    began = [at for what, at in lines if what == "execution"]
    effects = [at for what, at in lines if what == "effect"]
    for number, at in enumerate(began):
        following = began[number + 1] if number + 1 < len(began) else None
        effect = next((one for one in effects if at <= one and _before(one, following)), None)
        if effect is not None:
            yield LeaseSeen(job, at, effect, ended=True)
        else:
            yield LeaseSeen(job, at, following, ended=False, rescued=following is not None)


def _before(at: datetime, following: datetime | None) -> bool:
    return following is None or at < following

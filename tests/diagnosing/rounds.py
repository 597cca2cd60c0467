"""One fault from its planting to the healthy service again."""

from __future__ import annotations

from dataclasses import dataclass

from emonk_ops.cli.diagnosed import lines_of
from tests.diagnosing.faults import Fault
from tests.diagnosing.on_call import typed_for
from tests.diagnosing.ward import Ward


@dataclass(frozen=True)
class Round:
    """`named` are the causes in their order; `healed` is None where --fix is not for it."""

    named: tuple[str, ...]
    right: bool
    healed: bool | None
    lines: tuple[str, ...]
    mistyped: tuple[str, ...] = ()  # of the runbook's lines for it, those that could not be typed


def played(fault: Fault, ward: Ward) -> Round:
    """Plant, wait, look, heal by --fix where it may, and put everything back."""
    fault.plant(ward)
    ward.passes(fault.works)
    found = ward.diagnosis()
    named = tuple(one.cause.id for one in found.causes)
    first = named if fault.alone else named[: len(fault.causes)]
    right = first == fault.causes and found.code == 1
    mistyped = tuple(typed_for(found.causes[:1], ward))
    healed = _healed(fault, ward) if fault.fix and right else None
    ward.clear()
    return Round(named, right, healed, tuple(lines_of(found)), mistyped)


def _healed(fault: Fault, ward: Ward) -> bool:
    """Typed twice: the second time there is nothing of it left to do. The journal has the first."""
    words = ("diagnose", "--fix", "--yes", "--window", "16m")
    _code, first = ward.types(*words)
    _code, second = ward.types(*words)
    again = [one for one in second["repaired"] if one["changed"]]
    ward.passes(fault.works)
    named = [one.cause.id for one in ward.diagnosis().causes]
    changed = [one["id"] for one in first["repaired"] if one["changed"]]
    recorded = ward.repairs_in_journal()
    return bool(changed) and changed == recorded and not again and fault.causes[0] not in named

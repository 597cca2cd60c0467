"""How many documents a tick read and wrote, as Firestore would bill them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

TOLD = ("billed_reads", "billed_writes", "storage_reads", "storage_writes")


class Touched(NamedTuple):
    """Documents. `billed` says whether they are Firestore's bill, or what it would have been."""

    reads: int
    writes: int
    billed: bool


def documents_of(said: Mapping[str, Any]) -> Touched | None:
    """By a tick line's payload; None where it does not tell: a service that is not ours wrote it.

    Elsewhere than on Firestore the driver's record, one read a tick, is not counted by the store.
    """
    if not any(name in said for name in TOLD):
        return None
    if _number(said, "billed_reads") > 0:
        return Touched(_number(said, "billed_reads"), _number(said, "billed_writes"), True)
    return Touched(_number(said, "storage_reads") + 1, _number(said, "storage_writes"), False)


def _number(said: Mapping[str, Any], name: str) -> int:
    value = said.get(name, 0)
    return int(value) if isinstance(value, int | float) else 0

"""All causes that can be told apart, in the order in which they are named when both are found."""

from __future__ import annotations

from emonk_ops.operations.diagnosing import (
    driving,
    duplicates,
    latency,
    not_executing,
    not_triggering,
    refused,
    storage,
    zones,
)
from emonk_ops.operations.diagnosing.model import Cause

# What stops everything comes before what stops one job, and that before what only slows.
CAUSES: tuple[Cause, ...] = (
    *not_triggering.CAUSES,
    *storage.CAUSES,
    *refused.CAUSES,
    *driving.CAUSES,
    *not_executing.CAUSES,
    *zones.CAUSES,
    *duplicates.CAUSES,
    *latency.CAUSES,
)
BY_ID = {one.id: one for one in CAUSES}

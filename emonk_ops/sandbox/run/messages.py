"""Google's own messages of Cloud Run v2. Their stubs do not know that fields take Python's
datetimes, timedeltas and enums, so they are untyped here; the aliases say what is meant.
"""

from __future__ import annotations

import importlib
from typing import Any, TypeAlias

types: Any = importlib.import_module("google.cloud.run_v2.types")

Service: TypeAlias = Any
Revision: TypeAlias = Any
TrafficTarget: TypeAlias = Any
TrafficTargetStatus: TypeAlias = Any
Condition: TypeAlias = Any
ConditionState: TypeAlias = Any

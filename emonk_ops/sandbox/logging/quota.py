"""The limit on reads: 60 a minute and project on the platform, here only when it is asked for.

From logging/quotas, "entries.list requests per minute, per Google Cloud project".
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from datetime import datetime

from emonk_ops.sandbox.iam.projects import project_number
from emonk_ops.sandbox.logging.errors import exhausted


class ReadQuota:
    """Counts reads by project and minute of the world's clock; a limit of 0 counts nothing."""

    def __init__(self, now: Callable[[], datetime], limit: int = 0) -> None:
        self._now = now
        self._limit = limit
        self._minute: datetime | None = None
        self._reads: Counter[str] = Counter()

    def set_limit(self, reads_a_minute: int) -> None:
        self._limit = reads_a_minute

    def spend(self, projects: Iterable[str]) -> None:
        """Raise Refusal when a project has no read left in this minute."""
        if not self._limit:
            return
        minute = self._now().replace(second=0, microsecond=0)
        if minute != self._minute:
            self._minute = minute
            self._reads.clear()
        for project in projects:
            if self._reads[project] >= self._limit:
                number = project_number(f"projects/{project}")
                raise exhausted(
                    "Quota exceeded for quota metric 'Read requests' and limit 'Read requests per"
                    " minute' of service 'logging.googleapis.com' for consumer"
                    f" 'project_number:{number}'."
                )
            self._reads[project] += 1

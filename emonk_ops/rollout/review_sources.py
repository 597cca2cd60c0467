"""Where the review has its incidents and jobs from: the journal, Monitoring, Cloud Scheduler."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta

from emonk_ops.operations.alerts.keeping import found_policies
from emonk_ops.operations.review.days import Window
from emonk_ops.operations.review.digest import DayDigest
from emonk_ops.operations.review.findings import INCIDENTS, SCHEDULER, Happened, Limits, Reviewed
from emonk_ops.rollout.incidents import incidents
from emonk_ops.rollout.records import Record
from emonk_ops.rollout.standing import stand
from emonk_ops.toolbox import Toolbox

# An alert opens some minutes behind its reason, and so may that of a fault that is undone.
ALERT_LAG = timedelta(minutes=15)


class Sources:
    """What the criteria go by. `reviewed` has what was asked for so far."""

    def __init__(
        self,
        tools: Toolbox,
        records: Iterable[Record],
        window: Window,
        days: tuple[DayDigest, ...],
    ) -> None:
        self._tools = tools
        self._records = tuple(records)
        limits = Limits(firestore_dollars=tools.env.budget_dollars)
        self._since = window.since
        self.reviewed = Reviewed(window, days, self._of_journal(), limits=limits)

    def reviewed_for(self, criterion: str) -> Reviewed:
        """With what this criterion needs besides days and journal. Raises CloudError."""
        if criterion == INCIDENTS and not self.reviewed.incidents:
            happened, own = self._alerts()
            self.reviewed = replace(self.reviewed, incidents=happened, own_doing=own)
        if criterion == SCHEDULER:
            self.reviewed = replace(self.reviewed, scheduler_jobs=self._tools.jobs.count())
        return self.reviewed

    def _of_journal(self) -> tuple[Happened, ...]:
        """Those of the window, and what the environment is still on hold for."""
        hold = stand(self._records).hold
        return tuple(
            Happened(one.at, one.what, f"run {one.run}")
            for one in incidents(self._records)
            if one.at >= self._since or (hold is not None and one.at == hold.since)
        )

    def _alerts(self) -> tuple[tuple[Happened, ...], int]:
        """Incidents of our policies, and how many of them an injection was the reason for."""
        ours = {str(one["name"]) for one in found_policies(self._tools).values()}
        happened = [
            Happened(one.opened_at, f"alert {one.display_name}", one.policy)
            for one in self._tools.monitoring.incidents()
            if one.policy in ours and (one.closed_at is None or one.closed_at >= self._since)
        ]
        spans = list(_injected(self._records))
        real = [one for one in happened if not any(a <= one.at <= b for a, b in spans)]
        return tuple(real), len(happened) - len(real)


def _injected(records: Iterable[Record]) -> Iterator[tuple[datetime, datetime]]:
    """From when to when faults of our own were in the world, and their alerts may have opened."""
    begun: dict[str, datetime] = {}
    for one in records:
        name = str(one.body.get("id", ""))
        if one.kind == "injection.intent":
            begun[name] = one.at
        elif one.kind == "injection.restored" and one.body["ok"] and name in begun:
            yield begun.pop(name), one.at + ALERT_LAG

"""Which days a review is of, and reading one of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from emonk_ops.operations.acceptance.criteria import Criteria
from emonk_ops.operations.acceptance.day import whole_of
from emonk_ops.operations.acceptance.stretch import Stretch
from emonk_ops.operations.acceptance.verdicts import criteria_findings
from emonk_ops.operations.acceptance.window import between
from emonk_ops.operations.analysis.reading import LOG_LAG
from emonk_ops.operations.evidence.keeping import ProductionKept
from emonk_ops.operations.evidence.saving import DAY_REVIEWED
from emonk_ops.operations.judging.rules import LATEST_START_SECONDS
from emonk_ops.operations.review.digest import DAY, DayDigest, digest_of
from emonk_ops.toolbox import Toolbox

# The day's last tick may begin so late, and is written down so much later.
BEHIND_A_DAY = LOG_LAG + timedelta(seconds=LATEST_START_SECONDS)


@dataclass(frozen=True)
class Window:
    """`days` whole days in UTC from `since` on, of which those before `until` are over.

    Once there are enough, it is always the newest ones, so that an incident grows old.
    """

    since: datetime
    until: datetime
    days: int
    full_at: datetime  # when all of them are over and written down

    @property
    def is_full(self) -> bool:
        return self.until - self.since >= self.days * DAY

    def begins(self) -> Iterator[datetime]:
        """The beginnings of the days that are over."""
        at = self.since
        while at < self.until:
            yield at
            at += DAY


def window_of(stable_since: datetime, days: int, now: datetime) -> Window:
    """The window at `now`, of a service that is as it is since `stable_since`."""
    first = _midnight(stable_since)
    if first < stable_since:
        first += DAY
    over = max(first, _midnight(now - BEHIND_A_DAY))
    since = max(first, over - days * DAY)
    return Window(since, over, days, since + days * DAY + BEHIND_A_DAY)


def read_day(tools: Toolbox, since: datetime) -> DayDigest:
    """Read the day from the log, keep what it was judged by, and sum it up."""
    criteria = Criteria()
    kept = ProductionKept(tools, criteria)
    parts = list(between(tools, since, since + DAY, kept.add))
    if not parts:
        return digest_of(Stretch(since, since + DAY), tools.env.cadence)
    whole = whole_of(parts)
    name = kept.save(DAY_REVIEWED, criteria_findings(whole, criteria))
    return digest_of(whole, tools.env.cadence, name)


def _midnight(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)

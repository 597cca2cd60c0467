"""Where the requests of a shadow and of the time before it come from: the service, or a file."""

from __future__ import annotations

from datetime import datetime
from itertools import chain
from pathlib import Path

from emonk_ops.errors import CloudError, UsageError
from emonk_ops.operations.analysis.exported import entries_of
from emonk_ops.operations.analysis.spool import Spool
from emonk_ops.operations.cadence import interval
from emonk_ops.operations.judging.other_endpoints import NAME as NAME
from emonk_ops.operations.judging.other_endpoints import Windows, performance
from emonk_ops.operations.judging.traffic import read_traffic, requests_query
from emonk_ops.operations.judging.verdicts import Ruling
from emonk_ops.operations.judging.watching import shadow_began
from emonk_ops.settings import Environment
from emonk_ops.toolbox import Toolbox

Window = tuple[datetime, datetime]


def window_of(spool: Spool, since: datetime | None, until: datetime | None) -> Window:
    """The window that was asked for; its ends are the log's own where they were not."""
    assert spool.span is not None  # there was something to judge
    return since or spool.span[0], until or spool.span[1]


def in_service(tools: Toolbox, window: Window, since: datetime | None) -> Ruling:
    """By the service's request log. The time before ends where the shadow is known to begin.

    Raises CloudError, and UsageError where `since` is not before the shadow.
    """
    try:
        began = shadow_began(tools)
    except CloudError:
        began = None
    before = _before(window, min(window[0], began or window[0]), since)
    query = requests_query(tools.env)
    entries = chain(
        read_traffic(tools.logs, query, *before), read_traffic(tools.logs, query, *window)
    )
    return performance(entries, Windows(before, window), tools.env.service)


def in_file(
    path: Path, env: Environment, spool: Spool, window: Window, since: datetime | None
) -> Ruling | str:
    """By an exported log; why not, where it does not reach back so far."""
    assert spool.span is not None
    before = _before(window, window[0], since)
    first = spool.span[0]
    if first > before[0] + 2 * interval(env.cadence, env.time_zone, before[0]):
        return (
            f"the file begins at {first:%Y-%m-%d %H:%M:%SZ}, so there is nothing from "
            f"{before[0]:%Y-%m-%d %H:%M:%SZ} on to compare with (--since, --baseline-since)"
        )
    return performance(entries_of(path), Windows(before, window), env.service)


def _before(window: Window, end: datetime, since: datetime | None) -> Window:
    begin = end - (window[1] - window[0]) if since is None else since
    if begin >= end:
        raise UsageError(
            f"--baseline-since {begin.isoformat()} is not before the shadow, which begins at "
            f"{end.isoformat()}",
            hint="Give an earlier --baseline-since",
        )
    return begin, end

"""Reading a while of the service's log and cutting it into stretches."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta

from emonk_ops.operations.acceptance.criteria import Criteria, stretch_ticks
from emonk_ops.operations.acceptance.day import Frame, frame_of, stretches, whole_of
from emonk_ops.operations.acceptance.stretch import Stretch
from emonk_ops.operations.acceptance.verdicts import criteria_findings
from emonk_ops.operations.analysis.reading import (
    EXECUTING,
    LOG_LAG,
    REQUESTS,
    RUNS,
    SERVICE_LINES,
)
from emonk_ops.operations.analysis.spool import Spool
from emonk_ops.operations.cadence import slots_between
from emonk_ops.operations.evidence.keeping import ProductionKept
from emonk_ops.operations.evidence.saving import ACCEPTANCE
from emonk_ops.operations.judging.comparison import lease_of, rules_of
from emonk_ops.operations.judging.rules import Rules
from emonk_ops.operations.tick_window import of_service
from emonk_ops.ports import LogEntry
from emonk_ops.settings import Environment
from emonk_ops.toolbox import Toolbox

# One query reads so much at most: an operator who comes back after a week is served in parts.
LONGEST_READ = timedelta(hours=12)
MEMO = "production_window"
Keep = Callable[[Spool, Frame], None]


def complete_slots(env: Environment, since: datetime, now: datetime) -> tuple[datetime, ...]:
    """Expected ticks behind `since` that had their time and are written down: whole stretches."""
    rules = _rules(env, since, max(now, since + timedelta(seconds=1)))
    until = min(now, since + LONGEST_READ) - LOG_LAG - rules.patience
    slots = slots_between(env.cadence, env.time_zone, since, until)
    return slots[: len(slots) - len(slots) % stretch_ticks(rules.interval_seconds)]


def read(
    tools: Toolbox, since: datetime, slots: tuple[datetime, ...], keep: Keep | None = None
) -> Iterator[Stretch]:
    """The stretches of (since, last slot]. The time of a lease before it is read along.

    A run that began before may end in it, and lines before it tell which are missing in it. `keep`
    is given what the stretches are made of.
    """
    frame = frame_for(tools.env, since, slots)
    lead = timedelta(seconds=frame.lease_seconds) + 2 * (slots[0] - since) + frame.patience
    end = slots[-1] + frame.patience
    with Spool(logged(tools, since - lead, end)) as spool:
        if keep is not None:
            keep(spool, frame)
        yield from stretches(spool, frame, spool.seen)


def whole(tools: Toolbox) -> Stretch:
    """The soak's whole window as one stretch; read once in a run for each length of it."""
    soak = tools.memo["soak"]
    known = tools.memo.get(MEMO)
    if isinstance(known, Stretch) and known.until == soak.until:
        return known
    kept = ProductionKept(tools, Criteria())
    parts = list(between(tools, soak.began_at, soak.until, kept.add))
    found = whole_of(parts) if parts else Stretch(soak.began_at, soak.until)
    tools.memo[MEMO] = found
    kept.save(ACCEPTANCE, criteria_findings(found, Criteria()))
    return found


def between(
    tools: Toolbox, begin: datetime, until: datetime, keep: Keep | None = None
) -> Iterator[Stretch]:
    """The stretches of (begin, until], read in parts of `LONGEST_READ`."""
    env, since, end = tools.env, begin, begin
    while end < until:
        end = min(until, end + LONGEST_READ)
        # Where no tick is expected in a part, the next one is read along with it.
        if slots := slots_between(env.cadence, env.time_zone, since, end):
            yield from read(tools, since, slots, keep)
            since = slots[-1]


def frame_for(env: Environment, since: datetime, slots: tuple[datetime, ...]) -> Frame:
    rules = _rules(env, since, slots[-1])
    return frame_of(rules, slots, stretch_ticks(rules.interval_seconds), env.service.tick_path)


def logged(tools: Toolbox, since: datetime, until: datetime) -> Iterator[LogEntry]:
    """Requests of the tick endpoint, tick lines, and lines about runs: one query, page by page."""
    return tools.logs.entries(query_of(tools.env), since=since, until=until)


def query_of(env: Environment) -> str:
    messages = [f'jsonPayload.message="{one}"' for one in (*SERVICE_LINES, *RUNS)]
    messages.append(f'jsonPayload.message:"{EXECUTING}"')
    requests = f'(log_id("{REQUESTS}") AND httpRequest.requestUrl:"{env.service.tick_path}")'
    return f"{of_service(env)} AND ({requests} OR {' OR '.join(messages)})"


def _rules(env: Environment, begin: datetime, end: datetime) -> Rules:
    return rules_of(env, begin, end, lease_of(env))

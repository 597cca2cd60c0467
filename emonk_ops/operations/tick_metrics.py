"""Stage 2's acceptance: the guide's six criteria over a stated number of intervals.

Each verdict prints its n and what n can prove: a clean dozen only shows a rate below 22 %.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta

from emonk_ops.operations.prerequisites import serving_revision
from emonk_ops.operations.tick_window import (
    COMPLETED,
    NOT_EXECUTED,
    RUNNING,
    TickWindow,
    observe,
    of_service,
    utc,
)
from emonk_ops.operations.waiting import ask_until
from emonk_ops.ports import LogEntry
from emonk_ops.rollout.model import Finding, Verdict
from emonk_ops.rollout.verdicts import error_rate_bound
from emonk_ops.toolbox import Toolbox

METRICS = ("jobs_checked", "jobs_due", "jobs_executed", "jobs_succeeded", "jobs_failed")
OTHER_ENDS = ("stale_completion", "released", "dead")  # neither succeeded nor failed
LOG_LAG_SECONDS = 20.0
LOOKED_BACK = timedelta(days=2)
SHOWN = 3


def triggers_every_interval(tools: Toolbox) -> Finding:
    return _over_window(tools, _every_slot_served)


def answers_200_with_metrics(tools: Toolbox) -> Finding:
    return _over_window(tools, _all_200)


def no_authentication_errors(tools: Toolbox) -> Finding:
    return _over_window(tools, _none_unauthorised)


def jobs_execute_successfully(tools: Toolbox) -> Finding:
    return _over_window(tools, _jobs_succeeded)


def logs_show_ticks(tools: Toolbox) -> Finding:
    return _over_window(tools, _every_request_logged)


def no_errors_or_warnings(tools: Toolbox) -> Finding:
    return _over_window(tools, _no_complaints)


def tick_began(tools: Toolbox) -> Finding:
    """The line with which a tick begins, by the revision that serves: those before it said so too.

    See docs/service-contract.md.
    """
    revision = serving_revision(tools).name
    which = f' AND resource.labels.revision_name="{revision}"'
    entry = _newest(tools, RUNNING, which)
    facts = {"revision": revision}
    if entry is None:
        hint = f"emonk-ops logs ticks --env {tools.env.name}"
        return Finding(Verdict.FAIL, f'no line "{RUNNING}" by {revision}', facts, hint)
    return Finding(Verdict.PASS, f"{utc(entry.timestamp)} by {revision}", facts)


def tick_logged_with_metrics(tools: Toolbox) -> Finding:
    """The newest tick line, with the guide's five metrics in it."""
    return _logged(tools, COMPLETED)


def idle_tick_logged(tools: Toolbox) -> Finding:
    """The tick reached the service, which is not the driver's yet and therefore ran nothing."""
    return _logged(tools, NOT_EXECUTED)


def _logged(tools: Toolbox, line: str) -> Finding:
    entry = _newest(tools, line)
    if entry is None:
        return Finding(Verdict.FAIL, f'no line "{line}" in the log')
    missing = [name for name in METRICS if name not in entry.payload]
    facts = {name: entry.payload.get(name) for name in METRICS}
    if missing:
        return Finding(Verdict.FAIL, f"the tick line lacks {', '.join(missing)}", facts)
    told = ", ".join(f"{name} {int(entry.payload[name])}" for name in METRICS)
    return Finding(Verdict.PASS, f"{utc(entry.timestamp)}: {told}", facts)


def _newest(tools: Toolbox, line: str, which: str = "") -> LogEntry | None:
    """Waits for the lag of logs."""
    query = f'{of_service(tools.env)} AND jsonPayload.message="{line}"{which}'

    def newest() -> LogEntry | None:
        since = tools.clock.now() - LOOKED_BACK
        found = tools.logs.entries(query, since=since, newest_first=True, limit=1)
        return next(iter(found), None)

    return ask_until(tools.clock, newest, lambda one: one is not None, seconds=LOG_LAG_SECONDS)


def _over_window(tools: Toolbox, judge: Callable[[TickWindow], Finding]) -> Finding:
    window = observe(tools)
    return judge(window) if isinstance(window, TickWindow) else window


def _every_slot_served(window: TickWindow) -> Finding:
    missed = [utc(slot) for slot in window.slots if window.request_of(slot) is None]
    n = len(window.slots)
    facts = {"n": n, "missed": missed, "slots": [slot.isoformat() for slot in window.slots]}
    if missed:
        return Finding(Verdict.FAIL, f"{len(missed)} of {n} ticks missed: {_few(missed)}", facts)
    return _clean(n, f"{n} of {n} ticks arrived", facts)


def _all_200(window: TickWindow) -> Finding:
    bad = [f"{utc(one.timestamp)} {_status(one)}" for one in window.requests if _status(one) != 200]
    n = len(window.requests)
    facts = {"n": n, "not_200": bad}
    if bad:
        return Finding(Verdict.FAIL, f"{len(bad)} of {n} not 200: {_few(bad)}", facts)
    return _clean(n, f"{n} of {n} answered 200", facts)


def _none_unauthorised(window: TickWindow) -> Finding:
    bad = [utc(one.timestamp) for one in window.requests if _status(one) in (401, 403)]
    n = len(window.requests)
    if bad:
        return Finding(Verdict.FAIL, f"{len(bad)} of {n} refused: {_few(bad)}", {"n": n})
    return _clean(n, f"no 401 and no 403 in {n} ticks", {"n": n})


def _jobs_succeeded(window: TickWindow) -> Finding:
    n, failed = window.total("jobs_executed"), window.total("jobs_failed")
    succeeded = window.total("jobs_succeeded")
    facts = {"n": n, "failed": failed, "succeeded": succeeded}
    facts |= {name: window.total(name) for name in OTHER_ENDS}
    if failed:
        return Finding(
            Verdict.FAIL,
            f"{failed} of {n} jobs failed (95 %: a rate up to {_percent(n, failed)})",
            facts,
        )
    ends = ", ".join(f"{name} {facts[name]}" for name in OTHER_ENDS if facts[name])
    told = f"{succeeded} of {n} jobs succeeded and none failed: {ends or 'the rest has no end'}"
    if facts["dead"] or succeeded + facts["released"] < n:
        return Finding(Verdict.FAIL, told, facts)
    if n == 0:
        return Finding(Verdict.INCONCLUSIVE, f"no job was due in {len(window.ticks)} ticks", facts)
    if succeeded < n:
        # A release is an instance that went away; whether the job then ran is another tick's.
        return Finding(Verdict.INCONCLUSIVE, told, facts)
    return _clean(n, f"{n} of {n} jobs succeeded", facts)


def _every_request_logged(window: TickWindow) -> Finding:
    answered = sum(_status(one) == 200 for one in window.requests)
    facts = {"requests": answered, "tick_lines": len(window.ticks)}
    told = f"{len(window.ticks)} tick lines for {answered} answered ticks"
    if len(window.ticks) < answered:
        # The platform saw the request and the service's line is not there: lines were lost.
        return Finding(Verdict.INCONCLUSIVE, f"{told}: log lines are missing", facts)
    if not window.ticks:
        return Finding(Verdict.FAIL, "no tick line at all", facts)
    return _clean(len(window.ticks), told, facts)


def _no_complaints(window: TickWindow) -> Finding:
    facts = {"lines": [f"{one.severity}: {one.message}" for one in window.complaints[:20]]}
    if window.complaints:
        first = window.complaints[0]
        return Finding(
            Verdict.FAIL,
            f"{len(window.complaints)} lines of WARNING or worse, first: "
            f"{first.severity} {first.message}",
            facts,
        )
    if not window.ticks:
        told = (
            f"none over {len(window.slots)} intervals, and no tick line either: the log is silent"
        )
        return Finding(Verdict.INCONCLUSIVE, told, {**facts, "tick_lines": 0})
    return _clean(len(window.slots), f"none over {len(window.slots)} intervals", facts)


def _clean(n: int, summary: str, facts: Mapping[str, object]) -> Finding:
    """A pass, with what so many clean samples can prove at 95 % confidence."""
    if n == 0:
        return Finding(Verdict.INCONCLUSIVE, f"{summary}: nothing to judge by", facts)
    bound = error_rate_bound(n)
    told = f"{summary} (n={n}; proves a failure rate below {bound:.1%})"
    return Finding(Verdict.PASS, told, {**facts, "n": n, "bound": round(bound, 5)})


def _status(entry: LogEntry) -> int:
    return int(entry.http.get("status", 0) or 0)


def _percent(n: int, failures: int) -> str:
    return f"{error_rate_bound(n, failures):.0%}"


def _few(found: list[str]) -> str:
    more = f" and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
    return ", ".join(found[:SHOWN]) + more

"""Why ticks arrive and run nothing, or two of them run the same: who drives."""

from __future__ import annotations

from itertools import pairwise

from emonk_ops.operations.diagnosing.logged import SeenTick
from emonk_ops.operations.diagnosing.model import Cause, Issue, Suspect
from emonk_ops.operations.diagnosing.seen import Seen
from emonk_ops.operations.service_env import default_driver, is_true
from emonk_ops.ports import DriverState

STATUS = "emonk-ops status --env {env}"
SHADOW = "shadow"
MOST_SWITCHES = 1  # from one path to the other: a hand-over; more is two at once


def _nobody(seen: Seen) -> Suspect | None:
    state = seen.state
    if state is None:
        return None
    facts = {
        "driver": state.driver,
        "epoch": state.epoch,
        "revision": state.revision,
        "this_revision": state.this_revision,
        "role": state.role,
    }
    if state.driver in ("", "nobody"):
        idle = len(seen.log.idle) if seen.log else 0
        told = f"the store names {state.driver or 'no driver'}, epoch {state.epoch}"
        return Suspect(f"{told}; {idle} ticks were not executed", facts)
    if state.role != "driving" and not _takes_over(seen, state):
        told = (
            f"{state.revision or 'nobody'} drives in epoch {state.epoch}, and "
            f"{state.this_revision}, which serves, is {state.role}"
        )
        return Suspect(told, facts)
    return None


def _ran(tick: SeenTick) -> bool:
    report = tick.report
    return report.executed and not report.poll_failed and report.driver != SHADOW


def _takes_over(seen: Seen, state: DriverState) -> bool:
    """A revision deployed anew takes the drive with its first tick, where that drives it too."""
    return state.driver in ("cloud", "shadow") and default_driver(seen.vars) == state.driver


def _no_path(seen: Seen) -> Suspect | None:
    if seen.revision is None or seen.driver != "legacy":
        return None
    if is_true(seen.vars.get("SCHEDULER_LEGACY_LOOP")):
        return None
    told = "the store says that the legacy loop drives, and SCHEDULER_LEGACY_LOOP is off"
    return Suspect(told, {"driver": seen.driver, "revision": seen.revision.name})


def _two(seen: Seen) -> Suspect | None:
    log = seen.log
    if log is None or seen.driver == SHADOW:
        return None
    ran = [one for one in log.ticks if _ran(one)]
    paths = [one.report.path for one in ran if one.report.path]
    switches = sum(before != after for before, after in pairwise(paths))
    if switches <= MOST_SWITCHES:
        return None
    counts = {path: paths.count(path) for path in sorted(set(paths))}
    told = ", ".join(f"{count} ticks of the {path}" for path, count in counts.items())
    revisions = sorted({one.revision for one in ran})
    facts = {"ticks": counts, "switches": switches, "revisions": revisions}
    return Suspect(f"both paths executed, in turns: {told}", facts)


CAUSES = (
    Cause(
        "nobody-drives",
        Issue.NOT_EXECUTING,
        "Nobody drives: the revision that serves may not run jobs.",
        "Ticks are answered with 200 and execute nothing.",
        "Check if jobs are stuck with active leases",
        STATUS,
        "emonk-ops rollback --env {env}, or run the newest stage again",
        f"{STATUS} says who drives, and ticks execute jobs.",
        _nobody,
        also=(Issue.NOT_TRIGGERING,),
    ),
    Cause(
        "no-path-runs",
        Issue.NOT_EXECUTING,
        "The legacy loop is meant to drive and is off, and Cloud Scheduler's ticks do not drive.",
        "No job runs, and no line says why.",
        "Verify handlers are registered at startup",
        STATUS,
        "emonk-ops stage 2 --env {env}, or set SCHEDULER_LEGACY_LOOP=true again",
        f"{STATUS} says who drives, and ticks execute jobs.",
        _no_path,
        also=(Issue.NOT_TRIGGERING,),
        explains=("nobody-drives",),
    ),
    Cause(
        "two-drivers",
        Issue.DUPLICATE,
        "The legacy loop and Cloud Scheduler both run jobs, and not as a shadow.",
        "The same job runs twice, once from each path.",
        "Check Firestore transaction errors",
        STATUS,
        "emonk-ops scheduler pause --env {env}, then: emonk-ops rollback --env {env}",
        "Only one path executes: emonk-ops logs ticks --env {env}",
        _two,
    ),
)

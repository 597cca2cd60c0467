"""Whether both paths are alive: each has completed a tick on the revision that serves."""

from __future__ import annotations

from datetime import timedelta

from emonk_ops.operations.analysis.records import CRON, LOOP
from emonk_ops.operations.cadence import longest_pause
from emonk_ops.operations.prerequisites import serving_revision
from emonk_ops.operations.service_env import is_true
from emonk_ops.operations.tick_window import COMPLETED, epoch_of, of_service, utc
from emonk_ops.operations.waiting import ask_until
from emonk_ops.ports import LogEntry
from emonk_ops.rollout.model import Finding, Verdict
from emonk_ops.toolbox import Toolbox

NAMES = {CRON: "Cloud Scheduler", LOOP: "the legacy loop"}
LOG_LAG_SECONDS = 45.0


def shadow_mode_is_on(tools: Toolbox) -> Finding:
    """Read back from the revision that serves: a shell variable changes no service."""
    revision = serving_revision(tools)
    value = revision.env.get("SCHEDULER_SHADOW_MODE")
    facts = {"revision": revision.name, "SCHEDULER_SHADOW_MODE": value}
    verdict = Verdict.PASS if is_true(value) else Verdict.FAIL
    told = f"SCHEDULER_SHADOW_MODE={value or '(unset)'} on {revision.name}"
    return Finding(verdict, told, facts)


def both_tick(tools: Toolbox) -> Finding:
    return _tick(tools, (CRON, LOOP))


def scheduler_ticks(tools: Toolbox) -> Finding:
    """A tick of Cloud Scheduler, completed on the revision that serves."""
    return _tick(tools, (CRON,))


def _tick(tools: Toolbox, paths: tuple[str, ...]) -> Finding:
    env, revision = tools.env, serving_revision(tools)
    epoch = epoch_of(tools)
    patience = longest_pause(env.cadence, env.time_zone, tools.clock.now()) + LOG_LAG_SECONDS

    def newest() -> dict[str, LogEntry]:
        found = {path: _newest(tools, revision.name, epoch, path) for path in paths}
        return {path: entry for path, entry in found.items() if entry is not None}

    seen = newest()
    missing = [path for path in paths if path not in seen]
    if missing and not tools.waits:
        until = tools.clock.now() + timedelta(seconds=patience)
        told = f"no tick yet by {', '.join(NAMES[path] for path in missing)} on {revision.name}"
        return Finding(Verdict.WAITING, told, wait_until=until)
    if missing:
        tools.say(f"waiting for a tick by {', '.join(NAMES[path] for path in missing)}")
        seen = ask_until(
            tools.clock,
            newest,
            lambda found: len(found) == len(paths),
            seconds=patience,
            every=5.0,
        )
    facts = {NAMES[path]: entry.timestamp.isoformat() for path, entry in seen.items()}
    missing = [path for path in paths if path not in seen]
    if missing:
        silent = ", ".join(NAMES[path] for path in missing)
        told = f"no tick by {silent} on {revision.name} within {patience:.0f} s"
        if epoch is None:
            # A service that is not ours need not say in its log which path a tick came by.
            told = f"{told}; a service without an admin API may not tell"
        return Finding(
            Verdict.ASK if epoch is None else Verdict.FAIL,
            told,
            facts,
            f"emonk-ops logs ticks --env {env.name}",
        )
    told = ", ".join(f"{NAMES[path]} at {utc(seen[path].timestamp)}" for path in paths)
    return Finding(Verdict.PASS, f"ticks completed: {told}", facts)


def _newest(tools: Toolbox, revision: str, epoch: int | None, path: str) -> LogEntry | None:
    query = (
        f'{of_service(tools.env)} AND jsonPayload.message="{COMPLETED}"'
        f' AND jsonPayload.path="{path}" AND resource.labels.revision_name="{revision}"'
    )
    if epoch is not None:
        query += f" AND jsonPayload.epoch={epoch}"
    since = tools.clock.now() - timedelta(days=1)
    return next(iter(tools.logs.entries(query, since=since, newest_first=True, limit=1)), None)

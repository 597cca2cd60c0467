"""Stage 4's own questions: before it whether all is in place, after it whether it is so."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from emonk_ops.errors import NotOffered
from emonk_ops.operations import carried_file
from emonk_ops.operations.alerts.checking import check as check_alerts
from emonk_ops.operations.health import ask_health
from emonk_ops.operations.prerequisites import serving_revision
from emonk_ops.operations.service_env import is_true, storage_of
from emonk_ops.operations.tick_window import of_service
from emonk_ops.rollout.model import Finding, Verdict
from emonk_ops.toolbox import Toolbox

FIRESTORE = "firestore"
LOOKED_BACK = timedelta(minutes=30)


def target_is_firestore(tools: Toolbox) -> Finding:
    env = tools.env
    running = storage_of(serving_revision(tools).env)
    facts = {"storage": env.storage, "running": running}
    if env.storage == FIRESTORE:
        return Finding(Verdict.PASS, f"storage {running} now, {FIRESTORE} afterwards", facts)
    return Finding(
        Verdict.FAIL,
        f"[env.{env.name}] storage is {env.storage!r}: stage 4 is the switch to {FIRESTORE}",
        facts,
        f'Set storage = "{FIRESTORE}" under [env.{env.name}] (or EMONK_STORAGE={FIRESTORE})',
    )


def alerts_configured(tools: Toolbox) -> Finding:
    found = check_alerts(tools)
    problems = [f"{one.title}: {', '.join(one.problems)}" for one in found.checked if one.problems]
    facts = {"checked": [one.name for one in found.checked], "problems": problems}
    if problems:
        hint = f"emonk-ops alerts apply --env {tools.env.name}"
        if not tools.env.alert_channels:
            hint = f"Name whom to notify ([alerts] channels in emonk-ops.toml), then {hint}"
        return Finding(Verdict.FAIL, "; ".join(problems[:3]), facts, hint)
    open_now = [one.display_name for one in found.open_incidents]
    if open_now:
        told = f"an incident is open: {', '.join(open_now)}"
        return Finding(Verdict.FAIL, told, {**facts, "open": open_now})
    return Finding(Verdict.PASS, f"{len(found.checked)} kept as wanted, none fires", facts)


def jobs_can_be_carried(tools: Toolbox) -> Finding:
    """Through the admin API; a service without one has to bring its jobs itself."""
    try:
        exported = tools.service.export_jobs()
    except NotOffered as error:
        return Finding(
            Verdict.ASK,
            f"nobody carries the jobs into {FIRESTORE}: {error.message}",
            hint='--confirm jobs-carried="how they come there, and who looks"',
        )
    facts = {"count": exported["count"], "checksum": exported["checksum"]}
    return Finding(Verdict.PASS, f"{facts['count']} jobs can be exported", facts)


def incident_plan_named(tools: Toolbox) -> Finding:
    plan = tools.env.incident_plan
    if plan:
        return Finding(Verdict.PASS, plan, {"incident_plan": plan})
    return Finding(
        Verdict.ASK,
        "nobody said where the incident response plan is",
        hint=f'incident_plan = "…" under [env.{tools.env.name}], or '
        '--confirm incident-plan="where it is, and who reads it at night"',
    )


def storage_switched(tools: Toolbox) -> Finding:
    """Read back from the revision, and said by the service itself."""
    revision = serving_revision(tools)
    kind = _storage_by_health(tools)
    project = revision.env.get("VERTEX_AI_PROJECT_ID")
    facts = {
        "revision": revision.name,
        "SCHEDULER_STORAGE": revision.env.get("SCHEDULER_STORAGE"),
        "VERTEX_AI_PROJECT_ID": project,
        "health": kind,
    }
    told = f"SCHEDULER_STORAGE={facts['SCHEDULER_STORAGE']}, /health says {kind or 'nothing'}"
    right = storage_of(revision.env) == FIRESTORE and project == tools.env.project
    if right and kind in (FIRESTORE, ""):
        return Finding(Verdict.PASS, f"{told}, VERTEX_AI_PROJECT_ID={project}", facts)
    return Finding(Verdict.FAIL, f"{told}, VERTEX_AI_PROJECT_ID={project or '(unset)'}", facts)


def loop_is_gone(tools: Toolbox) -> Finding:
    revision = serving_revision(tools)
    loop, shadow = (
        revision.env.get(name) for name in ("SCHEDULER_LEGACY_LOOP", "SCHEDULER_SHADOW_MODE")
    )
    paths = ask_health(tools).body.get("paths")
    alive = bool(paths.get("legacy_loop")) if isinstance(paths, dict) else False
    facts = {"SCHEDULER_LEGACY_LOOP": loop, "SCHEDULER_SHADOW_MODE": shadow, "paths": paths}
    if is_true(loop) or is_true(shadow) or alive:
        return Finding(Verdict.FAIL, f"the legacy loop still runs in {revision.name}", facts)
    return Finding(Verdict.PASS, f"{revision.name} starts no loop", facts)


def jobs_arrived(tools: Toolbox) -> Finding:
    """As many stored jobs as were carried, each with its lease field, read one by one."""
    try:
        jobs = list(tools.service.list_jobs())
    except NotOffered as error:
        return Finding(
            Verdict.ASK,
            f"nobody can count what came into {tools.env.service.collection}: {error.message}",
            hint='--confirm documents="who looked into the collection, and what was there"',
        )
    carried = carried_file.load_last(tools.keep)
    count = int(carried.document["count"]) if carried else None
    held = sum(job.get("lease") is not None for job in jobs)
    facts = {
        "collection": tools.env.service.collection,
        "stored": len(jobs),
        "carried": count,
        "checksum": carried.document["checksum"] if carried else None,
        "leased": held,
    }
    told = f"{len(jobs)} documents in {tools.env.service.collection}, {held} leased now"
    if count is not None and len(jobs) < count:
        return Finding(Verdict.FAIL, f"{told}; {count} were carried", facts)
    if not jobs:
        return Finding(Verdict.FAIL, told, facts, f"emonk-ops jobs list --env {tools.env.name}")
    return Finding(Verdict.PASS, told, facts)


def no_storage_errors(tools: Toolbox) -> Finding:
    """Lines of WARNING or worse that speak of the storage, since the revision came up."""
    revision = serving_revision(tools)
    since = max(revision.created_at, tools.clock.now() - LOOKED_BACK)
    query = (
        f'{of_service(tools.env)} AND severity>=WARNING AND jsonPayload.message:"torage"'
        f' AND resource.labels.revision_name="{revision.name}"'
    )
    lines = [one.message for one in tools.logs.entries(query, since=since, limit=20)]
    if lines:
        hint = f"emonk-ops logs errors --env {tools.env.name}"
        return Finding(Verdict.FAIL, f"{len(lines)}: {lines[0]}", {"lines": lines}, hint)
    return Finding(Verdict.PASS, f"none by {revision.name}", {"since": since.isoformat()})


def _storage_by_health(tools: Toolbox) -> str:
    storage: Mapping[str, Any] | Any = ask_health(tools).body.get("storage")
    return str(storage.get("kind", "")) if isinstance(storage, dict) else ""

"""What the deployed service answers and logs, asked from outside."""

from __future__ import annotations

from datetime import timedelta

from emonk_ops.operations.health import ask_health
from emonk_ops.operations.prerequisites import serving_revision
from emonk_ops.operations.waiting import ask_until
from emonk_ops.ports import Answer, LogEntry, Revision
from emonk_ops.rollout.model import Finding, Verdict
from emonk_ops.toolbox import Toolbox

LOG_LAG_SECONDS = 20.0
START_UP = timedelta(minutes=15)
BEFORE_READY = timedelta(minutes=10)  # start-up lines come before the revision is called ready
# The guide's own example; nobody in it is an allowed user.
WEBHOOK_BODY = {"message": {"sender": {"email": "test@example.com"}, "text": "test"}}


def healthy(tools: Toolbox) -> Finding:
    answer = ask_until(
        tools.clock,
        lambda: ask_health(tools),
        lambda found: found.status == 200,
        seconds=10.0,
    )
    body = answer.body
    storage = body.get("storage") if isinstance(body.get("storage"), dict) else {}
    summary = f"{answer.status} in {answer.seconds * 1000:.0f} ms"
    if storage:
        summary += f", storage {storage.get('kind')}, revision {body.get('revision')}"
    verdict = Verdict.PASS if answer.status == 200 else Verdict.FAIL
    return Finding(verdict, summary, {"status": answer.status, "health": dict(body)})


def tick_is_guarded(tools: Toolbox) -> Finding:
    return _is_guarded(tools.service.probe("POST", tools.env.service.tick_path))


def webhook_is_guarded(tools: Toolbox) -> Finding:
    return _is_guarded(tools.service.probe("POST", tools.env.service.webhook_path, WEBHOOK_BODY))


def both_paths_exist(tools: Toolbox) -> Finding:
    """The revision offers the tick endpoint, and has the legacy loop to fall back on."""
    answer = ask_health(tools)
    paths = answer.body.get("paths")
    if not isinstance(paths, dict):
        return Finding(
            Verdict.ERROR,
            f"{tools.env.service.health_path} says nothing of its paths",
            {"health": dict(answer.body)},
        )
    told = ", ".join(f"{name} {'yes' if there else 'no'}" for name, there in paths.items())
    both = bool(paths.get("cron_tick")) and bool(paths.get("legacy_loop"))
    return Finding(Verdict.PASS if both else Verdict.FAIL, told, {"paths": paths})


def startup_lines_logged(tools: Toolbox) -> Finding:
    """The guide's two lines, by the serving revision."""
    revision = serving_revision(tools)
    wanted = tools.env.service.startup_lines

    def missing() -> list[str]:
        told = [entry.message for entry in _lines(tools, revision, wanted)]
        return [line for line in wanted if not any(line in one for one in told)]

    left = ask_until(tools.clock, missing, lambda lines: not lines, seconds=LOG_LAG_SECONDS)
    facts = {"revision": revision.name, "wanted": list(wanted), "missing": left}
    if left:
        return Finding(Verdict.FAIL, f"not logged by {revision.name}: {'; '.join(left)}", facts)
    return Finding(Verdict.PASS, f"{len(wanted)} of {len(wanted)} lines by {revision.name}", facts)


def no_errors_since_start(tools: Toolbox) -> Finding:
    """In the first minutes of the revision that serves; later errors are the soak's to judge."""
    revision = serving_revision(tools)
    found = list(
        tools.logs.entries(
            f"{_of_revision(revision)} AND severity>=ERROR",
            since=revision.created_at - BEFORE_READY,
            until=revision.created_at + START_UP,
            limit=20,
        )
    )
    facts = {"revision": revision.name, "errors": [entry.message for entry in found]}
    if found:
        return Finding(
            Verdict.FAIL,
            f"{len(found)} errors by {revision.name}, first: {found[0].message}",
            facts,
            f"emonk-ops logs errors --env {tools.env.name}",
        )
    return Finding(Verdict.PASS, f"none by {revision.name}", facts)


def last_lines(tools: Toolbox, revision: str, count: int = 10) -> tuple[str, ...]:
    """The newest log lines of a revision, oldest first: what a broken container said last."""
    query = (
        'resource.type="cloud_run_revision" '
        f'AND resource.labels.revision_name="{revision}" '
        'AND (log_id("run.googleapis.com/stdout") OR log_id("run.googleapis.com/stderr"))'
    )
    found = tools.logs.entries(
        query, since=tools.clock.now() - timedelta(hours=1), newest_first=True, limit=count
    )
    return tuple(reversed([entry.message for entry in found]))


def _is_guarded(answer: Answer) -> Finding:
    """401 of the app, or 401/403 of the platform in front of it: either way nobody gets in."""
    facts = {"status": answer.status, "by": answer.by, "seconds": round(answer.seconds, 3)}
    if answer.status in (401, 403):
        return Finding(Verdict.PASS, f"{answer.status} from the {answer.by}", facts)
    return Finding(Verdict.FAIL, f"{answer.status} without credentials, expected 401", facts)


def _lines(tools: Toolbox, revision: Revision, wanted: tuple[str, ...]) -> list[LogEntry]:
    any_of = " OR ".join(f'"{line}"' for line in wanted)
    return list(
        tools.logs.entries(
            f"{_of_revision(revision)} AND ({any_of})",
            since=revision.created_at - BEFORE_READY,
            limit=50,
        )
    )


def _of_revision(revision: Revision) -> str:
    return f'resource.type="cloud_run_revision" AND resource.labels.revision_name="{revision.name}"'

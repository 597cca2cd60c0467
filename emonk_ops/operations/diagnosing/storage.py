"""What keeps the jobs says no, is not there, or is not the one that was meant."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from emonk_ops.operations.diagnosing.model import Cause, Issue, Suspect, at
from emonk_ops.operations.diagnosing.seen import FIRESTORE, Seen
from emonk_ops.operations.injection import access

DENIED, CONTENDED, NO_INDEX = "PERMISSION_DENIED", "ABORTED", "FAILED_PRECONDITION"
AWAY = ("UNAVAILABLE", "DEADLINE_EXCEEDED", "RESOURCE_EXHAUSTED", "INTERNAL")
LAST_TICKS = 3  # an error that none of these met is over
ERRORS = "emonk-ops logs errors --env {env}"
ANY = (Issue.NOT_TRIGGERING, Issue.LATENCY)


def errors_now(seen: Seen) -> dict[str, int]:
    """Storage errors by code in the last ticks, or since, where no tick could even begin."""
    log = seen.log
    if log is None:
        return {}
    found: dict[str, int] = {}
    last = log.ticks[-LAST_TICKS:]
    for tick in last:
        for code, told in tick.report.storage_errors.items():
            found[code] = found.get(code, 0) + int(told.get("count", 0))
    begun: datetime = last[0].at if last else seen.since
    for line in log.storage:
        if line.at >= begun and line.code:
            found[line.code] = max(1, found.get(line.code, 0))
    return found


def _last(seen: Seen, code: str) -> str:
    lines = [one for one in seen.log.storage if one.code == code] if seen.log else []
    if not lines:
        return ""
    return f"; the last at {at(lines[-1].at)}: {lines[-1].text[:160]}"


def _health_error(seen: Seen) -> str:
    stored = seen.health.body.get("storage") if seen.health is not None else None
    if not isinstance(stored, dict) or stored.get("ok", True):
        return ""
    return str(stored.get("error") or "")


def _denied(seen: Seen) -> Suspect | None:
    count = errors_now(seen).get(DENIED, 0)
    said = _health_error(seen)
    refused = bool(count) or DENIED in said or "datastore.user" in said
    member = f"serviceAccount:{seen.account}"
    lacks = (
        seen.project is not None
        and seen.storage == FIRESTORE
        and not access.has_always(seen.project, member)
        and not access.other_ways(seen.project, member)
    )
    if not refused:
        return None  # a group or a role of the project's own may give it
    parts = [f"{count} calls of the last ticks ended {DENIED}{_last(seen, DENIED)}"]
    if said:
        parts.append(f"{seen.env.service.health_path} says of the storage: {said[:160]}")
    if lacks:
        parts.append(f"{seen.account} has no {access.ROLE} on the project {seen.env.project}")
    facts = {"denied": count, "account": seen.account, "lacks_role": lacks, "role": access.ROLE}
    return Suspect("; ".join(parts), facts)


def _no_database(seen: Seen) -> Suspect | None:
    if seen.storage != FIRESTORE or "database" in seen.blind or seen.database is not None:
        return None
    told = f"storage is firestore, and {seen.env.project} has no database (default)"
    return Suspect(told, {"storage": seen.storage, "database": None})


def _no_index(seen: Seen) -> Suspect | None:
    lines = (
        [one for one in seen.log.storage if _wants_index(one.code, one.text)] if seen.log else []
    )
    if not lines or NO_INDEX not in errors_now(seen):
        return None
    told = f"{len(lines)} calls ended {NO_INDEX}, the last at {at(lines[-1].at)}: "
    return Suspect(told + lines[-1].text[:160], {"count": len(lines)})


def _wants_index(code: str, text: str) -> bool:
    return code == NO_INDEX and "index" in text.lower()


def _contention(seen: Seen) -> Suspect | None:
    return _errors(seen, (CONTENDED,))


def _away(seen: Seen) -> Suspect | None:
    found = _errors(seen, AWAY)
    said = _health_error(seen)
    if found is None and any(code in said for code in AWAY):
        path = seen.env.service.health_path
        return Suspect(f"{path} says of the storage: {said[:200]}", {"health": said[:200]})
    return found


def _errors(seen: Seen, codes: tuple[str, ...]) -> Suspect | None:
    found = {code: count for code, count in errors_now(seen).items() if code in codes}
    if not found:
        return None
    told = ", ".join(f"{count} {code}" for code, count in found.items())
    facts: dict[str, Any] = {"errors": found}
    return Suspect(
        f"storage errors in the last ticks: {told}{_last(seen, next(iter(found)))}", facts
    )


def _json(seen: Seen) -> Suspect | None:
    revision = seen.revision
    if revision is None or seen.storage != "json":
        return None
    facts = {"storage": "json", "max_instances": revision.max_instances, "meant": seen.env.storage}
    if seen.cut_over and seen.env.storage == FIRESTORE:
        told = f"{revision.name} keeps its jobs in a JSON file, and stage 4 switched to firestore"
        return Suspect(told, facts)
    if revision.max_instances != 1:
        most = revision.max_instances or "not set"
        instances = _instances(seen)
        told = f"storage is json and max-instances is {most}: each instance has jobs of its own"
        if len(instances) > 1:
            told += f"; {len(instances)} instances ticked: {', '.join(instances)}"
        return Suspect(told, {**facts, "instances": instances})
    return None


def _instances(seen: Seen) -> list[str]:
    if seen.log is None or seen.revision is None:
        return []
    name = seen.revision.name
    return sorted({one.instance for one in seen.log.ticks if one.revision == name})


CAUSES = (
    Cause(
        "storage-denied",
        Issue.NOT_EXECUTING,
        f"The service may not use Firestore: its account lacks {access.ROLE}.",
        "Ticks get 503, and storage errors are PERMISSION_DENIED.",
        "Verify Firestore storage is configured (not JSON)",
        ERRORS,
        "gcloud projects add-iam-policy-binding {project} --member serviceAccount:{account} "
        f"--role {access.ROLE}",
        "/health answers 200 (a change of access takes 2 to 7 minutes): emonk-ops status --env "
        "{env}",
        _denied,
        also=ANY,
        explains=("service-down", "storage-away"),
        fix="grant-datastore",
    ),
    Cause(
        "database-missing",
        Issue.NOT_EXECUTING,
        "The Firestore database does not exist.",
        "Ticks get 503, and storage errors are NOT_FOUND.",
        "Verify Firestore storage is configured (not JSON)",
        "gcloud firestore databases list --project {project}",
        "gcloud firestore databases create --project {project} --location {region}",
        "/health answers 200: emonk-ops status --env {env}",
        _no_database,
        also=ANY,
        explains=("service-down", "storage-denied", "storage-away", "index-missing"),
    ),
    Cause(
        "index-missing",
        Issue.LATENCY,
        "A query needs an index that is not there.",
        "Storage errors are FAILED_PRECONDITION and name an index.",
        "Check Firestore indexes",
        ERRORS,
        "gcloud firestore indexes composite list --project {project}; the error line has the link "
        "that creates it",
        "Ticks meet no storage error: emonk-ops logs ticks --env {env}",
        _no_index,
        also=(Issue.NOT_EXECUTING, Issue.NOT_TRIGGERING),
        explains=("service-down",),
    ),
    Cause(
        "storage-contention",
        Issue.DUPLICATE,
        "Writes of the store are aborted: others write the same jobs.",
        "Storage errors are ABORTED; ticks count lost_race.",
        "Check Firestore transaction errors",
        ERRORS,
        "emonk-ops status --env {env} (is there one driver?), then fewer instances or a lower "
        "SCHEDULER_CONCURRENCY",
        "Ticks meet no ABORTED: emonk-ops logs ticks --env {env}",
        _contention,
        also=(Issue.NOT_EXECUTING, Issue.LATENCY),
    ),
    Cause(
        "storage-away",
        Issue.NOT_EXECUTING,
        "The store does not answer, or not in time.",
        "Ticks get 503; storage errors are UNAVAILABLE or DEADLINE_EXCEEDED.",
        "Check Firestore transaction errors",
        ERRORS,
        "Look at Google's status page; while it lasts: emonk-ops rollback --emergency",
        "/health answers 200, and ticks meet no storage error: emonk-ops status --env {env}",
        _away,
        also=ANY,
        explains=("service-down", "slow-storage"),
    ),
    Cause(
        "json-storage",
        Issue.DUPLICATE,
        "Jobs are kept in a JSON file where Firestore was meant, or by more than one instance.",
        "The same job runs in several instances, or jobs are gone after a restart.",
        "Verify Firestore storage is configured (not JSON)",
        "emonk-ops status --env {env}",
        "emonk-ops stage 4 --env {env}; until then: gcloud run services update {service} --project "
        "{project} --region {region} --max-instances 1",
        "/health names the storage firestore, or max-instances is 1.",
        _json,
        explains=("lease-not-held", "two-drivers", "not-idempotent"),
    ),
)

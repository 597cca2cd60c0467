"""Why ticks are not let in, or do not arrive: access, the platform, the revision that serves."""

from __future__ import annotations

from emonk_ops.access_ports import Binding, Policy
from emonk_ops.operations.diagnosing.logged import SeenRequest
from emonk_ops.operations.diagnosing.model import Cause, Issue, Suspect, at
from emonk_ops.operations.diagnosing.seen import Seen

INVOKER_ROLE = "roles/run.invoker"
INVOKING = (INVOKER_ROLE, "roles/run.admin", "roles/owner", "roles/editor")
EVERYBODY = ("allUsers", "allAuthenticatedUsers")
# google.rpc codes with which an attempt ends that never left Cloud Scheduler.
SIGNING = {7: "PERMISSION_DENIED", 16: "UNAUTHENTICATED"}
ERRORS = "emonk-ops logs errors --env {env}"
AS_STATUS = "emonk-ops status --env {env}"


def _lacks_role(seen: Seen) -> Suspect | None:
    if not seen.ticked or seen.door is None or _is_let_in(seen):
        return None
    account = _caller(seen)
    holders = [one.members for one in _invoking(seen.door, seen.project)]
    if any(_is_in(account, members) for members in holders) or _deleted(seen):
        return None
    if seen.project is None and not _last_refused(seen):
        return None  # the project may give the role; nothing says that it does not
    facts = {"account": account, "role": INVOKER_ROLE, "on": seen.env.service.name}
    told = f"{account} has {INVOKER_ROLE} neither on {seen.env.service.name} nor on the project"
    if (last := _last_refused(seen)) is not None:
        told += f"; the last tick, {at(last.at)}, got {last.status}"
    return Suspect(told, facts, {"caller": account})


def _was_deleted(seen: Seen) -> Suspect | None:
    if not seen.ticked or _is_let_in(seen):
        return None
    member = _deleted(seen)
    if not member:
        return None
    return Suspect(f"a binding names {member}", {"member": member}, {"caller": _caller(seen)})


def _cannot_sign(seen: Seen) -> Suspect | None:
    """An attempt that failed for want of a token leaves no request at the service."""
    job, log = seen.job, seen.log
    if not seen.ticked or job is None or log is None or job.last_status_code not in SIGNING:
        return None
    if job.last_attempt_at is None or job.last_attempt_at < seen.since or log.requests:
        return None
    code = SIGNING[job.last_status_code]
    told = f"the attempt at {at(job.last_attempt_at)} ended {code}, and no request of Cloud "
    facts = {"status": job.last_status_code, "last_attempt_at": job.last_attempt_at}
    return Suspect(f"{told}Scheduler reached the service", facts)


def _revision_fails(seen: Seen) -> Suspect | None:
    service = seen.service
    if service is None or service.latest_created == service.latest_ready:
        return None
    facts = {"created": service.latest_created, "ready": service.latest_ready}
    told = f"{service.latest_created} is not ready: {service.reason or 'no reason given'}"
    return Suspect(told, facts, {"revision": service.latest_created})


def _service_down(seen: Seen) -> Suspect | None:
    """5xx of the platform or of the app itself; a storage that fails is another cause."""
    health = seen.health
    if health is None or health.status < 500:
        return _ticks_fail(seen)
    stored = health.body.get("storage")
    if isinstance(stored, dict) and not stored.get("ok", True):
        return None
    facts = {"status": health.status, "by": health.by, "text": health.text[:200]}
    path = seen.env.service.health_path
    return Suspect(f"{path} answered {health.status} by the {health.by}", facts)


def _ticks_fail(seen: Seen) -> Suspect | None:
    requests = seen.log.requests if seen.log else []
    failed = [one for one in requests[-3:] if one.status >= 500]
    if not failed or len(failed) < len(requests[-3:]) or (seen.log and seen.log.storage):
        return None
    last = failed[-1]
    facts = {"status": last.status, "failed": len(failed), "said": last.said}
    return Suspect(
        f"the last {len(failed)} ticks got {last.status}: {last.said or 'no word'}", facts
    )


def _pinned(seen: Seen) -> Suspect | None:
    service = seen.service
    if service is None or not service.pinned or service.serving_revision == service.latest_ready:
        return None
    facts = {"serving": service.serving_revision, "latest": service.latest_ready}
    told = (
        f"traffic is pinned to {service.serving_revision or 'a split'}, and {service.latest_ready} "
        "gets none"
    )
    return Suspect(told, facts, {"latest": service.latest_ready})


def _caller(seen: Seen) -> str:
    named = seen.job.spec.oidc_account if seen.job is not None else ""
    return named or seen.env.tick_invoker


def _invoking(*policies: Policy | None) -> list[Binding]:
    return [one for policy in policies if policy for one in policy.bindings if one.role in INVOKING]


def _is_in(account: str, members: tuple[str, ...]) -> bool:
    return f"serviceAccount:{account}" in members or any(one in members for one in EVERYBODY)


def _deleted(seen: Seen) -> str:
    """A deleted account's bindings stay, under another name: iam/docs/policies#handle-deleted."""
    begin = f"deleted:serviceAccount:{_caller(seen)}?"
    members = [name for one in _invoking(seen.door, seen.project) for name in one.members]
    return next((one for one in members if one.startswith(begin)), "")


def _is_let_in(seen: Seen) -> bool:
    """A group or a role of the project's own may give what no binding here names."""
    requests = seen.log.requests if seen.log else []
    return bool(requests) and requests[-1].status < 400


def _last_refused(seen: Seen) -> SeenRequest | None:
    last = seen.log.requests[-1] if seen.log and seen.log.requests else None
    return last if last is not None and last.status == 403 else None


CAUSES = (
    Cause(
        "invoker-deleted",
        Issue.NOT_TRIGGERING,
        "The service account that ticks was deleted.",
        "No tick arrives, or each gets 403; its binding begins with deleted:.",
        "Check IAM permissions for service account",
        "gcloud run services get-iam-policy {service} --project {project} --region {region}",
        "gcloud iam service-accounts create NAME --project {project}, or undelete {caller}; then "
        "gcloud run services add-iam-policy-binding {service} --project {project} --region "
        f"{{region}} --member serviceAccount:{{caller}} --role {INVOKER_ROLE}",
        "A tick is answered with 200: emonk-ops logs ticks --env {env}",
        _was_deleted,
        also=(Issue.NOT_EXECUTING,),
        explains=("invoker-lacks-role", "scheduler-cannot-sign"),
    ),
    Cause(
        "invoker-lacks-role",
        Issue.NOT_TRIGGERING,
        f"The service account that ticks lacks {INVOKER_ROLE}.",
        "The platform answers each tick with 403; the service never sees it.",
        "Check IAM permissions for service account",
        "gcloud run services get-iam-policy {service} --project {project} --region {region}",
        "gcloud run services add-iam-policy-binding {service} --project {project} --region "
        f"{{region}} --member serviceAccount:{{caller}} --role {INVOKER_ROLE}",
        "A tick is answered with 200: emonk-ops logs ticks --env {env} (a change of access takes "
        "2 to 7 minutes)",
        _lacks_role,
        also=(Issue.NOT_EXECUTING,),
        fix="grant-invoker",
    ),
    Cause(
        "scheduler-cannot-sign",
        Issue.NOT_TRIGGERING,
        "Cloud Scheduler gets no token for the account: it is gone, or the agent lacks its role.",
        "Attempts fail, and no request of Cloud Scheduler is in the service's log.",
        "Check IAM permissions for service account",
        "emonk-ops scheduler describe --env {env}",
        "gcloud projects add-iam-policy-binding {project} --member serviceAccount:service-NUMBER@"
        "gcp-sa-cloudscheduler.iam.gserviceaccount.com --role roles/cloudscheduler.serviceAgent",
        "emonk-ops scheduler run --env {env} ends with status OK.",
        _cannot_sign,
        also=(Issue.NOT_EXECUTING,),
    ),
    Cause(
        "revision-fails",
        Issue.NOT_TRIGGERING,
        "The newest revision does not become ready; an older one serves, or none.",
        "A deployment that changes nothing, or 5xx.",
        "Test manually with `gcloud scheduler jobs run`",
        ERRORS,
        "emonk-ops logs errors --env {env}, then deploy again or: emonk-ops rollback --env {env}",
        "emonk-ops status --env {env} shows the newest revision serving.",
        _revision_fails,
        also=(Issue.NOT_EXECUTING,),
    ),
    Cause(
        "service-down",
        Issue.NOT_TRIGGERING,
        "The service answers with 5xx.",
        "Ticks get 500, 503 or 504; /health does as well.",
        "Test manually with `gcloud scheduler jobs run`",
        ERRORS,
        "emonk-ops rollback --env {env}",
        "/health answers 200: emonk-ops status --env {env}",
        _service_down,
        also=(Issue.NOT_EXECUTING,),
        explains=("cold-starts",),
    ),
    Cause(
        "traffic-pinned",
        Issue.NOT_TRIGGERING,
        "Traffic is pinned to an old revision: what was deployed since serves nobody.",
        "A deployment looks fine and changes nothing.",
        "Verify scheduler job is enabled",
        AS_STATUS,
        "gcloud run services update-traffic {service} --project {project} --region {region} "
        "--to-latest (a forward stage does it as well)",
        "emonk-ops status --env {env} does not say PINNED.",
        _pinned,
        also=(Issue.NOT_EXECUTING,),
    ),
)

"""Why ticks do not come: the Cloud Scheduler job as it is kept."""

from __future__ import annotations

from emonk_ops.operations.diagnosing.model import Cause, Issue, Suspect
from emonk_ops.operations.diagnosing.seen import Seen
from emonk_ops.operations.driver import ENABLED
from emonk_ops.operations.tick_job import drift

DESCRIBE = "emonk-ops scheduler describe --env {env}"
TICKS = "emonk-ops logs ticks --env {env}"
IDENTITY = ("oidc_account", "oidc_audience")


def _missing(seen: Seen) -> Suspect | None:
    if not seen.ticked or seen.job is not None or "scheduler job" in seen.blind:
        return None
    told = f"there is no {seen.env.service.job} in {seen.env.project}, and the driver is "
    return Suspect(f"{told}{seen.driver}", {"driver": seen.driver, "state": None})


def _paused(seen: Seen) -> Suspect | None:
    job = seen.job
    if not seen.ticked or job is None or job.state == ENABLED:
        return None
    facts = {"state": job.state, "driver": seen.driver, "last_attempt_at": job.last_attempt_at}
    return Suspect(f"{job.name} is {job.state}, and the driver is {seen.driver}", facts)


def _drifted(seen: Seen) -> Suspect | None:
    found = {name: both for name, both in _drift(seen).items() if name not in IDENTITY}
    return _differs(found)


def _wrong_audience(seen: Seen) -> Suspect | None:
    """What the token says, what it should say by the settings, and what the service accepts."""
    job, wanted = seen.job, seen.vars.get("TICK_AUDIENCE", "")
    if job is None or not job.spec.oidc_account:
        return None
    said = job.spec.oidc_audience
    if wanted and said != wanted:
        facts: dict[str, object] = {"oidc_audience": said, "TICK_AUDIENCE": wanted}
        facts |= _fitting(seen, "oidc_audience", wanted)
        told = f"the job's token is for {said}, the service accepts {wanted}"
        return Suspect(told + _refused(seen, "audience"), facts)
    return None


def _wrong_invoker(seen: Seen) -> Suspect | None:
    job, wanted = seen.job, seen.vars.get("TICK_INVOKER", "")
    if job is None:
        return None
    said = job.spec.oidc_account
    if wanted and said != wanted:
        facts: dict[str, object] = {"oidc_account": said, "TICK_INVOKER": wanted}
        facts |= _fitting(seen, "oidc_account", wanted)
        told = f"the job calls as {said or 'nobody'}, the service lets {wanted} tick"
        return Suspect(told + _refused(seen, "may call"), facts)
    return None


def _fitting(seen: Seen, field: str, accepted: str) -> dict[str, object]:
    """Whether the settings agree with the service, so that the job alone has to be mended."""
    specified = getattr(seen.want, field) if seen.want is not None else None
    return {"specified": specified, "job_is_wrong": specified == accepted}


def _refused(seen: Seen, word: str) -> str:
    refusals = [one for one in seen.log.refusals if word in one.text] if seen.log else []
    if not refusals:
        return ""
    return f"; {len(refusals)} ticks refused, the last: {refusals[-1].text}"


def _drift(seen: Seen) -> dict[str, list[str]]:
    if seen.job is None or seen.want is None:
        return {}
    return drift(seen.job.spec, seen.want)


def _differs(found: dict[str, list[str]]) -> Suspect | None:
    if not found:
        return None
    told = ", ".join(f"{name} is {now}, not {then}" for name, (now, then) in found.items())
    return Suspect(f"it differs from its specification: {told}", {"drift": found})


CAUSES = (
    Cause(
        "scheduler-job-missing",
        Issue.NOT_TRIGGERING,
        "The Cloud Scheduler job does not exist.",
        "No tick arrives; the driver is cloud.",
        "Verify scheduler job is enabled",
        DESCRIBE,
        "emonk-ops stage 2 --env {env}",
        f"{DESCRIBE} says ENABLED, and a tick arrives within one interval.",
        _missing,
        also=(Issue.NOT_EXECUTING,),
        explains=("nobody-drives",),
    ),
    Cause(
        "scheduler-job-paused",
        Issue.NOT_TRIGGERING,
        "The Cloud Scheduler job is paused, and nothing else ticks.",
        "No tick arrives; the job's state is PAUSED.",
        "Verify scheduler job is enabled",
        DESCRIBE,
        'emonk-ops scheduler resume --env {env} --reason "it drives"',
        f"{DESCRIBE} says ENABLED, and a tick arrives within one interval.",
        _paused,
        also=(Issue.NOT_EXECUTING,),
        fix="resume-scheduler-job",
    ),
    Cause(
        "scheduler-job-drifted",
        Issue.NOT_TRIGGERING,
        "The Cloud Scheduler job was changed by somebody: address, schedule, method or deadline.",
        "Ticks go to the wrong place, at other times, or are given up too early.",
        "Verify scheduler job is enabled",
        DESCRIBE,
        "emonk-ops diagnose not-triggering --env {env} --fix",
        f"{DESCRIBE} shows the settings' schedule and the service's address.",
        _drifted,
        also=(Issue.NOT_EXECUTING,),
        fix="bring-job-back",
    ),
    Cause(
        "wrong-audience",
        Issue.NOT_TRIGGERING,
        "The token of the Cloud Scheduler job is for another audience than TICK_AUDIENCE.",
        "Each tick is answered with 401.",
        "Verify OIDC token configuration",
        DESCRIBE,
        "emonk-ops diagnose not-triggering --env {env} --fix; where the variable is wrong: "
        "gcloud run services update {service} --project {project} --region {region} "
        "--update-env-vars TICK_AUDIENCE=URL",
        "A tick is answered with 200: " + TICKS,
        _wrong_audience,
        also=(Issue.NOT_EXECUTING,),
        fix="bring-job-back",
    ),
    Cause(
        "wrong-invoker",
        Issue.NOT_TRIGGERING,
        "The Cloud Scheduler job calls as another account than TICK_INVOKER.",
        "Each tick is answered with 401.",
        "Check IAM permissions for service account",
        DESCRIBE,
        "emonk-ops diagnose not-triggering --env {env} --fix; where the variable is wrong: "
        "gcloud run services update {service} --project {project} --region {region} "
        "--update-env-vars TICK_INVOKER={invoker}",
        "A tick is answered with 200: " + TICKS,
        _wrong_invoker,
        also=(Issue.NOT_EXECUTING,),
        fix="bring-job-back",
    ),
)

"""Why ticks do not come: the Cloud Scheduler job as it is kept."""

from __future__ import annotations

from emonk_ops.operations.diagnosing.model import Cause, Issue, Suspect
from emonk_ops.operations.diagnosing.seen import Seen
from emonk_ops.operations.driver import ENABLED
from emonk_ops.operations.tick_job import drift

DESCRIBE = "emonk-ops scheduler describe --env {env}"
TICKS = "emonk-ops logs ticks --env {env}"
FIX = "emonk-ops diagnose not-triggering --env {env} --fix"
SET = (
    "gcloud run services update {service} --project {project} --region {region} --update-env-vars "
)
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
    return _not_accepted(seen, "oidc_audience", "TICK_AUDIENCE", "audience", of_job=True)


def _wrong_tick_audience(seen: Seen) -> Suspect | None:
    return _not_accepted(seen, "oidc_audience", "TICK_AUDIENCE", "audience", of_job=False)


def _wrong_invoker(seen: Seen) -> Suspect | None:
    return _not_accepted(seen, "oidc_account", "TICK_INVOKER", "may call", of_job=True)


def _wrong_tick_invoker(seen: Seen) -> Suspect | None:
    return _not_accepted(seen, "oidc_account", "TICK_INVOKER", "may call", of_job=False)


def _not_accepted(
    seen: Seen, field: str, variable: str, word: str, *, of_job: bool
) -> Suspect | None:
    """The job says one thing, the service accepts another: the settings tell which is wrong.

    Where they could not be asked for, it is the job that is said to differ.
    """
    accepted = seen.vars.get(variable, "")
    if seen.job is None or not accepted:
        return None
    said: str = getattr(seen.job.spec, field)
    meant: str = getattr(seen.want, field) if seen.want is not None else accepted
    wrong = said != meant if of_job else accepted != meant
    if said == accepted or not wrong:
        return None
    told = f"the job says {field} {said or '(none)'}, the service accepts {variable} {accepted}"
    facts = {field: said, variable: accepted, "specified": meant}
    return Suspect(f"{told}, and {meant} is meant{_refused(seen, word)}", facts, {"meant": meant})


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
        FIX,
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
        FIX,
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
        FIX,
        "A tick is answered with 200: " + TICKS,
        _wrong_invoker,
        also=(Issue.NOT_EXECUTING,),
        fix="bring-job-back",
    ),
    Cause(
        "wrong-tick-audience",
        Issue.NOT_TRIGGERING,
        "TICK_AUDIENCE of the service is not what the settings mean.",
        "Each tick is answered with 401, and the job is as specified.",
        "Verify OIDC token configuration",
        DESCRIBE,
        SET + "TICK_AUDIENCE={meant}",
        "A tick is answered with 200: " + TICKS,
        _wrong_tick_audience,
        also=(Issue.NOT_EXECUTING,),
    ),
    Cause(
        "wrong-tick-invoker",
        Issue.NOT_TRIGGERING,
        "TICK_INVOKER of the service is not the account that the settings mean.",
        "Each tick is answered with 401, and the job is as specified.",
        "Check IAM permissions for service account",
        DESCRIBE,
        SET + "TICK_INVOKER={meant}",
        "A tick is answered with 200: " + TICKS,
        _wrong_tick_invoker,
        also=(Issue.NOT_EXECUTING,),
    ),
)

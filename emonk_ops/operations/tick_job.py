"""The Cloud Scheduler job: as it should be, compared, brought about, read back."""

from __future__ import annotations

from dataclasses import asdict
from datetime import timedelta

from emonk_ops.errors import NotFound, StepFailed
from emonk_ops.operations.driver import ENABLED
from emonk_ops.operations.waiting import ask_until
from emonk_ops.ports import TickJob, TickJobSpec
from emonk_ops.rollout.model import Finding, StepResult, Verdict
from emonk_ops.toolbox import Toolbox

PAUSED = "PAUSED"
ATTEMPT_SECONDS = 60.0
DESCRIPTION = "Ticks the scheduled jobs; kept by emonk-ops"


def wanted_spec(tools: Toolbox) -> TickJobSpec:
    """What the settings ask for; the audience is said, since its default is the full URI."""
    env = tools.env
    uri = tools.run.describe_service().uri
    return TickJobSpec(
        schedule=env.cadence,
        time_zone=env.time_zone,
        uri=f"{uri}{env.service.tick_path}",
        http_method="POST",
        oidc_account=env.tick_invoker,
        oidc_audience=env.audience or uri,
        attempt_deadline_seconds=env.attempt_deadline_seconds,
        retry_count=env.retry_count,
        description=DESCRIPTION,
    )


def drift(spec: TickJobSpec, want: TickJobSpec) -> dict[str, list[str]]:
    """Field -> [as it is, as it should be]. A description of somebody else's is no drift."""
    now, then = asdict(spec), asdict(want)
    return {
        name: [str(now[name]), str(then[name])]
        for name in then
        if name != "description" and now[name] != then[name]
    }


def ensure_job(tools: Toolbox) -> StepResult:
    """Created paused, or brought back to its specification; its state is left as it is."""
    if command := tools.env.commands.set_up_scheduler:
        _run_command(tools, command)
    want = wanted_spec(tools)
    job = tools.jobs.describe()
    if job is None:
        job = tools.jobs.create(want, paused=True)
        return _read_back(tools, want, f"{job.name} created, {job.state}", {"created": True})
    found = drift(job.spec, want)
    if not found and job.state != "UPDATE_FAILED":
        return StepResult(False, f"already so: {job.name}, {job.state}", {"state": job.state})
    tools.jobs.update(want)
    told = ", ".join(f"{name} {now!r} -> {then!r}" for name, (now, then) in found.items())
    return _read_back(tools, want, f"{job.name} brought back: {told}", {"diff": found})


def preview_job(tools: Toolbox) -> StepResult:
    want = wanted_spec(tools)
    job = tools.jobs.describe()
    if job is None:
        fields = {name: ["", str(value)] for name, value in asdict(want).items()}
        return StepResult(True, f"create {tools.env.service.job}, paused", {"diff": fields})
    found = drift(job.spec, want)
    if not found:
        return StepResult(False, f"already so: {job.name}, {job.state}")
    return StepResult(True, f"bring {job.name} back", {"diff": found})


def ensure_enabled(tools: Toolbox) -> StepResult:
    job = _existing(tools)
    if job.state == ENABLED:
        return StepResult(False, f"already so: {job.name} is {ENABLED}")
    job = tools.jobs.resume()
    if job.state != ENABLED:
        raise StepFailed(f"{job.name} was resumed and is {job.state}")
    return StepResult(True, f"{job.name} {job.state}, next at {job.next_run_at}")


def preview_enabled(tools: Toolbox) -> StepResult:
    job = tools.jobs.describe()
    if job is not None and job.state == ENABLED:
        return StepResult(False, f"already so: {job.name} is {ENABLED}")
    state = "absent" if job is None else job.state
    diff = {"state": [state, ENABLED]}
    return StepResult(True, f"{tools.env.service.job} is {state}: resume it", {"diff": diff})


def ensure_paused(tools: Toolbox) -> StepResult:
    job = tools.jobs.describe()
    if job is None:
        return StepResult(False, f"already so: there is no {tools.env.service.job}")
    if job.state != ENABLED:
        return StepResult(False, f"already so: {job.name} is {job.state}")
    job = tools.jobs.pause()
    if job.state != PAUSED:
        raise StepFailed(
            f"{job.name} was paused and is {job.state}",
            hint=f"emonk-ops scheduler describe --env {tools.env.name}",
        )
    return StepResult(True, f"{job.name} {job.state}")


def trigger(tools: Toolbox) -> StepResult:
    """Run the job once by hand and wait until its attempt is recorded."""
    before = _existing(tools).last_attempt_at
    tools.jobs.run()
    job = ask_until(
        tools.clock,
        lambda: _existing(tools),
        lambda found: found.last_attempt_at is not None and found.last_attempt_at != before,
        seconds=ATTEMPT_SECONDS,
    )
    if job.last_attempt_at == before:
        raise StepFailed(
            f"{job.name} was run and no attempt was recorded within {ATTEMPT_SECONDS:.0f} s",
            hint=f"emonk-ops scheduler describe --env {tools.env.name}",
        )
    facts = {"last_attempt_at": str(job.last_attempt_at), "status": job.last_status_code}
    if job.last_status_code not in (0, None):
        raise StepFailed(
            f"the attempt of {job.name} ended with status {job.last_status_code}",
            hint=f"emonk-ops logs errors --env {tools.env.name}",
        )
    return StepResult(True, f"attempt at {job.last_attempt_at:%H:%M:%S}Z, status OK", facts)


def canary_tick(tools: Toolbox) -> StepResult:
    """One authenticated tick by hand, while the job stays paused and the legacy loop drives."""
    answer = tools.service.probe("POST", tools.env.service.tick_path, tick_token=True)
    facts = {"status": answer.status, "body": dict(answer.body)}
    if answer.status != 200:
        raise StepFailed(
            f"the canary tick got {answer.status} from the {answer.by}",
            hint=f"emonk-ops logs errors --env {tools.env.name}",
        )
    said = answer.body.get("reason", "executed")
    return StepResult(True, f"200 in {answer.seconds * 1000:.0f} ms: {said}", facts)


def job_as_specified(tools: Toolbox) -> Finding:
    """Stage 2: enabled where it is the only driver, else paused."""
    return _as_specified(tools, ENABLED if tools.env.only_driver else PAUSED)


def job_enabled_as_specified(tools: Toolbox) -> Finding:
    """From stage 3 on it ticks everywhere."""
    return _as_specified(tools, ENABLED)


def _as_specified(tools: Toolbox, expected: str) -> Finding:
    job = tools.jobs.describe()
    if job is None:
        return Finding(Verdict.FAIL, f"there is no job {tools.env.service.job}")
    found = drift(job.spec, wanted_spec(tools))
    facts = {"state": job.state, "drift": found}
    if found:
        told = ", ".join(f"{name} is {now}, not {then}" for name, (now, then) in found.items())
        hint = f"emonk-ops stage 2 --env {tools.env.name}"
        return Finding(Verdict.FAIL, f"drifted: {told}", facts, hint)
    verdict = Verdict.PASS if job.state == expected else Verdict.FAIL
    return Finding(
        verdict, f"state: {job.state}, {job.spec.schedule!r} {job.spec.time_zone}", facts
    )


def oidc_configured(tools: Toolbox) -> Finding:
    job = _existing(tools)
    facts = {"account": job.spec.oidc_account, "audience": job.spec.oidc_audience}
    if not job.spec.oidc_account:
        return Finding(Verdict.FAIL, "httpTarget.oidcToken is not configured", facts)
    return Finding(Verdict.PASS, f"as {job.spec.oidc_account} for {job.spec.oidc_audience}", facts)


def recently_attempted(tools: Toolbox) -> Finding:
    job = _existing(tools)
    last, code = job.last_attempt_at, job.last_status_code
    facts = {"last_attempt_at": str(last), "status": code}
    if last is None:
        return Finding(Verdict.FAIL, "no attempt yet", facts)
    age = tools.clock.now() - last
    if code not in (0, None):
        return Finding(Verdict.FAIL, f"the last attempt ended with status {code}", facts)
    if age > timedelta(days=1):
        return Finding(Verdict.FAIL, f"the last attempt was {age} ago", facts)
    return Finding(Verdict.PASS, f"at {last:%Y-%m-%d %H:%M:%S}Z, status OK", facts)


def _existing(tools: Toolbox) -> TickJob:
    job = tools.jobs.describe()
    if job is None:
        raise NotFound(
            f"there is no Cloud Scheduler job {tools.env.service.job} in {tools.env.project}",
            hint=f"emonk-ops stage 2 --env {tools.env.name}",
        )
    return job


def _read_back(
    tools: Toolbox, want: TickJobSpec, summary: str, facts: dict[str, object]
) -> StepResult:
    left = drift(_existing(tools).spec, want)
    if left:
        raise StepFailed(f"{summary}; read back, it still differs: {left}")
    return StepResult(True, summary, facts)


def _run_command(tools: Toolbox, command: tuple[str, ...]) -> None:
    env, want = tools.env, wanted_spec(tools)
    own = {
        "EMONK_PROJECT": env.project,
        "EMONK_REGION": env.service.region,
        "EMONK_SERVICE": env.service.name,
        "EMONK_JOB": env.service.job,
        "EMONK_SCHEDULE": want.schedule,
        "EMONK_TIME_ZONE": want.time_zone,
        "EMONK_URI": want.uri,
        "EMONK_OIDC_ACCOUNT": want.oidc_account,
        "EMONK_OIDC_AUDIENCE": want.oidc_audience,
        "EMONK_ATTEMPT_DEADLINE_SECONDS": str(want.attempt_deadline_seconds),
        "SCHEDULER_CADENCE": want.schedule,
    }
    result = tools.commands.run(command, env=own)
    if result.exit_code != 0:
        last = " | ".join(result.last_lines[-5:])
        raise StepFailed(f"{' '.join(command)} ended with {result.exit_code}: {last}")

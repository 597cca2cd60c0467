"""Stage 0's questions to the cloud: is everything in place before anything is changed?"""

from __future__ import annotations

from emonk_ops.errors import NotFound
from emonk_ops.operations.cadence import clock_changes, next_slots
from emonk_ops.operations.grants import OPERATOR_PERMISSIONS
from emonk_ops.operations.health import ask_health
from emonk_ops.operations.service_env import DOCUMENTED, REQUIRED, STORAGES, is_true
from emonk_ops.ports import Revision
from emonk_ops.rollout.model import Finding, Verdict
from emonk_ops.toolbox import Toolbox

SCHEDULER_API = "cloudscheduler.googleapis.com"


def serving_revision(tools: Toolbox) -> Revision:
    """The revision that has all the traffic, else the latest ready one."""
    service = tools.run.describe_service()
    return tools.run.describe_revision(service.serving_revision or service.latest_ready)


def service_healthy(tools: Toolbox) -> Finding:
    try:
        service = tools.run.describe_service()
    except NotFound as error:
        return Finding(
            Verdict.FAIL, error.message, hint="Deploy the service first, then run stage 0 again"
        )
    if not service.latest_ready:
        return Finding(Verdict.FAIL, f"not ready: {service.reason}", {"uri": service.uri})
    answer = ask_health(tools)
    facts: dict[str, object] = {
        "uri": service.uri,
        "revision": service.serving_revision,
        "status": answer.status,
        "seconds": round(answer.seconds, 3),
        "health": dict(answer.body),
    }
    summary = (
        f"{tools.env.service.health_path} answered {answer.status} in "
        f"{answer.seconds * 1000:.0f} ms, revision {service.serving_revision or '(traffic split)'}"
    )
    if service.latest_created != service.latest_ready:
        # What serves may be well although the newest revision never came up.
        summary += f"; the newest revision {service.latest_created} is not ready"
        facts["newest_not_ready"] = service.reason
    verdict = Verdict.PASS if answer.status == 200 else Verdict.FAIL
    return Finding(verdict, summary, facts, f"emonk-ops logs errors --env {tools.env.name}")


def environment_configured(tools: Toolbox) -> Finding:
    """Against the documented set: nothing required is missing, nothing is misspelt."""
    revision = serving_revision(tools)
    env = revision.env
    missing = [name for name in REQUIRED if not env.get(name)]
    strange = [
        name
        for name in sorted(env)
        if name.startswith(("SCHEDULER_", "TICK_", "WEBHOOK_"))
        and name not in DOCUMENTED
        and name not in tools.env.service_env
    ]
    problems = [f"{name} is not set" for name in missing]
    problems += [
        f"{name} is not a documented variable, nor one of [env.{tools.env.name}] service_env"
        for name in strange
    ]
    if (storage := env.get("SCHEDULER_STORAGE", "json")) not in STORAGES:
        problems.append(f"SCHEDULER_STORAGE={storage} is none of {', '.join(STORAGES)}")
    facts = {"revision": revision.name, "variables": sorted(env), "problems": problems}
    if problems:
        hint = (
            f"gcloud run services update {tools.env.service.name} --project {tools.env.project} "
            "--update-env-vars NAME=VALUE"
        )
        return Finding(Verdict.FAIL, "; ".join(problems), facts, hint)
    return Finding(Verdict.PASS, f"{len(env)} variables on {revision.name}, none amiss", facts)


def environment_set_up(tools: Toolbox) -> Finding:
    """What `[env.NAME]` says against what runs. Storage may differ: switching it is stage 4's."""
    env, running = tools.env, serving_revision(tools).env
    facts = {
        "ENVIRONMENT": [running.get("ENVIRONMENT"), env.name],
        "SCHEDULER_CADENCE": [running.get("SCHEDULER_CADENCE"), env.cadence],
        "SCHEDULER_STORAGE": [running.get("SCHEDULER_STORAGE"), env.storage],
        "next_slots": [
            slot.isoformat()
            for slot in next_slots(env.cadence, env.time_zone, tools.clock.now(), 3)
        ],
    }
    if running.get("ENVIRONMENT") != env.name:
        return Finding(
            Verdict.FAIL,
            f"the service runs with ENVIRONMENT={running.get('ENVIRONMENT')}, not {env.name}",
            facts,
            f"Is {env.project} the project of {env.name}? See: emonk-ops config show",
        )
    told = [f"cadence {env.cadence!r} in {env.time_zone}"]
    if running.get("SCHEDULER_CADENCE") != env.cadence:
        told.append(f"stage 1 sets it (now {running.get('SCHEDULER_CADENCE')!r})")
    told.append(f"storage {running.get('SCHEDULER_STORAGE')}")
    if running.get("SCHEDULER_STORAGE") != env.storage:
        told.append(f"stage 4 switches to {env.storage}")
    return Finding(Verdict.PASS, ", ".join(told), facts)


def firestore_database(tools: Toolbox) -> Finding:
    running = serving_revision(tools).env.get("SCHEDULER_STORAGE")
    if "firestore" not in (running, tools.env.storage):
        return Finding(Verdict.PASS, f"not needed: storage is {running}", {"storage": running})
    database = tools.platform.firestore_database()
    if database is None:
        return Finding(
            Verdict.FAIL,
            f"project {tools.env.project} has no Firestore database (default)",
            hint=f"gcloud firestore databases create --project {tools.env.project} "
            f"--location {tools.env.service.region}",
        )
    return Finding(Verdict.PASS, "the database (default) exists", dict(database))


def scheduler_api_enabled(tools: Toolbox) -> Finding:
    if tools.platform.api_enabled(SCHEDULER_API):
        return Finding(Verdict.PASS, f"{SCHEDULER_API} is enabled")
    return Finding(
        Verdict.FAIL,
        f"{SCHEDULER_API} is not enabled in {tools.env.project}",
        hint=f"gcloud services enable {SCHEDULER_API} --project {tools.env.project}",
    )


def operator_permissions(tools: Toolbox) -> Finding:
    missing = tools.platform.missing_permissions(OPERATOR_PERMISSIONS)
    facts = {"asked": list(OPERATOR_PERMISSIONS), "missing": list(missing)}
    if missing:
        return Finding(
            Verdict.FAIL,
            f"you lack {', '.join(missing)}",
            facts,
            f"emonk-ops config permissions --env {tools.env.name}",
        )
    return Finding(Verdict.PASS, f"all {len(OPERATOR_PERMISSIONS)} permissions granted", facts)


def service_permissions(tools: Toolbox) -> Finding:
    account = tools.env.service_account or serving_revision(tools).service_account
    wanted = {"roles/datastore.user"} if tools.env.storage == "firestore" else set()
    roles = tools.platform.roles_of(f"serviceAccount:{account}")
    invoker_roles = tools.platform.roles_of(f"serviceAccount:{tools.env.tick_invoker}")
    facts = {"account": account, "roles": list(roles), "invoker_roles": list(invoker_roles)}
    if missing := sorted(wanted - set(roles)):
        return Finding(
            Verdict.FAIL,
            f"{account} lacks {', '.join(missing)}",
            facts,
            f"gcloud projects add-iam-policy-binding {tools.env.project} "
            f"--member serviceAccount:{account} --role {missing[0]}",
        )
    return Finding(Verdict.PASS, f"{account} has what storage {tools.env.storage} needs", facts)


def json_has_one_instance(tools: Toolbox) -> Finding:
    """Cloud Run's file system is per instance: two instances would be two stores."""
    revision = serving_revision(tools)
    storage = revision.env.get("SCHEDULER_STORAGE")
    facts = {"storage": storage, "max_instances": revision.max_instances}
    if storage != "json":
        return Finding(Verdict.PASS, f"storage is {storage}", facts)
    if revision.max_instances == 1:
        return Finding(Verdict.PASS, "max-instances is 1", facts)
    return Finding(
        Verdict.FAIL,
        f"storage is json and max-instances is {revision.max_instances or 'not set'}",
        facts,
        f"gcloud run services update {tools.env.service.name} --max-instances 1",
    )


def legacy_loop_has_cpu(tools: Toolbox) -> Finding:
    """Between requests Cloud Run throttles the CPU unless it is always allocated."""
    revision = serving_revision(tools)
    facts = {
        "min_instances": revision.min_instances,
        "cpu_always_allocated": revision.cpu_always_allocated,
        "legacy_loop": revision.env.get("SCHEDULER_LEGACY_LOOP"),
    }
    if not is_true(revision.env.get("SCHEDULER_LEGACY_LOOP")):
        return Finding(Verdict.PASS, "the legacy loop is not switched on", facts)
    if revision.min_instances >= 1 and revision.cpu_always_allocated:
        return Finding(Verdict.PASS, "min-instances 1, CPU always allocated", facts)
    cpu = "always allocated" if revision.cpu_always_allocated else "throttled between requests"
    return Finding(
        Verdict.FAIL,
        f"min-instances {revision.min_instances}, CPU {cpu}",
        facts,
        f"gcloud run services update {tools.env.service.name} "
        "--min-instances 1 --no-cpu-throttling",
    )


def cadence_avoids_dst(tools: Toolbox) -> Finding:
    env = tools.env
    changes = clock_changes(env.cadence, env.time_zone, tools.clock.now())
    facts = {"time_zone": env.time_zone, "changes": [one.isoformat() for one in changes]}
    hint = 'Use time_zone = "Etc/UTC", which Google recommends too'
    if not changes and (_is_utc(env.time_zone) or set(env.cadence.split()[1:]) == {"*"}):
        return Finding(Verdict.PASS, f"{env.cadence!r} in {env.time_zone} meets none", facts)
    if not changes:
        told = f"{env.cadence!r} in {env.time_zone}: the legacy loop reads its cadence in UTC"
        return Finding(Verdict.FAIL, told, facts, hint)
    days = ", ".join(f"{one:%Y-%m-%d}" for one in changes)
    return Finding(
        Verdict.FAIL,
        f"{env.cadence!r} in {env.time_zone} meets a change of clocks near {days}",
        facts,
        hint,
    )


def _is_utc(time_zone: str) -> bool:
    return time_zone.rsplit("/", 1)[-1] in ("UTC", "UCT", "Universal", "Zulu", "GMT")

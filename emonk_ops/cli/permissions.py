"""The least roles that a rollout needs, by who needs them."""

from __future__ import annotations

from dataclasses import dataclass

from emonk_ops.settings import FILE_PLACE, Environment


@dataclass(frozen=True)
class Grant:
    """A role, on what, and why."""

    role: str
    on: str
    why: str


def grants(env: Environment) -> dict[str, tuple[Grant, ...]]:
    """Roles by holder, for one environment."""
    project = f"project {env.project}"
    service = f"service {env.service.name}"
    own = env.service_account or "the service's own account"
    operator: tuple[Grant, ...] = (
        Grant("roles/run.developer", service, "deploy a revision, move traffic, read back"),
        Grant("roles/iam.serviceAccountUser", own, "deploy as the service's account"),
        Grant("roles/cloudscheduler.admin", project, "create, pause, resume and run the job"),
        Grant("roles/iam.serviceAccountUser", env.tick_invoker, "have the job tick as it"),
        Grant("roles/logging.viewer", project, "read ticks, requests and errors"),
        Grant("roles/serviceusage.serviceUsageViewer", project, "see which APIs are enabled"),
        Grant("roles/iam.securityReviewer", project, "see what the service's account may do"),
    )
    monitoring = (
        Grant("roles/monitoring.editor", project, "only to keep alert policies and the dashboard"),
        Grant("roles/logging.configWriter", project, "only to keep their log-based metrics"),
    )
    person: tuple[Grant, ...] = (
        Grant(
            "roles/iam.serviceAccountTokenCreator",
            env.tick_invoker,
            "only to probe /cron/tick with a token; without it that probe says so",
        ),
        Grant("roles/run.admin", service, "only for diagnose --fix: give run.invoker back"),
    )
    if env.storage == "firestore":
        why = (
            "only for inject firestore-outage and diagnose --fix: take datastore.user away until "
            "an instant, and give it back"
        )
        person += (Grant("roles/resourcemanager.projectIamAdmin", project, why),)
    account = [Grant("roles/logging.logWriter", project, "write its log")]
    if env.storage == "firestore":
        account.append(Grant("roles/datastore.user", project, "keep jobs in Firestore"))
        operator += (Grant("roles/datastore.viewer", project, "see that the database exists"),)
        person += (Grant("roles/datastore.user", project, "only to carry jobs by hand: migrate"),)
    if env.state_place != FILE_PLACE:
        place = f"project {env.state_place.partition(':')[2].partition('/')[0]}"
        operator += (Grant("roles/datastore.user", place, "keep journal, lock and evidence"),)
    return {
        "operator": (*operator, *person, *monitoring),
        "pipeline": (*operator, *monitoring),
        "service account": tuple(account),
        "tick invoker": (Grant("roles/run.invoker", service, "call /cron/tick"),),
    }

"""The service's URL: Cloud Run knows it, and Cloud Scheduler's job has it as well."""

from __future__ import annotations

from collections.abc import Callable
from threading import Thread

from emonk_ops.errors import CloudError
from emonk_ops.ports import CloudRun, TickJobs
from emonk_ops.settings import Environment

PATIENCE_SECONDS = 2.5  # so that what must be stopped within 5 s is not waited for


def address_of(env: Environment, run: Callable[[], CloudRun], jobs: Callable[[], TickJobs]) -> str:
    """Raises what Cloud Run's API says where the job has no answer either."""
    answers: list[str] = []
    failures: list[Exception] = []

    def ask() -> None:
        try:
            answers.append(run().describe_service().uri)
        except Exception as error:
            failures.append(error)

    asking = Thread(target=ask, name="service-address", daemon=True)
    asking.start()
    asking.join(PATIENCE_SECONDS)
    if not answers and (found := _by_job(env, jobs)):
        return found
    asking.join()
    if answers:
        return answers[0]
    raise failures[0]


def _by_job(env: Environment, jobs: Callable[[], TickJobs]) -> str:
    """What the job calls, without the path; empty where that is something else."""
    try:
        job = jobs().describe()
    except CloudError:
        return ""
    path = env.service.tick_path
    return job.spec.uri.removesuffix(path) if job and job.spec.uri.endswith(path) else ""

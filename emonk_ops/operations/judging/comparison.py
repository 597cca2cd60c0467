"""The shadow compared: entries of a service, or of a file, with the jobs as they are defined."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from emonk_ops.errors import UsageError
from emonk_ops.operations.analysis.exported import entries_of
from emonk_ops.operations.analysis.reading import EXECUTIONS, REQUESTS, SERVICE_LINES
from emonk_ops.operations.analysis.spool import Spool
from emonk_ops.operations.cadence import longest_pause
from emonk_ops.operations.job_definitions import known_jobs, read_definitions
from emonk_ops.operations.judging.certificate import Mutation, certificate
from emonk_ops.operations.judging.judge import judge
from emonk_ops.operations.judging.rules import Rules
from emonk_ops.operations.judging.verdicts import Judgement
from emonk_ops.ports import LogEntry
from emonk_ops.settings import Environment
from emonk_ops.tick.jobs import Job
from emonk_ops.toolbox import Toolbox

LEAST_HOURS = 1.0  # a shadow that is configured shorter says that it is no evidence
LEASE_SECONDS = 300.0  # the service's own, unless its environment says another


@dataclass(frozen=True)
class Comparison:
    """The judgement, and what the same window would have caught."""

    judgement: Judgement
    certificate: tuple[Mutation, ...]


def compare(
    spool: Spool,
    jobs: Sequence[Job],
    env: Environment,
    *,
    since: datetime | None = None,
    until: datetime | None = None,
    lease_seconds: float = LEASE_SECONDS,
    certified: bool = True,
) -> Comparison:
    """Judge what is in the spool; its first and last record bound the window unless told.

    Raises UsageError where there is nothing to judge.
    """
    span = spool.span
    if span is None:
        raise UsageError(
            f"none of {spool.seen.entries} entries is a line of the service, a request or an "
            "execution",
            hint="emonk-ops shadow check-logs says what is missing",
        )
    begin, end = since or span[0], until or span[1]
    if begin >= end:
        raise UsageError(
            f"the window is empty: {begin.isoformat()} to {end.isoformat()}",
            hint="Give an earlier --since",
        )
    rules = rules_of(env, begin, end, lease_seconds)
    path = env.service.tick_path
    found = judge(spool, jobs, rules, spool.seen, path)
    if not certified:
        return Comparison(found, ())
    return Comparison(found, certificate(spool, found, jobs, rules, spool.seen, path))


def rules_of(env: Environment, begin: datetime, end: datetime, lease_seconds: float) -> Rules:
    return Rules(
        begin=begin,
        end=end,
        cadence=env.cadence,
        time_zone=env.time_zone,
        interval_seconds=longest_pause(env.cadence, env.time_zone, begin),
        lease_seconds=lease_seconds,
        least_hours=min(LEAST_HOURS, env.shadow_hours),
    )


def lease_of(env: Environment) -> float:
    """As the service's environment sets it. Raises UsageError for what is no number."""
    text = env.service_env.get("SCHEDULER_LEASE_SECONDS", "")
    try:
        return float(text) if text else LEASE_SECONDS
    except ValueError as error:
        raise UsageError(
            f"SCHEDULER_LEASE_SECONDS={text} of {env.name} is no number of seconds",
            hint=f"Correct it under [env.{env.name}.service_env] in emonk-ops.toml",
        ) from error


def logged(tools: Toolbox, since: datetime, until: datetime) -> Iterator[LogEntry]:
    """All that the judge needs of the project's log, in one query, page by page."""
    return tools.logs.entries(query_of(tools.env), since=since, until=until)


def query_of(env: Environment) -> str:
    """OR binds more strongly than AND in Cloud Logging, so all is in parentheses."""
    service = env.service
    lines = " OR ".join(f'jsonPayload.message="{message}"' for message in SERVICE_LINES)
    requests = f'(log_id("{REQUESTS}") AND httpRequest.requestUrl:"{service.tick_path}")'
    own = (
        f'(resource.type="cloud_run_revision" AND resource.labels.service_name="{service.name}"'
        f" AND ({requests} OR {lines}))"
    )
    executions = (
        f'(resource.type="cloud_scheduler_job" AND resource.labels.job_id="{service.job}"'
        f' AND log_id("{EXECUTIONS}"))'
    )
    return f"{own} OR {executions}"


def definitions(open_toolbox: Callable[[], Toolbox], file: Path | None) -> tuple[Job, ...]:
    """The jobs as the service or `job_definitions` has them, or as they are in `file`."""
    if file is not None:
        return read_definitions(file)
    return known_jobs(open_toolbox()).jobs


def read_file(path: Path) -> Spool:
    return Spool(entries_of(path))

"""The causes as a document for reading at night: what to see, what to type, whom to call."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from emonk_ops.operations.diagnosing.causes import CAUSES
from emonk_ops.operations.diagnosing.model import Cause, Issue
from emonk_ops.operations.diagnosing.symptoms import SYMPTOMS
from emonk_ops.operations.diagnosing.typed import commands_in, marked, twin_of
from emonk_ops.settings import Environment, Target

TITLES: Mapping[Issue, str] = {
    Issue.NOT_EXECUTING: "Jobs not executing",
    Issue.DUPLICATE: "Duplicate execution",
    Issue.NOT_TRIGGERING: "Scheduler not triggering",
    Issue.LATENCY: "High latency",
}
OPEN = {"caller": "ACCOUNT", "account": "ACCOUNT", "concurrency": "N", "shards": "N"}
URL = (
    "SERVICE_URL=$(gcloud run services describe {service} --project {project} "
    "--region {region} --format 'value(status.url)')"
)
LEVELS = (
    "this runbook, and docs/SCHEDULER_SETUP.md",
    "logs and the stored jobs: the debug commands below",
    "the emergency procedure: `emonk-ops rollback --emergency`",
    "Google Cloud support, for trouble of the platform",
)


def runbook(env: Environment) -> str:
    """Markdown, with the environment's names and the contacts of `[escalation]`."""
    parts = [*_first_minute(env), *_issues(env), *_debug(env), *_escalation(env)]
    return "\n".join(parts) + "\n"


def _first_minute(env: Environment) -> Iterator[str]:
    name = env.name
    yield f"# Runbook: scheduled jobs of {env.service.name}"
    yield ""
    yield f"Every command is for `{name}`. It is written by `emonk-ops runbook --env {name}`."
    yield ""
    yield "## The first minute"
    yield ""
    yield "```bash"
    yield f"emonk-ops status --env {name}      # who drives, what serves, what is unfinished"
    yield f"emonk-ops diagnose --env {name}    # the cause, with its evidence and the next command"
    yield "```"
    yield ""
    yield "`diagnose` names the first cause on top. `--fix` does what is safe, after it has asked."
    yield "It says so where nothing is wrong, and where it could not look."
    yield ""
    yield "Jobs do harm, or nobody knows why? Go back first, and ask afterwards:"
    yield ""
    yield "```bash"
    yield "emonk-ops rollback --emergency"
    yield "```"
    yield ""
    yield "It asks nothing and builds nothing: ticks stop within seconds, the legacy loop (or the"
    yield "revision before the last stage) drives again with all jobs, and nothing goes forward"
    yield f"until `emonk-ops resume --env {name} --reason WHY`."
    yield ""
    yield "Without emonk-ops at hand, the first line stops all ticks, and the second is what the"
    yield "commands below mean by `SERVICE_URL`:"
    yield ""
    yield "```bash"
    yield _named(twin_of("emonk-ops scheduler pause"), env)
    yield _named(URL, env)
    yield "```"
    if env.target is Target.SANDBOX:
        yield ""
        yield 'Here gcloud has to be led to the sandbox: `eval "$(emonk-ops sandbox env)"`.'


def _issues(env: Environment) -> Iterator[str]:
    for symptom in SYMPTOMS:
        issue = symptom.issue
        yield ""
        yield f"## {TITLES[issue]}"
        yield ""
        yield f"Symptom: {symptom.words}."
        yield f"Measured by `emonk-ops diagnose {issue} --env {env.name}`."
        for cause in CAUSES:
            if cause.issue is issue:
                yield from _cause(cause, env)
        others = [f"[{one.id}](#{one.id})" for one in CAUSES if issue in one.also]
        if others:
            yield ""
            yield f"It also follows from: {', '.join(others)}."


def _cause(cause: Cause, env: Environment) -> Iterator[str]:
    yield ""
    yield f"### {cause.id}"
    yield ""
    yield f"{cause.sentence} Seen as: {cause.symptom}"
    yield ""
    yield from _line("See", cause.see, env)
    yield from _line("Do", cause.command, env)
    if cause.fix:
        yield (
            f"- At once: `emonk-ops diagnose {cause.issue} --env {env.name} --fix` ({cause.fix})"
        )
    yield f"- Over when: {_named(marked(cause.over), env)}"


def _line(what: str, text: str, env: Environment) -> Iterator[str]:
    yield f"- {what}: {_named(marked(text), env)}"
    for command in commands_in(text):
        if command.startswith("emonk-ops") and (twin := twin_of(command)):
            yield f"  - by hand: `{_named(twin, env)}`"


def _debug(env: Environment) -> Iterator[str]:
    name = env.name
    yield ""
    yield "## Debug commands"
    yield ""
    yield "Each prints with `--show-query` the filter or the call that it used."
    yield ""
    yield "```bash"
    yield f"emonk-ops logs ticks --env {name} --limit 20    # what the last ticks did"
    yield f"emonk-ops logs job JOB_ID --env {name}          # one job's lines"
    yield f"emonk-ops logs errors --env {name}              # what was logged as an error"
    yield f"emonk-ops logs firestore --env {name}           # the store, as ticks and audit see it"
    yield f"emonk-ops jobs why JOB_ID --env {name}          # why a slot ran, late, twice or not"
    yield f"emonk-ops scheduler run --env {name}            # one tick by hand"
    yield f"emonk-ops diagnose --env {name} --bundle support.tar.gz   # for whoever helps"
    yield "```"


def _escalation(env: Environment) -> Iterator[str]:
    yield ""
    yield "## Whom to call next"
    yield ""
    yield "| level | what | who |"
    yield "|---|---|---|"
    for number, what in enumerate(LEVELS, 1):
        who = env.escalation.get(f"level_{number}", "") or f"(set level_{number} in [escalation])"
        yield f"| {number} | {what} | {who} |"


class _Names(dict[str, str]):
    """Names that only the symptom at hand fills in stay as words in capitals."""

    def __missing__(self, name: str) -> str:
        return name.upper()


def _named(text: str, env: Environment) -> str:
    return text.format_map(
        _Names(
            **OPEN,
            env=env.name,
            service=env.service.name,
            job=env.service.job,
            project=env.project,
            region=env.service.region,
            invoker=env.tick_invoker,
        )
    )

"""The commands, put together. Only the module of the command that is typed is imported."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

import typer

from emonk_ops.cli.lazy import Entry, LazyGroup

JournalListener = Callable[[str, int], None]
ENTRIES = {
    "stage": Entry("Run a stage of the rollout.", "stage", "stage_app"),
    "rollback": Entry(
        "Undo the newest stage, from what was captured before it.", "rollback", "register_rollback"
    ),
    "resume": Entry(
        "Lift the hold that a rollback left, saying why it may go on.",
        "rollback",
        "register_resume",
    ),
    "hold": Entry("Let nothing go forward until `resume`, saying why.", "hold"),
    "status": Entry(
        "Who drives, what serves, the job, stages, hold, lock, and what is unfinished.", "status"
    ),
    "diagnose": Entry(
        "What is wrong: symptoms measured, causes with their evidence, the next command.",
        "diagnose",
    ),
    "history": Entry(
        "The journal: who did what, when, why, with what result.",
        "history",
    ),
    "logs": Entry("The service's log, through the Logging API.", "logs", "logs_app"),
    "jobs": Entry("The stored jobs: look, change, carry, explain, audit.", "jobs", "jobs_app"),
    "shadow": Entry(
        "Both paths side by side: watched, judged, and what the judge lacks.",
        "shadow",
        "shadow_app",
    ),
    "judge": Entry(
        "Reach a run's verdicts again from its evidence, offline; --with tries other thresholds.",
        "judge",
    ),
    "report": Entry(
        "A page, Markdown, plots and verdicts of a rollout, from its journal and evidence.",
        "report",
    ),
    "inject": Entry(
        "Controlled faults: proven to have landed, undone, judged; and the suites.",
        "inject",
        "inject_app",
    ),
    "validate": Entry(
        "The review after 30 days: the guide's success criteria over covered days.", "validate"
    ),
    "retrospective": Entry(
        "What there is to learn: four lessons from the journal, each sentence with its evidence.",
        "retrospective",
    ),
    "runbook": Entry(
        "Print the runbook as Markdown: symptoms, causes, commands, whom to call.", "runbook"
    ),
    "cost": Entry(
        "What Firestore and Cloud Scheduler cost in a month, from what the ticks read and wrote.",
        "cost",
    ),
    "scheduler": Entry("The environment's Cloud Scheduler job.", "scheduler", "scheduler_app"),
    "alerts": Entry(
        "The alert policies, whom they notify, and the metrics they go by.", "alerts", "alerts_app"
    ),
    "dashboard": Entry(
        "The dashboard: executions, requests, latency, jobs, errors, lag, cost.",
        "dashboard",
        "dashboard_app",
    ),
    "lock": Entry("The environment's lock: one rollout at a time.", "lock", "lock_app"),
    "cleanup": Entry(
        "Remove the in-process loop from a service's source: shown as a patch, or written.",
        "cleanup",
    ),
    "init": Entry(
        "Write a documented emonk-ops.toml here; with --sandbox a service to rehearse with, too.",
        "init",
    ),
    "config": Entry("The settings and where they come from.", "config", "config_app"),
    "sandbox": Entry("A Google Cloud in a directory, to rehearse in.", "sandbox", "sandbox_app"),
    "rehearse": Entry(
        "Play the rollout in the sandbox: both environments, failures, rollbacks, days of soak.",
        "rehearsal_command",
    ),
    "help": Entry("Things worth knowing.", "help_topics", "help_app"),
}


class Root(LazyGroup):
    entries = ENTRIES


def build() -> typer.Typer:
    app = typer.Typer(
        cls=Root,
        help="Moves a Cloud Run service's scheduled jobs to Cloud Scheduler, stage by stage, "
        "with evidence and rollback.",
        no_args_is_help=True,
        context_settings={"help_option_names": ["-h", "--help"]},
        pretty_exceptions_enable=False,
    )
    app.callback()(_root)
    return app


def run(argv: list[str], *, journal_listener: JournalListener | None = None) -> int:
    """Run one command and return its exit code."""
    from emonk_ops.cli.collaborators import Collaborators

    with_ = Collaborators(journal_listener=journal_listener, argv=tuple(argv))
    try:
        app(args=argv, prog_name="emonk-ops", obj=with_)
    except SystemExit as ended:
        return int(ended.code or 0)
    return 0


def _root(
    version: Annotated[
        bool, typer.Option("--version", is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    if version:
        from importlib.metadata import version as version_of

        typer.echo(f"emonk-ops {version_of('emonk-ops')}")
        raise typer.Exit


app = build()

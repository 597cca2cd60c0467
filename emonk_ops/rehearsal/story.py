"""What the rehearsal plays, as data: each act is a command line and the exit code it must have."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from emonk_ops.errors import ExitCode

BROKEN_IMAGE = "emonk-agent-broken"
# A container that writes a line and ends before it ever listens.
BROKEN_COMMAND = ("python", "-c", "import sys; sys.exit('cannot import name: scheduler')")

ATTESTED = (
    ("code-review", "rehearsal: the change was read by two people"),
    ("lint", "rehearsal: no linter is configured here"),
    ("type-check", "rehearsal: no type checker is configured here"),
)

INCIDENT_PLAN = ("incident-plan", "rehearsal: the runbook beside the on-call's bed")
NO_OTHER_CALLERS = ("no-performance-degradation", "rehearsal: nobody else calls the service")
DASHBOARDS = ("dashboards-reviewed", "rehearsal: looked at, nothing odd")


@dataclass(frozen=True)
class Act:
    """One command of the story."""

    title: str
    argv: tuple[str, ...]  # after `emonk-ops`
    expected: ExitCode = ExitCode.DONE
    env: Mapping[str, str] = field(default_factory=dict)


def confirmations() -> tuple[str, ...]:
    """`--confirm` for what no machine, or not this target, can answer."""
    return confirm(*ATTESTED)


def confirm(*words: tuple[str, str]) -> tuple[str, ...]:
    return tuple(part for name, word in words for part in ("--confirm", f"{name}={word}"))


def prologue() -> tuple[Act, ...]:
    """A sandbox with the world before the migration, and a service of one's own."""
    return (
        Act(
            "A Google Cloud in this machine: emonk-agent already runs on its legacy loop",
            ("sandbox", "up", "--detach", "--clock", "virtual"),
        ),
        Act("Settings and a small service beside them", ("init", "--sandbox")),
        Act("Before anything: who drives?", ("status", "--env", "qa")),
    )


def qa_stages() -> tuple[Act, ...]:
    """Stages 0 to 2 in QA, with a failing deployment and a rollback on the way."""
    return (
        Act("Stage 0: is everything in place?", ("stage", "0", "--env", "qa", *confirmations())),
        Act("Stage 1: what would it do?", ("stage", "1", "--env", "qa", "--plan")),
        Act("Stage 1: deploy with both paths", ("stage", "1", "--env", "qa")),
        Act(
            "An image whose container never becomes ready",
            ("sandbox", "image", "add", BROKEN_IMAGE, "--", *BROKEN_COMMAND),
        ),
        Act(
            "Stage 1 again, with that image: it must be rolled back",
            ("stage", "1", "--env", "qa"),
            ExitCode.ROLLED_BACK,
            {"EMONK_IMAGE": BROKEN_IMAGE},
        ),
        Act(
            "After a rollback nothing goes forward", ("stage", "2", "--env", "qa"), ExitCode.REFUSED
        ),
        Act(
            "Somebody says why it may",
            ("resume", "--env", "qa", "--reason", "the broken image was withdrawn"),
        ),
        Act(
            "Stage 1 once more: un-pins, and reads back what serves", ("stage", "1", "--env", "qa")
        ),
        Act("Stage 2: Cloud Scheduler becomes the only driver", ("stage", "2", "--env", "qa")),
        Act("Who drives now?", ("status", "--env", "qa")),
        Act("The last ticks", ("logs", "ticks", "--env", "qa", "--limit", "3")),
    )


def qa_shadow_and_cutover() -> tuple[Act, ...]:
    """Stages 3 and 4 in QA: an hour, a day, the failures, and the way back rehearsed."""
    return (
        Act("Stage 3: an hour in which both paths drive, judged", ("stage", "3", "--env", "qa")),
        Act("Alerts and whom they reach", ("alerts", "apply", "--env", "qa")),
        Act(
            "Stage 4: jobs into Firestore, the loop ends, a day of watching; one word is missing",
            ("stage", "4", "--env", "qa", *confirm(INCIDENT_PLAN)),
            ExitCode.REFUSED,
        ),
        Act("The guide's failures, each proven to have landed", ("inject", "suite", "--env", "qa")),
        Act("Stage 4 goes on from there", ("stage", "4", "--env", "qa")),
        Act("The way back, rehearsed and timed", ("rollback", "drill", "--env", "qa")),
    )


def production_stages() -> tuple[Act, ...]:
    """Production, at a tick a minute: the loop drives until the shadow, Firestore at the end."""
    production = ("--env", "production", "--yes")
    return (
        Act("Production, stage 0", ("stage", "0", *production, *confirmations())),
        Act("Production, stage 1", ("stage", "1", *production)),
        Act(
            "Production, stage 2: the job is made, paused; a canary tick",
            ("stage", "2", *production),
        ),
        Act(
            "Production, stage 3: a shadow until its samples say enough",
            ("stage", "3", *production, *confirm(NO_OTHER_CALLERS)),
        ),
        Act("Production, alerts", ("alerts", "apply", *production)),
        Act(
            "Production, stage 4: a day at a tick a minute",
            ("stage", "4", *production, *confirm(INCIDENT_PLAN, DASHBOARDS)),
        ),
        Act("Who drives production now?", ("status", "--env", "production")),
        Act("What it costs", ("cost", "--env", "production")),
        Act("Production back to the shadow: nothing is lost", ("rollback", *production)),
        Act("And who drives now?", ("status", "--env", "production")),
    )


def epilogue() -> tuple[Act, ...]:
    """Back again, and the record of it all."""
    return (
        Act("Rolling back the newest stage: the plan", ("rollback", "--env", "qa", "--plan")),
        Act("Rolling back the newest stage", ("rollback", "--env", "qa", "--yes")),
        Act("Who drives after it?", ("status", "--env", "qa")),
        Act("Rolling back twice does no harm", ("rollback", "--env", "qa", "--yes")),
        Act("What the journal says", ("history", "--env", "qa")),
    )


def short_story() -> tuple[Act, ...]:
    """Stages 0 to 2 in QA: some seconds."""
    return (*prologue(), *qa_stages(), *epilogue())


def whole_story() -> tuple[Act, ...]:
    """Stages 0 to 4 in both environments, with an hour and a day at the guide's cadence."""
    return (
        *prologue(),
        *qa_stages(),
        *qa_shadow_and_cutover(),
        *production_stages(),
        *epilogue(),
    )

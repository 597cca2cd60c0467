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


@dataclass(frozen=True)
class Act:
    """One command of the story."""

    title: str
    argv: tuple[str, ...]  # after `emonk-ops`
    expected: ExitCode = ExitCode.DONE
    env: Mapping[str, str] = field(default_factory=dict)


def confirmations() -> tuple[str, ...]:
    """`--confirm` for what no machine, or not this target, can answer."""
    return tuple(part for name, word in ATTESTED for part in ("--confirm", f"{name}={word}"))


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


def epilogue() -> tuple[Act, ...]:
    """Back again, and the record of it all."""
    return (
        Act("Rolling back stage 2: the plan", ("rollback", "--env", "qa", "--plan")),
        Act("Rolling back stage 2", ("rollback", "--env", "qa", "--yes")),
        Act("Who drives after it?", ("status", "--env", "qa")),
        Act("Rolling back twice does no harm", ("rollback", "--env", "qa", "--yes")),
        Act("What the journal says", ("history", "--env", "qa")),
    )


def whole_story() -> tuple[Act, ...]:
    return (*prologue(), *qa_stages(), *epilogue())

"""What `rehearse --break WHAT` plays: a rollout into which something bad is planted."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from emonk_ops.errors import ExitCode
from emonk_ops.rehearsal.acts import KILLED, Act, confirm
from emonk_ops.rehearsal.story import INCIDENT_PLAN, failing_deploy, prologue, stage_0

QA = ("--env", "qa", "--yes")
CUTOVER = ("stage", "4", *QA, *confirm(INCIDENT_PLAN))
UNREACHABLE = '{"url": "http://127.0.0.1:9/"}'  # nothing listens on the port for discarded data
# These stories are about what breaks, not about how long nothing does.
SHORTENED = {"EMONK_SOAK_HOURS": "1"}


def _to(stage: int) -> tuple[Act, ...]:
    return tuple(
        Act(f"QA, stage {number}", ("stage", str(number), *QA)) for number in range(1, stage + 1)
    )


def _end(*, driver: str) -> tuple[Act, ...]:
    return (
        Act("Who drives now, and what holds?", ("status", "--env", "qa"), shows=(driver,)),
        Act("What the journal says", ("history", "--env", "qa")),
    )


def _later(minutes: int) -> Act:
    return Act(f"{minutes} minutes later", ("sandbox", "clock", "advance", f"{minutes}m"))


def broken_deploy() -> tuple[Act, ...]:
    return (
        stage_0("qa"),
        *_to(1),
        *failing_deploy()[:3],
        *_end(driver="the legacy loop drives"),
    )


def shadow_mismatch() -> tuple[Act, ...]:
    begun = Act("Stage 3 begins its hour", ("stage", "3", *QA, "--no-wait"), ExitCode.WAITING)
    return (
        stage_0("qa"),
        *_to(2),
        begun,
        _later(11),
        replace(begun, title="Both paths have ticked: the hour runs"),
        _later(20),
        Act(
            "The loop ran a slot that no schedule has",
            (
                *("sandbox", "fault", "log-line"),
                'jsonPayload.decision="execute" AND jsonPayload.path="loop"',
                *("--set", "slot=+30s", "--set", "fence=+1"),
                *("--set", "sequence=next"),
            ),
            why="Planted into the log, as a service that matches nothing would have written it.",
        ),
        Act(
            "The judge sees it: back to what was before the shadow",
            ("stage", "3", *QA, "--no-wait"),
            ExitCode.ROLLED_BACK,
            shows=("nothing-unexpected",),
        ),
        *_end(driver="Cloud Scheduler drives"),
    )


def _cutover_begins() -> tuple[Act, ...]:
    return (
        stage_0("qa"),
        *_to(3),
        Act("Alerts and whom they reach", ("alerts", "apply", *QA)),
        Act("Stage 4 cuts over", (*CUTOVER, "--no-wait"), ExitCode.WAITING),
        _later(6),
        Act("A tick was seen: its soak begins", (*CUTOVER, "--no-wait"), ExitCode.WAITING),
        _later(20),
    )


def duplicate() -> tuple[Act, ...]:
    return (
        *_cutover_begins(),
        Act(
            "A slot that succeeded twice",
            (
                *("sandbox", "fault", "log-line", 'jsonPayload.message="Job succeeded"'),
                *("--set", "fence=+1"),
            ),
            why="Planted into the log: two leases for one slot, as if locking had failed.",
        ),
        _later(20),
        Act(
            "One is enough: stage 4 is rolled back",
            (*CUTOVER, "--no-wait"),
            ExitCode.ROLLED_BACK,
            shows=("duplicates",),
        ),
        *_end(driver="both drive (shadow)"),
    )


def error_burst() -> tuple[Act, ...]:
    failing = ("jobs", "schedule", *QA, "--type", "http", "--payload", UNREACHABLE)
    return (
        *_cutover_begins(),
        Act(
            "Jobs whose target is gone",
            (*failing, "--every", "60", "--id", "burst", "--reason", "planted"),
        ),
        _later(40),
        Act(
            "The soak sees it: stage 4 is rolled back",
            (*CUTOVER, "--no-wait"),
            ExitCode.ROLLED_BACK,
            shows=("errors",),
        ),
        *_end(driver="both drive (shadow)"),
    )


def injector_killed() -> tuple[Act, ...]:
    return (
        stage_0("qa"),
        *_to(3),
        Act("Alerts and whom they reach", ("alerts", "apply", *QA)),
        Act("Stage 4; no failure was seen handled yet", CUTOVER, ExitCode.REFUSED),
        Act(
            "Firestore's role is taken away, and the injector dies",
            ("inject", "firestore-outage", *QA),
            KILLED,
            killed_at="injection.landed",
        ),
        Act("Nothing goes forward meanwhile", CUTOVER, ExitCode.REFUSED, shows=("inject restore",)),
        Act(
            "Anybody who shares the journal puts it back",
            ("inject", "restore", "--all", "--env", "qa"),
            shows=("datastore.user", "undone"),
        ),
        *_end(driver="Cloud Scheduler drives"),
    )


BREAKS: Mapping[str, Callable[[], tuple[Act, ...]]] = {
    "shadow-mismatch": shadow_mismatch,
    "duplicate": duplicate,
    "failing-deploy": broken_deploy,
    "error-burst": error_burst,
    "injector-killed": injector_killed,
}


def broken_story(what: str) -> tuple[Act, ...]:
    """Raises KeyError for what is in no story."""
    acts = (*prologue(), *BREAKS[what]())
    return tuple(replace(one, env={**SHORTENED, **one.env}) for one in acts)

"""`emonk-ops rollback --emergency`: for somebody who was woken up. It asks nothing."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from emonk_ops.cli.desk import Desk, header
from emonk_ops.clock import Stopwatch, process_age
from emonk_ops.errors import ExitCode, RestoreIncomplete

if TYPE_CHECKING:
    from emonk_ops.rollout.book import Book
    from emonk_ops.rollout.emergency import Emergency
    from emonk_ops.rollout.emergency_report import EmergencyReport


def emergency(desk: Desk, *, plan: bool, reason: str) -> ExitCode:
    entered, age = Stopwatch(), process_age()
    _aim(desk)
    desk.screen.line(header(desk.env))
    run = _prepared(desk, reason, entered, age)
    if plan:
        return _plan(desk, run)
    report = run.go()
    return _finish(desk, report)


def _aim(desk: Desk) -> None:
    """`--env`, else what the settings name for this, else EMONK_ENV."""
    if desk.aim.env is None and desk.settings.emergency_env:
        desk.aim = replace(desk.aim, env=desk.settings.emergency_env)


def _prepared(desk: Desk, reason: str, entered: Stopwatch, age: float) -> Emergency:
    from emonk_ops.cli.render_plain import PlainRenderer
    from emonk_ops.rollout.emergency import Emergency
    from emonk_ops.rollout.events import Noted

    screen = PlainRenderer(desk.screen)  # a live screen takes longer to begin
    tools = desk.with_.open_toolbox(
        desk.env,
        waits=True,
        keep=desk.folder / "keep",
        say=lambda line: screen.notice(Noted(line)),
    )
    return Emergency(
        tools,
        lambda: desk.book,
        lambda: _aside(desk),
        desk.state.evidence,
        screen,
        who=desk.who,
        reason=reason,
        entered=entered,
        age=age,
    )


def _aside(desk: Desk) -> Book:
    """A journal of this machine, for when the environment's own cannot be used."""
    from emonk_ops.rollout.book import Book
    from emonk_ops.rollout.journal import Journal
    from emonk_ops.rollout.lock import Lock

    clock = desk.with_.clock
    return Book(
        journal=Journal(desk.folder / "emergency.jsonl", clock=clock),
        lock=Lock(desk.folder / "emergency.lock", clock=clock),
        who=desk.who,
        new_run_id=desk.with_.new_run_id,
    )


def _plan(desk: Desk, run: Emergency) -> ExitCode:
    planned = run.plan()
    desk.screen.line(f"an emergency rollback would do this, as {planned.told_by} has it:")
    for step in planned.steps:
        budget = f" (within {step.budget_seconds:g} s)" if step.budget_seconds else ""
        desk.screen.line(f"  {step.id}: {step.title}{budget}")
    data = {"stage": planned.stage, "steps": [step.id for step in planned.steps]}
    return desk.answer(data, hint=f"emonk-ops rollback --emergency --env {desk.env.name}")


def _finish(desk: Desk, report: EmergencyReport) -> ExitCode:
    name = desk.env.name
    for line in _times(report):
        desk.screen.line(line)
    for one in report.outcomes:
        if one.result is not None and one.result.facts.get("lost"):
            desk.screen.line(f"! {one.result.summary}")
    faults = _open_faults(desk)
    for line in faults:
        desk.screen.line(line)
    if report.complete:
        desk.screen.line(
            f"DONE: stage {report.stage} is rolled back in {name} in {report.seconds:.1f} s; "
            f"{name} is on hold"
        )
        after = "inject restore --all" if faults else "status"
        return desk.answer(
            {**report.to_data(), "open_faults": faults}, hint=f"emonk-ops {after} --env {name}"
        )
    error = RestoreIncomplete(
        f"the emergency rollback did not complete; left: {'; '.join(report.left)}. {report.drives}",
        hint=f"emonk-ops rollback --emergency --env {name}",
    )
    desk.screen.line(f"RESTORE INCOMPLETE: {error.message}")
    code = ExitCode.RESTORE_INCOMPLETE
    return desk.answer(report.to_data(), code=code, errors=(error,), hint=error.hint)


def _times(report: EmergencyReport) -> list[str]:
    from emonk_ops.operations.emergency import MOVED_SECONDS, STOPPED_SECONDS

    pairs = (
        ("what drove was stopped", report.stopped_seconds, STOPPED_SECONDS),
        ("traffic was moved and verified", report.moved_seconds, MOVED_SECONDS),
    )
    return [
        f"{what} {took:.1f} s after Enter, of {budget:g} s"
        f"{', OVER BUDGET' if took > budget else ''}"
        for what, took, budget in pairs
        if took is not None
    ]


def _open_faults(desk: Desk) -> list[str]:
    """Faults that somebody injected are not this command's to undo, and must not be forgotten."""
    from emonk_ops.cli.unfinished import injection_sentence
    from emonk_ops.errors import OpsError

    try:
        open_ones = desk.book.standing().injections.open
    except OpsError:
        return []
    return [f"! unfinished: {injection_sentence(one, desk.env.name)}" for one in open_ones]

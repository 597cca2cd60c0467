"""One injection as typed: refused, asked for, run under the lock, and told."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from emonk_ops.cli.consent import AGREED, is_production
from emonk_ops.cli.desk import Desk
from emonk_ops.cli.screens import ask, can_ask
from emonk_ops.cli.unfinished import injection_sentence
from emonk_ops.errors import ExitCode, LockLost, OnHold, OpsError, Refused, RestoreIncomplete

if TYPE_CHECKING:
    from emonk_ops.operations.injection.model import Outcome, Plan
    from emonk_ops.rollout.book import RunRecord
    from emonk_ops.rollout.standing import Standing
    from emonk_ops.toolbox import Toolbox


def run_one(
    desk: Desk, name: str, given: Mapping[str, str], *, yes: bool, no_input: bool, reason: str
) -> ExitCode:
    from emonk_ops.operations.injection.catalogue import find, options_of
    from emonk_ops.operations.injection.phases import run_injection

    injection = find(name)
    chosen = options_of(injection, given)
    desk.show_header()
    require_free(desk.book.standing(), desk.env.name)
    agree(desk, f"inject {name}", yes=yes, no_input=no_input, reason=reason)
    with injecting(desk, f"inject {name}", reason) as (tools, run):
        outcome = run_injection(injection, tools, chosen, reason=reason)
        run.end(outcome.exit_code, f"{outcome.verdict}: {outcome.summary}")
    show(desk, outcome)
    return desk.answer(
        outcome.to_data(), code=outcome.exit_code, errors=_errors(outcome), hint=_hint(desk)
    )


def plan_one(desk: Desk, name: str, given: Mapping[str, str]) -> ExitCode:
    from emonk_ops.operations.injection.catalogue import find, options_of

    desk.show_header()
    data = planned(desk, desk.toolbox(), name, options_of(find(name), given))
    hint = f"emonk-ops inject {name} --env {desk.env.name}"
    return desk.answer(data, hint=hint)


def planned(desk: Desk, tools: Toolbox, name: str, chosen: Mapping[str, str]) -> dict[str, object]:
    """What it would do; nothing is written anywhere. Says what would refuse it."""
    from emonk_ops.operations.injection import preflight
    from emonk_ops.operations.injection.catalogue import find
    from emonk_ops.operations.injection.scene import scene_of

    injection = find(name)
    scene = scene_of(replace(tools, run_id="plan"), name, chosen)
    words = "".join(f" --{option} {value}" for option, value in chosen.items())
    desk.screen.line(f"{name}{words}: {injection.does}")
    desk.screen.line(f"    expected: {injection.expects}")
    if obstacle := injection.obstacle(scene):
        desk.screen.line(f"    NOT_EXERCISED here: {obstacle}")
        return {"name": name, "options": dict(chosen), "obstacle": obstacle}
    plan = injection.plan(scene)
    _show_plan(desk, plan)
    refused: list[str] = []
    checks: tuple[Callable[[], None], ...] = (
        lambda: preflight.require_sound(scene),
        lambda: preflight.require_allowed(tools, plan),
        lambda: preflight.require_permissions(tools, plan),
        lambda: require_free(desk.book.standing(), desk.env.name),
    )
    for check in checks:
        try:
            check()
        except OpsError as error:
            refused.append(error.message)
            desk.screen.line(f"    refused now: {error.message}")
    return {"name": name, "options": dict(chosen), **plan.to_data(), "refused": refused}


def require_free(standing: Standing, env: str) -> None:
    """No rollout half way, no hold, no fault that is still open. Raises Refused."""
    if left := standing.injections.open:
        raise Refused(
            f"an injected fault is not undone yet: {injection_sentence(left[0], env)}",
            hint=f"emonk-ops inject restore --all --env {env}",
        )
    if standing.hold is not None:
        raise OnHold(
            f"{env} is on hold since {standing.hold.since:%Y-%m-%d %H:%M:%S}Z: "
            f"{standing.hold.reason}",
            hint=f'emonk-ops resume --env {env} --reason "…"',
        )
    if half_way := standing.unfinished:
        raise Refused(
            f"{half_way[0].title} stopped half way; faults are injected into what is whole",
            hint=f"emonk-ops status --env {env}",
        )


def agree(desk: Desk, what: str, *, yes: bool, no_input: bool, reason: str) -> None:
    """Production is typed, or --yes and --reason say so; elsewhere a question where one can be."""
    name = desk.env.name
    if yes and (reason or not is_production(name)):
        return
    if can_ask(desk, no_input):
        question = f"{what} breaks {name} on purpose. "
        if is_production(name):
            if ask(desk, f"{question}Type its name to go on: ") == name:
                return
        elif yes or ask(desk, f"{question}Go on? [y/N] ").lower() in AGREED:
            return
        raise Refused("not agreed; nothing was changed")
    if is_production(name):
        raise Refused(
            f"{what} breaks {name} on purpose, and there is nobody to ask",
            hint=f'emonk-ops {what} --env {name} --yes --reason "who agreed, and why now"',
        )


@contextmanager
def injecting(desk: Desk, title: str, reason: str) -> Iterator[tuple[Toolbox, RunRecord]]:
    """The lock, the run in the journal, and ports that stop when the lock is lost."""
    from emonk_ops.rollout.book import Heading
    from emonk_ops.rollout.guarded import GuardedPorts
    from emonk_ops.rollout.injections import COMMAND

    desk.left_behind = lambda: left_behind(desk)
    tools = desk.toolbox(waits=True, say=lambda line: desk.screen.line(f"  {line}"))
    try:
        with desk.book.locked_run(Heading(COMMAND, title, reason=reason)) as run:
            run.changed = True

            def note(kind: str, body: Mapping[str, Any]) -> None:
                run.write(kind, body)

            yield (
                replace(
                    tools,
                    ports=GuardedPorts(tools.ports, run.require_lock),
                    note=note,
                    run_id=run.id,
                ),
                run,
            )
    except LockLost as error:
        if left := left_behind(desk):
            raise RestoreIncomplete(
                f"{error.message}; {left[0]}",
                hint=f"emonk-ops inject restore --all --env {desk.env.name}",
            ) from error
        raise


def left_behind(desk: Desk) -> tuple[str, ...]:
    """What is broken by an injection and not undone yet, in words."""
    name = desk.env.name
    return tuple(
        f"left: {injection_sentence(one, name)}" for one in desk.book.standing().injections.open
    )


def show(desk: Desk, outcome: Outcome) -> None:
    for one in outcome.observations:
        desk.screen.line(f"  {one.verdict:13} {one.id}: {one.expected}")
        desk.screen.line(f"                {one.summary}")
    desk.screen.line(f"{outcome.verdict} {outcome.name}: {outcome.summary}")
    for line in outcome.left:
        desk.screen.line(f"  type: {line}")


def _errors(outcome: Outcome) -> tuple[OpsError, ...]:
    if not outcome.left:
        return ()
    return (RestoreIncomplete(outcome.summary, hint=outcome.left[0]),)


def _hint(desk: Desk) -> str:
    if desk.book.standing().injections.open:
        return f"emonk-ops inject restore --all --env {desk.env.name}"
    return f"emonk-ops history --env {desk.env.name}"


def _show_plan(desk: Desk, plan: Plan) -> None:
    line: Callable[[str], None] = desk.screen.line
    line(f"    blast radius: {plan.radius.name.lower()}: {plan.touches}")
    line(
        f"    the fault lasts at most {plan.fault_seconds:.0f} s, and then restoring it at most "
        f"{plan.restore_seconds:.0f} s"
    )
    line(f"    if this tool dies: {plan.heals or 'NOTHING ends it but emonk-ops inject restore'}")

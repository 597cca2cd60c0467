"""`emonk-ops inject restore`: from the intent in the journal, on any machine that shares it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from emonk_ops.cli import inject_run
from emonk_ops.cli.desk import Desk
from emonk_ops.errors import ExitCode, RestoreIncomplete, UsageError, most_urgent

if TYPE_CHECKING:
    from emonk_ops.rollout.injections import Injected
    from emonk_ops.toolbox import Toolbox


def run(desk: Desk, wanted: str, every: bool, reason: str) -> ExitCode:
    desk.show_header(unfinished=False)
    left = desk.book.standing().injections.open
    chosen = _chosen(left, wanted, every)
    if not chosen:
        desk.screen.line("already so: no injected fault is open")
        return desk.answer({"restored": []})
    with inject_run.injecting(desk, "inject restore", reason) as (tools, record):
        found = [_restore(desk, tools, one) for one in chosen]
        bad = [one for one in found if not one["ok"]]
        code = most_urgent([ExitCode.RESTORE_INCOMPLETE] if bad else [])
        record.end(code, f"{len(found) - len(bad)} of {len(found)} restored")
    errors = tuple(
        RestoreIncomplete(f"{one['id']}: {'; '.join(one['left'])}", hint=one["commands"][0])
        for one in bad
    )
    hint = f"emonk-ops status --env {desk.env.name}"
    return desk.answer({"restored": found}, code=code, errors=errors, hint=hint)


def _restore(desk: Desk, tools: Toolbox, one: Injected) -> dict[str, Any]:
    from emonk_ops.operations.injection.ending import record_restored
    from emonk_ops.operations.injection.restore import Restored, healthy_again, restore

    desk.screen.line(f"{one.name} of run {one.run}, {one.at:%Y-%m-%d %H:%M:%S}Z:")
    fault = [action for action in one.undo if action["kind"] != "canary"]
    first = restore(tools, fault)
    ill = healthy_again(tools, fault)
    then = restore(tools, [action for action in one.undo if action["kind"] == "canary"])
    left = [*first.left, *([ill] if ill else []), *then.left]
    commands = [*first.commands, *then.commands]
    if ill:
        commands.append(f"emonk-ops status --env {desk.env.name}")
    for line in (*first.done, *then.done):
        desk.screen.line(f"  {line}")
    for line in left:
        desk.screen.line(f"  LEFT {line}")
    for line in commands:
        desk.screen.line(f"  type: {line}")
    done = (*first.done, *then.done)
    if not left and not one.verdict:
        found = record_restored(tools, one.id, one.name, one.options, Restored(done, (), ()))
        desk.screen.line(f"  {found.verdict} {one.name}: {found.summary}")
    body = {"id": one.id, "ok": not left, "left": left, "commands": commands}
    tools.note("injection.restored", body)
    return {**body, "done": list(done)}


def _chosen(left: tuple[Injected, ...], wanted: str, every: bool) -> tuple[Injected, ...]:
    """Those of a run, all, or the only one. Raises UsageError."""
    if every or (not wanted and len(left) <= 1):
        return left
    there = ", ".join(one.run for one in left) or "none"
    if not wanted:
        raise UsageError("which one? RUN says it, or --all", hint=f"Runs: {there}")
    chosen = tuple(one for one in left if wanted in (one.run, one.id))
    if not chosen:
        raise UsageError(f"no open fault is of a run {wanted}", hint=f"Runs: {there}")
    return chosen

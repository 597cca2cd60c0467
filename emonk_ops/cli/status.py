"""`emonk-ops status`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from emonk_ops.cli import options
from emonk_ops.cli.command import command
from emonk_ops.cli.desk import Desk
from emonk_ops.errors import ExitCode

if TYPE_CHECKING:
    from emonk_ops.rollout.situation import Part
    from emonk_ops.toolbox import Toolbox

WATCH_SECONDS = 5.0


def register(app: typer.Typer) -> None:
    command(app, "status")(status)


def status(desk: Desk, watch: options.Watch = False) -> ExitCode:
    """Who drives, what serves, the job, stages, hold, lock, and what is unfinished."""
    desk.show_header(unfinished=False)  # a part of its own says it
    if watch:
        return _watch(desk)
    parts = _all_parts(desk, desk.toolbox())
    for part in parts:
        _show(desk, part)
    data = {part.name.replace(" ", "_"): _data(part) for part in parts}
    asked = all(part.asked for part in parts)
    hint = next((part.hint for part in parts if part.hint and not part.ok), "")
    return desk.answer(data, code=ExitCode.DONE if asked else ExitCode.CLOUD, hint=hint)


def _watch(desk: Desk) -> ExitCode:
    """Shows every part whose sentence changed, until Ctrl-C or until the reader goes away."""
    from emonk_ops.clock import sleep

    seen: dict[str, str] = {}
    tools = desk.toolbox()
    while not desk.screen.gone and not desk.out.gone:
        for part in _all_parts(desk, tools):
            if seen.get(part.name) != part.sentence:
                seen[part.name] = part.sentence
                _show(desk, part)
                if desk.json:
                    desk.write_envelope({part.name: _data(part)}, code=ExitCode.DONE)
        sleep(desk.with_.clock, WATCH_SECONDS)
    return ExitCode.DONE


def _all_parts(desk: Desk, tools: Toolbox) -> list[Part]:
    from emonk_ops.cli.recorded import recorded_parts
    from emonk_ops.rollout.situation import describe

    return [*describe(tools), *recorded_parts(desk)]


def _show(desk: Desk, part: Part) -> None:
    mark = " " if part.ok else "!"
    desk.screen.line(f"{mark} {part.name:10} {part.sentence}")
    if part.hint and not part.ok:
        desk.screen.line(f"  {'':10} next: {part.hint}")


def _data(part: Part) -> dict[str, object]:
    return {
        "ok": part.ok,
        "asked": part.asked,
        "sentence": part.sentence,
        "facts": dict(part.facts),
        "hint": part.hint,
    }

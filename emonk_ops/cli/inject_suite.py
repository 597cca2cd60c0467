"""`emonk-ops inject suite`: several injections, one verdict, one record for the gates."""

from __future__ import annotations

from typing import TYPE_CHECKING

from emonk_ops.cli import inject_run
from emonk_ops.cli.desk import Desk
from emonk_ops.errors import ExitCode, Refused
from emonk_ops.rollout.injections import STAGE_4

if TYPE_CHECKING:
    from emonk_ops.operations.injection.catalogue import Part
    from emonk_ops.operations.injection.model import Outcome

APPENDIX = "appendix"


def run(desk: Desk, appendix: bool, *, yes: bool, no_input: bool, reason: str) -> ExitCode:
    from emonk_ops.operations.injection.model import EXIT_CODES
    from emonk_ops.operations.injection.suite import run_suite

    desk.show_header()
    _refuse_in_production(desk, appendix)
    inject_run.require_free(desk.book.standing(), desk.env.name)
    title = "inject suite --appendix" if appendix else "inject suite"
    inject_run.agree(desk, title, yes=yes, no_input=no_input, reason=reason)
    name, parts = _chosen(desk, appendix)

    def ended(part: Part, outcome: Outcome) -> None:
        desk.screen.line(f"{part.line}:")
        inject_run.show(desk, outcome)

    with inject_run.injecting(desk, title, reason) as (tools, record):
        verdict, found = run_suite(name, parts, tools, reason=reason, ended=ended)
        code = EXIT_CODES[verdict]
        good = sum(outcome.verdict == "PASS" for _, outcome in found)
        record.end(code, f"{verdict}: {good} of {len(parts)} passed")
    desk.screen.line(f"{verdict}: {good} of {len(parts)} passed")
    data = {
        "suite": name,
        "verdict": str(verdict),
        "parts": [{"line": part.line, **outcome.to_data()} for part, outcome in found],
    }
    return desk.answer(data, code=code, hint=f"emonk-ops history --env {desk.env.name}")


def plan_suite(desk: Desk, appendix: bool) -> ExitCode:
    from emonk_ops.operations.injection.catalogue import find, options_of

    desk.show_header()
    _refuse_in_production(desk, appendix)
    tools = desk.toolbox()
    name, parts = _chosen(desk, appendix)
    plans = []
    for part in parts:
        desk.screen.line(f"{part.line}:")
        chosen = options_of(find(part.injection), part.options)
        plans.append(inject_run.planned(desk, tools, part.injection, chosen))
    return desk.answer({"suite": name, "plans": plans})


def _chosen(desk: Desk, appendix: bool) -> tuple[str, tuple[Part, ...]]:
    from emonk_ops.operations.injection import catalogue
    from emonk_ops.operations.prerequisites import serving_revision

    if not appendix:
        return STAGE_4, catalogue.STAGE_4
    storage = serving_revision(desk.toolbox()).env.get("SCHEDULER_STORAGE", "json")
    return APPENDIX, catalogue.appendix(storage, desk.env.target == "sandbox")


def _refuse_in_production(desk: Desk, appendix: bool) -> None:
    from emonk_ops.cli.consent import is_production

    if appendix and is_production(desk.env.name):
        raise Refused(
            f"the appendix's tests are QA's, and {desk.env.name} is production",
            hint=f"emonk-ops inject suite --env {desk.env.name}, or --appendix --env qa",
        )

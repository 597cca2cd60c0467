"""The tests and linters of the service's own repository, run for real."""

from __future__ import annotations

from collections.abc import Mapping

from emonk_ops.ports import CommandResult, Commands
from emonk_ops.rollout.model import Finding, Verdict
from emonk_ops.settings import Argv
from emonk_ops.toolbox import Toolbox

LINES_SHOWN = 8


def unit_tests_pass(tools: Toolbox) -> Finding:
    return _tests_pass(tools, tools.env.commands.unit_tests, "unit_tests")


def integration_tests_pass(tools: Toolbox) -> Finding:
    return _tests_pass(tools, tools.env.commands.integration_tests, "integration_tests")


def lint_is_clean(tools: Toolbox) -> Finding:
    return _ends_well(tools, tools.env.commands.lint, "lint")


def types_check(tools: Toolbox) -> Finding:
    return _ends_well(tools, tools.env.commands.type_check, "type_check")


def _tests_pass(tools: Toolbox, argv: Argv, setting: str) -> Finding:
    return run_tests(tools.commands, argv, setting)


def run_tests(
    commands: Commands, argv: Argv, setting: str, env: Mapping[str, str] | None = None
) -> Finding:
    """Green needs a report with at least one test that ran: no tests is no evidence."""
    if not argv:
        return _not_configured(setting)
    result = commands.run(argv, env=env or {}, junit=True)
    facts = _facts(result)
    if result.tests is None:
        return _failed(result, f"exit {result.exit_code}, and no test report", facts)
    ran = result.tests - (result.skipped or 0)
    counts = f"{result.tests} tests, {result.failures} failed, {result.skipped} skipped"
    if result.exit_code != 0 or result.failures:
        return _failed(result, f"exit {result.exit_code}: {counts}", facts)
    if ran == 0:
        return Finding(Verdict.INCONCLUSIVE, f"{counts}: none ran", facts)
    return Finding(Verdict.PASS, f"{counts}, {result.seconds:.1f} s", facts)


def _ends_well(tools: Toolbox, argv: Argv, setting: str) -> Finding:
    if not argv:
        return _not_configured(setting)
    result = tools.commands.run(argv, env={})
    if result.exit_code != 0:
        return _failed(result, f"exit {result.exit_code}", _facts(result))
    last = result.last_lines[-1] if result.last_lines else "no output"
    return Finding(Verdict.PASS, f"exit 0, {result.seconds:.1f} s: {last}", _facts(result))


def _not_configured(setting: str) -> Finding:
    return Finding(
        Verdict.ASK,
        f"no command is configured for it ([commands] {setting})",
        {"setting": f"commands.{setting}"},
    )


def _failed(result: CommandResult, summary: str, facts: dict[str, object]) -> Finding:
    shown = " | ".join(result.last_lines[-LINES_SHOWN:])
    return Finding(
        Verdict.FAIL, f"{summary}: {shown}" if shown else summary, facts, " ".join(result.argv)
    )


def _facts(result: CommandResult) -> dict[str, object]:
    return {
        "argv": list(result.argv),
        "exit_code": result.exit_code,
        "seconds": round(result.seconds, 3),
        "tests": result.tests,
        "failures": result.failures,
        "skipped": result.skipped,
        "last_lines": list(result.last_lines[-LINES_SHOWN:]),
    }

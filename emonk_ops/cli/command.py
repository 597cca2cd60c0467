"""Turns a function into a command: shared options, one catch for errors, exit codes."""

from __future__ import annotations

import inspect
import threading
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import typer

from emonk_ops.cli import options
from emonk_ops.cli.collaborators import Collaborators
from emonk_ops.cli.desk import Aim, Desk
from emonk_ops.errors import ExitCode, OpsError

Action = Callable[..., ExitCode | None]
SHARED: tuple[tuple[str, Any, Any], ...] = (
    ("env", options.Env, None),
    ("config", options.Config, None),
    ("project", options.Project, None),
    ("region", options.Region, None),
    ("impersonate_service_account", options.Impersonate, None),
    ("json", options.Json, False),
)
HELP_NAMES = {"help_option_names": ["-h", "--help"]}


def group(help_text: str, **more: Any) -> typer.Typer:
    """An app for sub-commands."""
    return typer.Typer(
        help=help_text,
        no_args_is_help=True,
        context_settings=HELP_NAMES,
        pretty_exceptions_enable=False,
        **more,
    )


def command(
    app: typer.Typer, name: str, *, title: str = "", help_text: str = ""
) -> Callable[[Action], Action]:
    """Register `function(desk, …)`, which gets the shared options through its desk."""

    def register(function: Action) -> Action:
        def wrapper(ctx: typer.Context, **given: Any) -> None:
            aim = Aim(
                env=given.pop("env"),
                config=given.pop("config"),
                project=given.pop("project"),
                region=given.pop("region"),
                impersonate=given.pop("impersonate_service_account"),
            )
            with_ = ctx.obj if isinstance(ctx.obj, Collaborators) else Collaborators()
            desk = Desk(title or name, aim, given.pop("json"), with_)
            code = answered(desk, lambda: function(desk, **given))
            raise typer.Exit(int(code))

        wrapper.__name__ = function.__name__
        wrapper.__doc__ = function.__doc__
        wrapper.__signature__ = _signature(function)  # type: ignore[attr-defined]
        wrapper.__annotations__ = {}
        app.command(name, help=help_text or None, context_settings=HELP_NAMES)(wrapper)
        return function

    return register


def answered(desk: Desk, action: Callable[[], ExitCode | None]) -> ExitCode:
    """Run the command; every error becomes a sentence, an envelope and an exit code."""
    in_main = threading.current_thread() is threading.main_thread()
    try:
        with desk.interruption.listening() if in_main else nullcontext():
            return action() or ExitCode.DONE
    except OpsError as error:
        _show_error(desk, error)
        return error.exit_code
    except Exception as error:
        if desk.environ.get("EMONK_DEBUG"):
            raise
        bug = OpsError(
            f"a bug in emonk-ops: {type(error).__name__}: {error}",
            hint="EMONK_DEBUG=1 shows where; please report it",
        )
        bug.exit_code, bug.code = ExitCode.BUG, "bug"
        _show_error(desk, bug)
        return ExitCode.BUG


def _show_error(desk: Desk, error: OpsError) -> None:
    if desk.json:
        desk.write_envelope({}, code=error.exit_code, errors=(error,))
    desk.err.line(f"{error.code}: {error.message}")
    if error.hint:
        desk.err.line(f"next: {error.hint}")


def _signature(function: Action) -> inspect.Signature:
    """The function's own options behind the context, then the shared ones."""
    kind = inspect.Parameter.KEYWORD_ONLY
    own = list(inspect.signature(function, eval_str=True).parameters.values())[1:]
    return inspect.Signature(
        [
            inspect.Parameter(
                "ctx", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=typer.Context
            ),
            *(parameter.replace(kind=kind) for parameter in own),
            *(
                inspect.Parameter(name, kind, default=default, annotation=annotation)
                for name, annotation, default in SHARED
            ),
        ]
    )


def confirmations(given: list[str] | None) -> dict[str, str]:
    """`--confirm ID="words"`, parsed. Raises UsageError."""
    from emonk_ops.errors import UsageError

    words: dict[str, str] = {}
    for text in given or []:
        check_id, equals, word = text.partition("=")
        if not equals or not check_id.strip() or not word.strip():
            raise UsageError(
                f"--confirm {text}: expected a check and your words",
                hint='--confirm code-review="PR 41, approved by two"',
            )
        if not word.strip(" .…"):
            raise UsageError(
                f"--confirm {text}: these are no words of yours, and they are recorded",
                hint=f'--confirm {check_id.strip()}="who says so, and why"',
            )
        words[check_id.strip()] = word.strip()
    return words


def folder_of(path: Path) -> Path:
    """The folder a report is to be written in, made if need be."""
    path.parent.mkdir(parents=True, exist_ok=True)
    return path.parent

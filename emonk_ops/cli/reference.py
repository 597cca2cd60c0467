"""The command reference as Markdown, read from the commands themselves."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from emonk_ops.cli.command import SHARED

TITLE = """# Commands

Every command with its options and defaults, as `emonk-ops help reference` prints it.
`emonk-ops COMMAND --help` says the same in a terminal. What the exit codes mean is in the
[README](../README.md#exit-codes).

## Shared options

Most commands take these too; they are not repeated below. A flag wins over an `EMONK_*` variable,
and this over `emonk-ops.toml`."""
TAKES_SHARED = "And the [shared options](#shared-options)."
SHARED_NAMES = {name for name, _, _ in SHARED}
VALUES = {"path": "PATH", "int": "N", "integer": "N", "float": "N"}
HEAD = ("| option | default | what it does |", "|---|---|---|")


def reference(root: Any) -> Iterator[str]:
    """The lines of docs/commands.md for the group `root`, every command below it loaded."""
    yield from TITLE.splitlines()
    yield ""
    yield from _shared(root)
    for name in root.commands:
        yield ""
        yield f"## {name}"
        yield from _below(root.commands[name], [name])


def _shared(root: Any) -> Iterator[str]:
    """From `status`, which takes all of them."""
    yield from HEAD
    for parameter in root.commands["status"].params:
        if parameter.name in SHARED_NAMES:
            yield _row(parameter)


def _below(command: Any, path: list[str]) -> Iterator[str]:
    if not hasattr(command, "commands"):
        yield from _one(command, path, alike=None)
        return
    yield ""
    yield _sentence(command.help)
    before: tuple[str, list[str]] | None = None
    for name in command.commands:
        inner = command.commands[name]
        if inner.hidden:
            continue
        inner_path = [*path, name]
        yield ""
        yield f"### {' '.join(inner_path)}"
        if hasattr(inner, "commands"):
            yield from _below(inner, inner_path)
            continue
        rows = _rows(inner)
        same = before is not None and len(rows) > 1 and before[1] == rows
        yield from _one(inner, inner_path, alike=before[0] if same and before else None)
        before = before if same else (" ".join(inner_path), rows)


def _one(command: Any, path: list[str], *, alike: str | None) -> Iterator[str]:
    yield ""
    yield f"`{' '.join(('emonk-ops', *path, *_usage(command)))}`"
    yield ""
    yield _sentence(command.help)
    rows = _rows(command)
    if rows:
        yield ""
        if alike is None:
            yield from (*HEAD, *rows)
        else:
            yield f"Takes the options of [{alike}](#{alike.replace(' ', '-')})."
    if _takes_shared(command):
        yield ""
        yield TAKES_SHARED


def _usage(command: Any) -> Iterator[str]:
    for parameter in command.params:
        if _is_argument(parameter):
            word = _value(parameter) + ("..." if parameter.nargs == -1 else "")
            yield word if parameter.required else f"[{word}]"
    yield "[OPTIONS]"


def _rows(command: Any) -> list[str]:
    elsewhere = SHARED_NAMES if _takes_shared(command) else set()
    return [
        _row(parameter)
        for parameter in command.params
        if parameter.name not in elsewhere and not getattr(parameter, "hidden", False)
    ]


def _takes_shared(command: Any) -> bool:
    return {parameter.name for parameter in command.params} >= SHARED_NAMES


def _is_argument(parameter: Any) -> bool:
    return bool(parameter.param_type_name == "argument")


def _row(parameter: Any) -> str:
    cells = (_spelling(parameter), _default(parameter), _sentence(parameter.help))
    escaped = (cell.replace("|", r"\|") for cell in cells)
    return "|" + "".join(f" {cell} |" if cell else " |" for cell in escaped)


def _spelling(parameter: Any) -> str:
    if _is_argument(parameter):
        return f"`{_value(parameter)}`"
    spellings = ", ".join(f"`{one}`" for one in (*parameter.opts, *parameter.secondary_opts))
    return spellings if parameter.is_flag else f"{spellings} `{_value(parameter)}`"


def _value(parameter: Any) -> str:
    """What stands for the value. Typer's own word for it differs from version to version."""
    if parameter.metavar:
        return str(parameter.metavar).strip("[].")
    choices = getattr(parameter.type, "choices", None)
    if choices:
        return "|".join(str(getattr(one, "value", one)) for one in choices)
    if _is_argument(parameter):
        return str(parameter.name).upper()
    return VALUES.get(str(parameter.type.name).lower().partition(" ")[0], "TEXT")


def _default(parameter: Any) -> str:
    if parameter.required:
        return "required"
    default = parameter.default
    if getattr(parameter, "is_flag", False):
        return f"`{parameter.opts[0]}`" if default and parameter.secondary_opts else ""
    return "" if default is None or default == "" else f"`{getattr(default, 'value', default)}`"


def _sentence(text: str | None) -> str:
    return " ".join((text or "").split())

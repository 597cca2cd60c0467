"""A group that knows its commands by name and loads only the one that is typed."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command, get_group


@dataclass(frozen=True)
class Entry:
    """Where a command lives: `attribute` of `emonk_ops.cli.<module>`.

    A Typer app is a group; anything else is a function `register(app)` that adds one command.
    """

    help: str
    module: str
    attribute: str = "register"

    def load(self) -> Any:
        found = getattr(import_module(f"emonk_ops.cli.{self.module}"), self.attribute)
        if isinstance(found, typer.Typer):
            return get_group(found)
        app = typer.Typer(pretty_exceptions_enable=False, add_completion=False)
        found(app)
        return get_command(app)


class Commands(dict[str, Any]):
    """Commands by name: `get` and iteration know name and help only; indexing loads it."""

    def __init__(self, entries: dict[str, Entry]) -> None:
        super().__init__(
            {name: TyperCommand(name, help=entry.help) for name, entry in entries.items()}
        )
        self._entries = entries

    def __getitem__(self, name: str) -> Any:
        return self._entries[name].load()


class LazyGroup(TyperGroup):
    """Help and completion read the table; `resolve_command` loads what was asked for."""

    entries: dict[str, Entry] = {}  # noqa: RUF012 (a subclass fills it once)

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        self.commands = Commands(self.entries)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        name, command, rest = super().resolve_command(ctx, args)
        if name in self.entries:
            command = self.commands[name]
        return name, command, rest

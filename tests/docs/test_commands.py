"""docs/commands.md is what the commands say of themselves."""

from __future__ import annotations

import re
from pathlib import Path

import typer
import typer.main

from emonk_ops.cli.app import app
from emonk_ops.cli.reference import reference

DOCUMENT = Path(__file__).parents[2] / "docs" / "commands.md"
HINT = "docs/commands.md is not what the commands are: type `make reference`"


def lines_of(built: typer.Typer) -> list[str]:
    return list(reference(typer.main.get_command(built)))


def test_the_reference_is_up_to_date() -> None:
    assert DOCUMENT.read_text().splitlines() == lines_of(app), HINT


def test_every_command_has_a_heading_of_its_own_and_says_what_it_does() -> None:
    text = "\n".join(lines_of(app))
    usages = re.findall(r"^`emonk-ops (.*?)`\n\n(.*)$", text, flags=re.MULTILINE)
    assert len(usages) > 80
    assert all(len(told.split()) > 2 for _, told in usages)
    headings = re.findall(r"^#+ (.*)$", text, flags=re.MULTILINE)
    assert len(headings) == len(set(headings))


def small_app(*, default: str = "both") -> typer.Typer:
    small = typer.Typer()

    @small.command("status")
    def status(json: bool = typer.Option(False, "--json", help="As JSON.")) -> None:
        """What is there."""

    @small.command("move")
    def move(
        things: list[str] = typer.Argument(..., help="What to move."),  # noqa: B008
        how: str = typer.Option(default, "--how", metavar="one|both", help="Which way."),
        far: bool = typer.Option(True, "--far/--near", help="How far."),
    ) -> None:
        """Move what is there."""

    return small


def test_arguments_values_and_defaults_are_told_and_a_bar_does_not_end_a_cell() -> None:
    lines = lines_of(small_app())
    assert "`emonk-ops move THINGS... [OPTIONS]`" in lines
    assert "| `THINGS` | required | What to move. |" in lines
    assert r"| `--how` `one\|both` | `both` | Which way. |" in lines
    assert "| `--far`, `--near` | `--far` | How far. |" in lines


def test_another_default_is_another_reference() -> None:
    assert lines_of(small_app()) != lines_of(small_app(default="one"))

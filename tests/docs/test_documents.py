from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer.main

from emonk_ops.cli.app import app
from emonk_ops.errors import EXIT_CODE_MEANINGS, EXIT_CODE_PRECEDENCE

ROOT = Path(__file__).parents[2]
DOCUMENTS = (
    "README.md",
    "runbook.md",
    "docs/ci.md",
    "docs/firestore.md",
    "docs/library.md",
    "docs/sandbox.md",
    "docs/state.md",
)


def code_blocks(text: str) -> Iterator[str]:
    for language, block in re.findall(r"```(\w*)\n(.*?)```", text, flags=re.DOTALL):
        if language not in ("", "bash"):
            continue
        yield from block.replace("\\\n", " ").splitlines()


def commands_in(document: str) -> Iterator[list[str]]:
    for line in code_blocks((ROOT / document).read_text()):
        for part in line.split("&&"):
            words = shlex.split(part, comments=True)
            if words[:1] == ["emonk-ops"]:
                yield words[1:]


def every_command() -> list[tuple[str, list[str]]]:
    return [(name, words) for name in DOCUMENTS for words in commands_in(name)]


def resolve(words: list[str]) -> tuple[Any, list[str]]:
    """The command that these words reach, and what is left for it."""
    command: Any = typer.main.get_command(app)
    rest = list(words)
    while rest and hasattr(command, "commands"):
        assert rest[0] in command.commands, f"no command {rest[0]!r} in emonk-ops {words}"
        command = command.commands[rest.pop(0)]
    return command, rest


@pytest.mark.parametrize(
    ("document", "words"), [pytest.param(*row, id=" ".join(row[1])) for row in every_command()]
)
def test_a_command_in_the_documents_exists_with_its_options(
    document: str, words: list[str]
) -> None:
    command, rest = resolve(words)
    options = {name for parameter in command.params for name in parameter.opts}
    used = [word.split("=")[0] for word in rest if word.startswith("-") and word != "--"]
    if "--" in rest:
        used = [word for word in used if rest.index(word) < rest.index("--")]
    assert set(used) <= options | {"--help"}, f"{document}: {words}"


def test_the_documents_hold_commands_to_prove() -> None:
    assert len(every_command()) > 20


def test_the_exit_codes_in_the_readme_are_the_real_ones() -> None:
    text = (ROOT / "README.md").read_text()
    for code, meaning in EXIT_CODE_MEANINGS.items():
        assert f"| {int(code)} | {meaning} |" in text
    order = ", ".join(str(int(code)) for code in EXIT_CODE_PRECEDENCE)
    assert f"the first of {order} wins" in text


@pytest.mark.parametrize("document", DOCUMENTS)
def test_links_to_files_of_the_project_lead_somewhere(document: str) -> None:
    for target in re.findall(r"\]\((?!https?:)([^)#]+)\)", (ROOT / document).read_text()):
        assert (ROOT / document).parent.joinpath(target).exists(), target

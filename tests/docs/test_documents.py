"""What the documents say exists: commands with their options, files, anchors, exit codes."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
from pathlib import Path
from string import Template
from typing import Any

import pytest
import typer
import typer.main

from emonk_ops.cli.app import ENTRIES, app
from emonk_ops.errors import EXIT_CODE_MEANINGS, EXIT_CODE_PRECEDENCE
from emonk_ops.operations.injection.catalogue import FAULTS
from emonk_ops.operations.review.findings import ATTESTED, COVERED, CRITERIA
from emonk_ops.rehearsal.breaks import BREAKS
from emonk_ops.rollout.verdicts import error_rate_bound
from tests.docs import pages

LANGUAGES = {"bash", "json", "python", "toml"}
READ = tuple(page for page in pages.PAGES if page != pages.GENERATED)
VALUES = {
    "PROJECT": "emonk-qa",
    "REGION": "us-central1",
    "INVOKER": "emonk-scheduler@emonk-qa.iam.gserviceaccount.com",
    "URL": "https://example.com",
}
Typed = tuple[str, list[str]]


def every_command() -> list[Typed]:
    return [
        (page, words)
        for page in (*READ, *pages.SCRIPTS)
        for line in pages.shell_lines(page)
        for words in pages.typed_in(line, "emonk-ops")
    ]


def every_mention() -> list[Typed]:
    """With `emonk-ops` in front, or a verb and its sub-command or an option: `jobs why ID`."""
    found = [(page, words) for page in READ for words in pages.mentioned(page)]
    whole = [(page, words[1:]) for page, words in found if words[:1] == ["emonk-ops"]]
    return whole + [(page, words) for page, words in found if is_short_for_one(words)]


def is_short_for_one(words: list[str]) -> bool:
    if len(words) < 2 or words[0] not in ENTRIES:
        return False
    command = typer.main.get_command(app).commands[words[0]]  # type: ignore[attr-defined]
    return words[1].startswith("-") or words[1] in getattr(command, "commands", {})


def named(rows: list[Typed]) -> list[Any]:
    unique = {(page, tuple(words)): None for page, words in rows}
    return [pytest.param(page, list(words), id=" ".join(words)) for page, words in unique]


def resolve(words: list[str]) -> tuple[Any, list[str]]:
    """The command that these words reach, and what is left for it."""
    command: Any = typer.main.get_command(app)
    rest = list(words)
    while rest and hasattr(command, "commands") and not pages.is_placeholder(rest[0]):
        if rest[0] in ("--help", "--version"):
            break
        assert rest[0] in command.commands, f"no command {rest[0]!r} in emonk-ops {words}"
        command = command.commands[rest.pop(0)]
    return command, rest


@pytest.mark.parametrize(("page", "words"), named(every_command()))
def test_a_command_that_is_shown_is_understood(page: str, words: list[str]) -> None:
    """By the command line's own parser: options, values, choices, what is required."""
    command, rest = resolve(words)
    context = command.make_context("emonk-ops", rest)
    assert context.args == [], f"{page}: {words}"


@pytest.mark.parametrize(("page", "words"), named(every_mention()))
def test_a_command_in_the_prose_exists_with_its_options(page: str, words: list[str]) -> None:
    command, rest = resolve(words)
    options = {name for one in command.params for name in (*one.opts, *one.secondary_opts)}
    used = {word.split("=")[0] for word in rest if word.startswith("-") and word != "--"}
    if hasattr(command, "commands"):  # `emonk-ops inject NAME --plan`
        options = {
            name
            for inner in command.commands
            for one in command.commands[inner].params
            for name in one.opts
        }
    assert used <= options | {"--help", "--version"}, f"{page}: {words}"


def test_the_documents_hold_commands_to_prove() -> None:
    assert len(every_command()) > 60
    assert len(every_mention()) > 60


def test_a_command_that_is_not_there_would_be_found() -> None:
    with pytest.raises(AssertionError, match="no command 'fly'"):
        resolve(["jobs", "fly"])
    command, rest = resolve(["stage", "2", "--soon"])
    with pytest.raises(Exception, match="No such option: --soon"):
        command.make_context("emonk-ops", rest)


def test_the_table_of_the_readme_has_every_verb() -> None:
    table = pages.text_of("README.md").partition("\n## Commands\n")[2].partition("\n## ")[0]
    told = set(re.findall(r"`emonk-ops ([^\s`]+)", table))
    named = {verb for words in told for verb in words.replace("\\|", "|").split("|")}
    assert set(ENTRIES) - named == set()


def test_the_pages_of_the_readme_are_all_there_are() -> None:
    told = {target.partition("#")[0] for target in pages.links("README.md")}
    assert set(pages.PAGES) - told - {"README.md"} == set()


@pytest.mark.parametrize("page", pages.PAGES)
def test_links_lead_to_files_and_anchors_that_are_there(page: str) -> None:
    for target in pages.links(page):
        name, _, anchor = target.partition("#")
        file = (pages.ROOT / page).parent.joinpath(name) if name else pages.ROOT / page
        assert file.exists(), target
        if anchor:
            to = file.resolve().relative_to(pages.ROOT).as_posix()
            assert anchor in pages.anchors(to), target


@pytest.mark.parametrize("page", pages.PAGES)
def test_a_block_says_its_language_and_what_is_not_run_says_why(page: str) -> None:
    for block in pages.blocks(page):
        assert block.language in LANGUAGES, f"{page}: {block.text[:60]}"
    marks = re.findall(r"<!-- (?:not run|run with).*", pages.text_of(page))
    assert len(marks) == sum(bool(block.when) for block in pages.blocks(page)), marks


def test_most_of_what_is_shown_is_run() -> None:
    shown = [one for page in pages.PAGES for one in pages.blocks(page) if one.language == "bash"]
    assert sum(one.when == "not run" for one in shown) <= 12


def test_the_exit_codes_in_the_readme_are_the_real_ones() -> None:
    text = pages.text_of("README.md")
    for code, meaning in EXIT_CODE_MEANINGS.items():
        assert f"| {int(code)} | {meaning} |" in text
    order = ", ".join(str(int(code)) for code in EXIT_CODE_PRECEDENCE)
    assert f"the first of {order} wins" in text


def test_the_make_targets_that_are_named_exist() -> None:
    targets = re.findall(r"^([\w-]+):", (pages.ROOT / "Makefile").read_text(), flags=re.MULTILINE)
    for page in READ:
        said = re.findall(r"(?:`|^)make ([\w-]+)", pages.text_of(page), flags=re.MULTILINE)
        assert set(said) <= set(targets), page


def first_cells(page: str, head: str) -> list[str]:
    table = pages.text_of(page).partition(f"| {head} |")[2].partition("\n\n")[0]
    return re.findall(r"^\| `([\w-]+)`", table, flags=re.MULTILINE)


def test_the_faults_the_criteria_and_the_breaks_are_those_that_there_are() -> None:
    assert first_cells("docs/injection.md", "fault") == [one.name for one in FAULTS]
    reviewed = [COVERED[0], *(one[0] for one in (*CRITERIA, *ATTESTED))]
    assert first_cells("docs/review.md", "criterion") == reviewed
    assert first_cells("docs/rehearsal.md", "`--break`") == list(BREAKS)


def test_what_so_many_clean_ticks_prove_is_what_the_analysis_says() -> None:
    table = pages.text_of("docs/concepts.md").partition("| clean ticks |")[2].partition("\n\n")[0]
    rows = re.findall(r"^\| ([\d,]+).*?under ([\d.]+) %", table, flags=re.MULTILINE)
    assert len(rows) == 5
    for n, bound in rows:
        clean = int(n.replace(",", ""))
        assert 0 <= float(bound) - 100 * error_rate_bound(clean) < float(bound) * 0.02, n


@pytest.mark.skipif(shutil.which("gcloud") is None, reason="gcloud is not installed")
@pytest.mark.timeout(120)
def test_gcloud_knows_every_command_and_flag_that_is_named(tmp_path: Path) -> None:
    """Asked of gcloud's own linter, which parses and runs nothing."""
    shown = [
        words
        for page in READ
        for line in (*pages.shell_lines(page), *pages.spans(page))
        if "gcloud " in line
        for words in pages.typed_in(line, "gcloud")
        if words and not pages.is_placeholder(words[0])
    ]
    asked = sorted({linted(words) for words in shown})
    assert len(asked) > 20
    complaints = complaints_of(tmp_path, [*asked, "gcloud run logs read emonk-agent"])
    assert complaints == {"gcloud run logs read emonk-agent": "Invalid choice: 'logs'"}


def linted(words: list[str]) -> str:
    """The linter wants values where a shell has variables."""
    values = (Template(word).safe_substitute(VALUES) for word in words)
    return shlex.join(["gcloud", *values])


def complaints_of(folder: Path, commands: list[str]) -> dict[str, str]:
    file = folder / "commands.json"
    file.write_text(json.dumps([{"command_string": one} for one in commands]))
    ran = subprocess.run(
        ["gcloud", "meta", "lint-gcloud-commands", "--commands-file", str(file)],
        env={**os.environ, "CLOUDSDK_CONFIG": str(folder)},
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert ran.returncode == 0, ran.stderr
    found = zip(commands, json.loads(ran.stdout), strict=True)
    return {one: told["error_message"] for one, told in found if not told["success"]}

"""The reader of the documents: what it must not overlook."""

from __future__ import annotations

import pytest

from tests.docs import pages


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("emonk-ops status --env qa   # who drives", [["status", "--env", "qa"]]),
        ("cd demo && emonk-ops init; emonk-ops status", [["init"], ["status"]]),
        ("emonk-ops logs ticks | head || emonk-ops status", [["logs", "ticks"], ["status"]]),
        ("emonk-ops jobs list --json > jobs.json 2>&1", [["jobs", "list", "--json"]]),
        ('eval "$(emonk-ops sandbox env)"', [["sandbox", "env"]]),
        ("emonk-ops hold --reason 'a; b | c'", [["hold", "--reason", "a; b | c"]]),
        ("emonk-ops hold --reason 'n >= 3'", [["hold", "--reason", "n >= 3"]]),
        ("echo emonk-ops status", []),
    ],
)
def test_each_call_in_a_line_of_shell_is_seen(line: str, found: list[list[str]]) -> None:
    assert sorted(pages.typed_in(line, "emonk-ops")) == sorted(found)


def test_an_anchor_is_what_a_link_to_the_heading_has() -> None:
    assert {"exit-codes", "what-it-promises"} <= pages.anchors("README.md")
    assert {"stage-2", "sandbox-fault-add"} <= pages.anchors("docs/commands.md")
    assert "googles-python-clients" in pages.anchors("docs/sandbox.md")


def test_the_commands_in_blocks_of_code_are_no_headings() -> None:
    assert "in-emonk-opstoml-service-image--my-agent" not in pages.anchors("docs/rehearsal.md")


def test_a_block_that_is_not_run_has_its_reason() -> None:
    marked = [block for page in pages.PAGES for block in pages.blocks(page) if block.when]
    assert len(marked) > 5
    assert all(len(block.why.split()) > 2 for block in marked)

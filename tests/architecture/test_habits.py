from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = sorted([*(ROOT / "emonk_ops").rglob("*.py"), *(ROOT / "stages").rglob("*.py")])

CLOCK_MODULES = (
    "emonk_ops/clock.py",
    "emonk_ops/tick/clock.py",
    "emonk_ops/sandbox/clock.py",
    "emonk_ops/sandbox/shared_clock.py",
)
READS_THE_CLOCK = {"datetime.now", "time.time", "time.sleep", "date.today", "datetime.utcnow"}


def calls(path: Path) -> Iterator[tuple[str, int]]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func), node.lineno


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_time_is_handed_in(path: Path) -> None:
    if str(path.relative_to(ROOT)) in CLOCK_MODULES:
        return
    found = [(name, line) for name, line in calls(path) if name in READS_THE_CLOCK]
    assert not found


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_only_the_command_line_prints(path: Path) -> None:
    where = path.relative_to(ROOT).parts
    if where[:2] == ("emonk_ops", "cli") or where[-1] == "__main__.py":
        return
    found = [line for name, line in calls(path) if name in {"print", "typer.echo"}]
    assert not found


def test_nothing_of_ours_is_patched() -> None:
    for path in sorted((ROOT / "tests").rglob("*.py")):
        if path == Path(__file__):
            continue
        text = path.read_text()
        assert "unittest.mock" not in text, path
        assert "mock.patch" not in text, path

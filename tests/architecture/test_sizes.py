from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MOST_LINES_IN_A_FILE = 300
MOST_LINES_IN_A_FUNCTION = 60
SOURCES = sorted([*(ROOT / "emonk_ops").rglob("*.py"), *(ROOT / "stages").rglob("*.py")])


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_file_holds_one_idea_and_its_functions_fit_a_screen(path: Path) -> None:
    text = path.read_text()
    assert len(text.splitlines()) <= MOST_LINES_IN_A_FILE
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = (node.end_lineno or node.lineno) - node.lineno + 1
            assert lines <= MOST_LINES_IN_A_FUNCTION, f"{node.name} has {lines} lines"

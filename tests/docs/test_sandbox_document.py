"""docs/sandbox.md says what the sandbox serves, and shows Python that works."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from emonk_ops.sandbox import launcher
from emonk_ops.sandbox.served import coverage_lines

DOCUMENT = Path(__file__).parents[2] / "docs" / "sandbox.md"
HINT = "write the output of `emonk-ops sandbox coverage` between the marks in docs/sandbox.md"


def written() -> list[str]:
    text = DOCUMENT.read_text(encoding="utf-8")
    found = re.search(r"<!-- coverage -->\n(.*)\n<!-- /coverage -->", text, flags=re.DOTALL)
    assert found is not None
    return found[1].splitlines()


def served(lines: list[str]) -> dict[str, str]:
    cells = (line.split("|") for line in lines if line.startswith("| `"))
    return {row[1]: row[2] for row in cells if row[2].strip() != "none"}


def test_the_coverage_in_the_document_is_that_of_the_code() -> None:
    """What is not served is compared with the same clients only: newer ones know of more."""
    printed = coverage_lines()
    assert served(written()) == served(printed), HINT
    if written()[0] == printed[0]:
        assert written() == printed, HINT


def test_the_python_in_the_document_reaches_a_sandbox_on_both_wires(tmp_path: Path) -> None:
    (script,) = re.findall(r"```python\n(.*?)```", DOCUMENT.read_text(), flags=re.DOTALL)
    parent = "projects/p/locations/us-central1"
    asked = f"list_jobs(parent={parent!r}, timeout=5, retry=None)"
    script += f"\nprint(len(list(over_grpc.{asked})), len(list(over_rest.{asked})))\n"
    endpoint = launcher.launch(tmp_path / "world", clock="virtual", empty=True)
    try:
        ran = subprocess.run(
            [sys.executable, "-c", script],
            env={"EMONK_SANDBOX_GRPC": endpoint.grpc, "EMONK_SANDBOX_HTTP": endpoint.http},
            capture_output=True,
            text=True,
            timeout=60,
        )
    finally:
        launcher.end(tmp_path / "world")
    assert ran.stdout.split() == ["0", "0"], ran.stderr

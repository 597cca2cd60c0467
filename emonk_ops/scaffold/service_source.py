"""The bundled service as source of one's own: to change, to build, and to clean up in stage 5."""

from __future__ import annotations

import importlib.metadata
import re
from collections.abc import Iterator
from pathlib import Path

import emonk_ops
from emonk_ops.scaffold import service_files

PACKAGE = Path(emonk_ops.__file__).parent
WRITTEN = {".py", ".typed", ""}  # "" is the Dockerfile
FOR_THE_SERVICE = re.compile(r"""\s*;\s*extra == ["']service["']$""")

README = """\
# The agent's jobs

`emonk_ops/tick` is the service, `handlers.py` has its jobs.

```bash
pip install -r requirements.txt
python -m emonk_ops.tick --check     # what is wrong with the settings
python -m emonk_ops.tick             # serves on $PORT
python -m pytest tests
```
"""
HOW_IT_RUNS = """\
# How jobs run

The in-process scheduler loop wakes up with each slot of `SCHEDULER_CADENCE` and runs what is due.
`SCHEDULER_LEGACY_LOOP=true` starts it; `await agent_core.start_scheduler()` does the same in code.
"""
IGNORED = "__pycache__/\n.venv/\n.pytest_cache/\n"


def source_files() -> dict[str, str]:
    """Contents by path: the package, the jobs, their tests, documents, requirements."""
    return {
        "emonk_ops/__init__.py": (PACKAGE / "__init__.py").read_text(),
        **dict(_package()),
        **service_files(),
        "README.md": README,
        "docs/scheduler.md": HOW_IT_RUNS,
        "requirements.txt": "".join(f"{one}\n" for one in _requirements()),
        ".gitignore": IGNORED,
    }


def _package() -> Iterator[tuple[str, str]]:
    for path in sorted((PACKAGE / "tick").rglob("*")):
        if path.is_file() and path.suffix in WRITTEN:
            yield f"emonk_ops/{path.relative_to(PACKAGE).as_posix()}", path.read_text()


def _requirements() -> list[str]:
    """Of the service, and pytest for its tests."""
    wanted = importlib.metadata.requires("emonk-ops") or []
    own = [FOR_THE_SERVICE.sub("", one) for one in wanted if FOR_THE_SERVICE.search(one)]
    tests = [one for one in wanted if one.startswith("pytest") and ";" not in one]
    return sorted({*own, *tests})

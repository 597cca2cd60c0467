"""The files of a service's own source; what is installed, built or hidden is not its own."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from emonk_ops.errors import UsageError

NOT_SOURCE = {"__pycache__", "node_modules", "site-packages", "build", "dist", "venv", "env"}
LARGEST_BYTES = 2_000_000
BUNDLED, NO_LOOP = "emonk_ops", "tick/in_process.py"


def source_files(folder: Path) -> dict[str, bytes]:
    """Contents by path below `folder`, with slashes. Raises UsageError when it is no folder."""
    if not folder.is_dir():
        raise UsageError(f"{folder} is no folder", hint="emonk-ops cleanup --source DIR --plan")
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in _walk(folder)
        if path.stat().st_size <= LARGEST_BYTES
    }


def bundled_copies(folder: Path) -> Iterator[Path]:
    """Copies of the bundled service's package below `folder`, where its own source may lie."""
    for here, below, _names in _folders(folder):
        yield from (here / name for name in below if is_bundled(here / name))


def _walk(folder: Path) -> Iterator[Path]:
    for here, below, names in _folders(folder):
        below[:] = [name for name in below if not is_bundled(here / name)]
        for name in sorted(names):
            if (here / name).is_file() and not (here / name).is_symlink():
                yield here / name


def _folders(folder: Path) -> Iterator[tuple[Path, list[str], list[str]]]:
    for where, below, names in os.walk(folder):
        below[:] = sorted(name for name in below if _is_own(Path(where) / name))
        yield Path(where), below, names


def _is_own(folder: Path) -> bool:
    hidden = folder.name.startswith(".") and folder.name != ".github"
    foreign = folder.name in NOT_SOURCE or folder.name.endswith(".egg-info")
    return not (hidden or foreign or (folder / "pyvenv.cfg").exists())


def is_bundled(folder: Path) -> bool:
    """Whether it is a copy of the bundled service's package, before its clean-up or after it."""
    return folder.name == BUNDLED and (folder / NO_LOOP).exists()


def is_test(file: str) -> bool:
    """Whether a file belongs to the service's tests."""
    *folders, name = file.split("/")
    return (
        bool({"tests", "test"} & set(folders))
        or name.startswith("test_")
        or name.endswith("_test.py")
        or name == "conftest.py"
    )

"""The service's own tests, as its settings name them, run in the work tree of the patch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

from emonk_ops.operations.legacy_source.applying import Trial
from emonk_ops.operations.legacy_source.repository_tree import WorkTree
from emonk_ops.operations.repository import run_tests
from emonk_ops.ports import Commands
from emonk_ops.settings import CommandSettings

# What a test run leaves behind would make the tree dirty.
LEAVES_NOTHING = {"PYTHONDONTWRITEBYTECODE": "1", "PYTEST_ADDOPTS": "-p no:cacheprovider"}


def of(
    settings: CommandSettings,
    commands_in: Callable[[CommandSettings], Commands],
    tree: WorkTree,
    source: Path,
) -> tuple[Trial, ...]:
    """Unit and integration tests, in their own folder if that is in the tree, else in `source`.

    Elsewhere they would not test the patch.
    """
    if not settings.directory.resolve().is_relative_to(tree.top()):
        settings = replace(settings, directory=source)
    commands = commands_in(settings)
    wanted = {"unit_tests": settings.unit_tests, "integration_tests": settings.integration_tests}
    return tuple(
        Trial(name, partial(run_tests, commands, argv, name, LEAVES_NOTHING))
        for name, argv in wanted.items()
    )

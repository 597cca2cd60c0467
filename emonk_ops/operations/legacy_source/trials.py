"""The service's own tests, as its settings name them, run in the work tree of the patch."""

from __future__ import annotations

from functools import partial

from emonk_ops.errors import Refused
from emonk_ops.operations.legacy_source.applying import Trial
from emonk_ops.operations.legacy_source.repository_tree import WorkTree
from emonk_ops.operations.repository import run_tests
from emonk_ops.ports import Commands
from emonk_ops.settings import CommandSettings

# What a test run leaves behind would make the tree dirty.
LEAVES_NOTHING = {"PYTHONDONTWRITEBYTECODE": "1", "PYTEST_ADDOPTS": "-p no:cacheprovider"}


def of(settings: CommandSettings, commands: Commands, tree: WorkTree) -> tuple[Trial, ...]:
    """Unit and integration tests. Raises Refused when they would run on other source."""
    top = tree.top()
    if not settings.directory.resolve().is_relative_to(top):
        raise Refused(
            f"[commands] run in {settings.directory}, which is outside {top}: they would not "
            "test the patch",
            hint="--config names the settings file of this source",
        )
    wanted = {"unit_tests": settings.unit_tests, "integration_tests": settings.integration_tests}
    return tuple(
        Trial(name, partial(run_tests, commands, argv, name, LEAVES_NOTHING))
        for name, argv in wanted.items()
    )

"""The stages there are, found by the names of their modules; none is imported before it is used."""

from __future__ import annotations

import importlib
import pkgutil
import re
from importlib.util import find_spec

from emonk_ops.errors import UsageError
from emonk_ops.rollout.model import Stage

PACKAGE = "emonk_ops.stages"
MODULE_NAME = re.compile(r"stage(\d)_(\w+)")
NUMBERS = range(6)


def stage_modules() -> dict[int, str]:
    """Module names by stage number, in order."""
    spec = find_spec(PACKAGE)
    folders = list(spec.submodule_search_locations or []) if spec else []
    found = {}
    for module in pkgutil.iter_modules(folders):
        if match := MODULE_NAME.fullmatch(module.name):
            found[int(match.group(1))] = module.name
    return dict(sorted(found.items()))


def load_stage(number: int) -> Stage:
    """Raises UsageError naming the stages that exist."""
    modules = stage_modules()
    if number not in modules:
        raise absent(str(number), modules)
    module = importlib.import_module(f"{PACKAGE}.{modules[number]}")
    stage = module.STAGE
    assert isinstance(stage, Stage), f"{module.__name__}.STAGE is not a Stage"
    return stage


def absent(name: str, modules: dict[int, str]) -> UsageError:
    there = ", ".join(str(number) for number in modules) or "none yet"
    planned = name.isdigit() and int(name) in NUMBERS
    return UsageError(
        f"stage {name} is not there yet" if planned else f"there is no stage {name}",
        hint=f"Stages that exist: {there}",
    )

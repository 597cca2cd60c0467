"""Tests of the service that use what goes: told apart, and removed on request."""

from __future__ import annotations

import re
from dataclasses import dataclass

import libcst as cst

from emonk_ops.operations.legacy_source.lens import Lens
from emonk_ops.operations.legacy_source.model import Place
from emonk_ops.operations.legacy_source.modules import Function
from emonk_ops.operations.legacy_source.removal import leftovers

TESTS_MORE = re.compile(r"\brun_tick\b|cron/tick|\bschedule_job\b.*\brun_tick\b")


@dataclass(frozen=True)
class OwnTests:
    """What a test file has to do with the removed path."""

    refusals: tuple[Place, ...]
    empty: bool  # no test is left in the file


def judge(lens: Lens, *, remove: bool) -> OwnTests:
    """Mark the tests that only test the removed path, if they may go; refuse the others."""
    found = list(_uses(lens))
    if not found:
        return OwnTests((), empty=False)
    refusals = []
    for use, place in found:
        test = _test_around(lens, use)
        if test is None:
            refusals.append(Place(place.file, place.line, f"{place.what} (a helper of tests)"))
        elif TESTS_MORE.search(lens.module.tree.code_for_node(test)):
            refusals.append(Place(place.file, place.line, f"{place.what} (and tests ticks, too)"))
        elif remove:
            lens.legacy.marks.add(test)
        else:
            refusals.append(place)
    _mark_empty_classes(lens)
    return OwnTests(tuple(refusals), empty=remove and not _tests_left(lens))


def _uses(lens: Lens) -> list[tuple[cst.CSTNode, Place]]:
    return [(use, place) for use in lens.module.uses for place in leftovers(lens, (use,))]


def _test_around(lens: Lens, use: cst.CSTNode) -> Function | None:
    around = lens.module.functions_around(use)
    return around[-1] if around and around[-1].name.value.startswith("test") else None


def _mark_empty_classes(lens: Lens) -> None:
    for node in lens.module.nodes:
        if isinstance(node, cst.ClassDef) and node.name.value.startswith("Test"):
            tests = [one for one in node.body.body if isinstance(one, cst.FunctionDef)]
            if tests and all(one in lens.legacy.marks for one in tests):
                lens.legacy.marks.add(node)


def _tests_left(lens: Lens) -> bool:
    return lens.module.file.endswith("conftest.py") or any(
        isinstance(node, cst.FunctionDef)
        and node.name.value.startswith("test")
        and not lens.is_gone(node)
        for node in lens.module.nodes
    )

"""What nobody but a person can judge: named in the patch, and not in its way."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import libcst as cst

from emonk_ops.operations.legacy_source.lens import Lens
from emonk_ops.operations.legacy_source.model import Place
from emonk_ops.operations.legacy_source.modules import below, last_name, text_of
from emonk_ops.operations.legacy_source.receivers import functions_of
from emonk_ops.operations.legacy_source.removal import unused_name
from emonk_ops.operations.legacy_source.statements import Fate, fates
from emonk_ops.operations.legacy_source.tidying import is_furniture_name

DYNAMIC = {"getattr", "setattr", "hasattr", "delattr", "attrgetter", "methodcaller"}


def noticed(lenses: Sequence[Lens]) -> Iterator[Place]:
    """Of the service's own code: values nobody reads now, and work that `start()` did besides."""
    for lens in lenses:
        yield from _no_longer_read(lenses, lens)
        yield from _done_besides(lens)


def _no_longer_read(lenses: Sequence[Lens], lens: Lens) -> Iterator[Place]:
    for node in lens.module.of(cst.SimpleStatementLine):
        if len(node.body) == 1:
            name = unused_name(lenses, lens, node)
            if name and not is_furniture_name(name):
                yield lens.module.place(node, f"{name} is no longer read; its value is kept")


def _done_besides(lens: Lens) -> Iterator[Place]:
    """Calls of a removed `start()` that have nothing to do with the loop."""
    for owner in lens.legacy.receivers.classes:
        for method in functions_of(owner):
            if method.name.value == "start" and lens.module.has(method):
                for node, fate in zip(method.body.body, fates(lens, method.body), strict=True):
                    calls = any(isinstance(one, cst.Call) for one in below(node))
                    if fate is Fate.LIVE and calls and not _turns(lens, node):
                        what = f"start() did this, too, and it goes: {lens.module.first_line(node)}"
                        yield lens.module.place(node, what)


def _turns(lens: Lens, node: cst.CSTNode) -> bool:
    """Whether it is the loop itself, or touches its flag, its tasks or its helpers."""
    return any(isinstance(one, cst.While | cst.For) or lens.is_legacy(one) for one in below(node))


def dynamic(lenses: Sequence[Lens]) -> Iterator[Place]:
    """Names of removed things in strings, which nobody can follow for sure."""
    for lens in lenses:
        for node in lens.module.of(cst.SimpleString):
            name = text_of(node)
            if name is not None and not lens.is_gone(node) and _names_removed(lens, node, name):
                what = f"names {name!r} in a string: look whether it is meant"
                yield lens.module.place(node, what)


def _names_removed(lens: Lens, node: cst.CSTNode, name: str) -> bool:
    legacy = lens.legacy
    above = lens.module.parent(node)
    call = lens.module.parent(above) if isinstance(above, cst.Arg) else None
    by_name = isinstance(call, cst.Call) and last_name(call) in DYNAMIC
    if by_name and name in legacy.names | legacy.methods:
        return True
    last = name.replace(":", ".").split(".")[-1]
    return last in legacy.names and name.isprintable() and " " not in name

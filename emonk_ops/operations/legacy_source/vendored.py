"""A copy of the bundled service in the source: its loop is one module, and what registers it.

Whoever builds the service without a package index has `emonk_ops/tick` in the source (README, "The
tick service"). Nothing else of the copy is read: it is not the service's own code.
"""

from __future__ import annotations

from pathlib import Path

import libcst as cst

from emonk_ops.operations.legacy_source.folder import bundled_copies
from emonk_ops.operations.legacy_source.model import FileChange, Patch, Place
from emonk_ops.operations.legacy_source.modules import Module, last_name

LOOP = "legacy_loop"


def vendored_patch(source: Path) -> Patch:
    """Takes the loop's module out of each copy below `source`, and the lines that register it."""
    changes: list[FileChange] = []
    removed: list[Place] = []
    for copy in bundled_copies(source):
        for path in sorted((copy / "tick").glob("*.py")):
            change, places = _changed(path, path.relative_to(source).as_posix())
            removed += places
            changes += [change] if change.before != change.after else []
    return Patch(files=tuple(changes), removed=tuple(removed))


def _changed(path: Path, file: str) -> tuple[FileChange, list[Place]]:
    raw = path.read_bytes()
    if path.stem == LOOP:
        return FileChange(file, raw, None), [Place(file, 1, "the whole file")]
    if LOOP.encode() not in raw:
        return FileChange(file, raw, raw), []
    module = Module(file, raw)
    imports = [one for one in module.of(cst.ImportFrom) if _is_of_the_loop(one)]
    names = {
        last_name(alias.name)
        for one in imports
        if not isinstance(one.names, cst.ImportStar)
        for alias in one.names
    }
    bases = [
        base
        for owner in module.of(cst.ClassDef)
        for base in owner.bases
        if last_name(base.value) in names
    ]
    places = [module.place(one) for one in (*imports, *bases)]
    after = module.tree.visit(_Unregistering(names))
    assert isinstance(after, cst.Module)
    return FileChange(file, raw, after.bytes), places


def _is_of_the_loop(node: cst.ImportFrom) -> bool:
    return node.module is not None and last_name(node.module) == LOOP


class _Unregistering(cst.CSTTransformer):
    """Without the imports of the loop's module and the bases that came from it."""

    def __init__(self, names: set[str]) -> None:
        super().__init__()
        self._names = names

    def leave_ImportFrom(
        self, original_node: cst.ImportFrom, updated_node: cst.ImportFrom
    ) -> cst.ImportFrom | cst.RemovalSentinel:
        return cst.RemoveFromParent() if _is_of_the_loop(original_node) else updated_node

    def leave_ClassDef(
        self, original_node: cst.ClassDef, updated_node: cst.ClassDef
    ) -> cst.ClassDef:
        kept = tuple(one for one in updated_node.bases if last_name(one.value) not in self._names)
        if len(kept) == len(updated_node.bases):
            return updated_node
        if kept:
            return updated_node.with_changes(bases=kept)
        default = cst.MaybeSentinel.DEFAULT
        return updated_node.with_changes(bases=(), lpar=default, rpar=default)

"""Makes the patch of a folder, and looks for references to removed code afterwards."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import libcst as cst

from emonk_ops.operations.legacy_source import (
    documents,
    mentions,
    notices,
    own_tests,
    storage_default,
)
from emonk_ops.operations.legacy_source.folder import source_files
from emonk_ops.operations.legacy_source.lens import Lens
from emonk_ops.operations.legacy_source.model import (
    FileChange,
    JsonStorage,
    LoopTests,
    Options,
    Patch,
    Place,
)
from emonk_ops.operations.legacy_source.modules import Module, Unparsable, last_name, text_of
from emonk_ops.operations.legacy_source.names import AGENT_STARTS, CHECKS
from emonk_ops.operations.legacy_source.removal import leftovers, mark
from emonk_ops.operations.legacy_source.statements import Fate, fates
from emonk_ops.operations.legacy_source.tidying import (
    imports_of,
    is_empty_module,
    of_gone_names,
    rewritten,
)
from emonk_ops.operations.legacy_source.vendored import vendored_patch


def make_patch(folder: Path, options: Options | None = None) -> Patch:
    """What removing the legacy path from the source in `folder` would change."""
    own = patch_of(source_files(folder), options or Options())
    if own.refused:
        return own
    copied = vendored_patch(folder)
    return replace(
        own,
        files=tuple(sorted((*own.files, *copied.files), key=lambda one: one.file)),
        removed=tuple(sorted({*own.removed, *copied.removed})),
    )


def patch_of(files: Mapping[str, bytes], options: Options) -> Patch:
    """The same for files in memory. A file that cannot be parsed refuses the whole patch."""
    modules, unparsable = _parsed(files)
    if unparsable:
        return Patch(refusals=tuple(unparsable))
    legacy = mark(modules)
    lenses = [Lens(module, legacy) for module in modules]
    source = _source_patch(lenses, options)
    configured = _configured(files, options)
    notes = documents.document_changes(files, options)
    changes = sorted([*source.files, *configured.files, *notes], key=lambda one: one.file)
    return Patch(
        files=tuple(changes),
        removed=tuple(sorted({*source.removed, *configured.removed, *documents.noted(notes)})),
        refusals=source.refusals,
        test_refusals=source.test_refusals,
        warnings=source.warnings,
        left=tuple(sorted({*source.left, *configured.left})),
    )


def references(folder: Path) -> list[Place]:
    """Every place of the source that still has to do with the legacy path; empty when clean."""
    modules, unparsable = _parsed(source_files(folder))
    legacy = mark(modules)
    lenses = [Lens(module, legacy) for module in modules]
    marked = [lens.module.place(node) for lens in lenses for node in _marked(lens)]
    used = [place for lens in lenses for place in leftovers(lens)]
    copied = vendored_patch(folder).removed
    return sorted({*unparsable, *marked, *used, *notices.dynamic(lenses), *copied})


def _parsed(files: Mapping[str, bytes]) -> tuple[list[Module], list[Place]]:
    modules, unparsable = [], []
    for file, raw in files.items():
        if file.endswith(".py"):
            try:
                modules.append(Module(file, raw))
            except Unparsable as error:
                unparsable.append(error.place)
    return modules, unparsable


def _source_patch(lenses: Sequence[Lens], options: Options) -> Patch:
    own = [lens for lens in lenses if not lens.module.is_test]
    refusals = [place for lens in own for place in _refusals(lens)]
    remove = options.tests is LoopTests.remove
    judged = [(lens, own_tests.judge(lens, remove=remove)) for lens in lenses if lens not in own]
    emptied = [lens for lens in own if is_empty_module(lens) and lens.legacy.marks]
    deleted = [*emptied, *(lens for lens, one in judged if one.empty)]
    refusals += _lost_imports(lenses, emptied)
    changes, removed = [], []
    for lens in lenses:
        change, places = _changed(lens, lens in deleted, options)
        removed += places
        changes += [change] if change.before != change.after else []
    return Patch(
        files=tuple(changes),
        removed=tuple(removed),
        refusals=tuple(sorted(set(refusals))),
        test_refusals=tuple(sorted({place for _, one in judged for place in one.refusals})),
        warnings=tuple(sorted({*notices.noticed(own), *notices.dynamic(lenses)})),
        left=tuple(place for lens in own for place in _flags_left(lens)),
    )


def _changed(lens: Lens, deleted: bool, options: Options) -> tuple[FileChange, list[Place]]:
    module = lens.module
    if deleted:
        what = "the whole file"
        places = [Place(module.file, 1, what), *(module.place(one) for one in _marked(lens))]
        return FileChange(module.file, module.raw, None), places
    after, imports = rewritten(lens)
    places = [module.place(one) for one in [*_marked(lens)]]
    places += [module.place(one, f"import of {last_name(one.name)}") for one in imports]
    if options.json_storage is JsonStorage.remove and not module.is_test:
        again = Module(module.file, after)
        strings = storage_default.defaults(again)
        after = again.tree.visit(storage_default.ToFirestore(strings)).bytes
        places += storage_default.defaults(module).values()
    return FileChange(module.file, module.raw, after), places


def _marked(lens: Lens) -> Iterator[cst.CSTNode]:
    """The outermost marked nodes of the file."""
    marks = lens.legacy.marks
    for node in lens.module.nodes:
        if node in marks and not any(one in marks for one in lens.module.above(node)):
            yield node


def _refusals(lens: Lens) -> Iterator[Place]:
    yield from leftovers(lens)
    for alias in of_gone_names(lens):
        if alias.asname is not None:
            yield lens.module.place(alias, "imported under another name")
    for node in lens.module.of(cst.FunctionDef):
        if node.name.value not in (AGENT_STARTS, CHECKS) or lens.is_gone(node):
            continue
        found = zip(node.body.body, fates(lens, node.body), strict=True)
        live = next((one for one, fate in found if fate is Fate.LIVE), node)
        yield lens.module.place(live, f"{node.name.value} does more than start the loop")


def _lost_imports(lenses: Sequence[Lens], emptied: Sequence[Lens]) -> Iterator[Place]:
    """Imports of a file that goes, which would stay: of a constant, or of the module itself."""
    for gone in emptied:
        for lens in lenses:
            if lens in emptied:
                continue
            _, imports = rewritten(lens)
            for node in imports_of(lens.module, gone.module.file):
                if node not in imports and not lens.is_gone(node):
                    yield lens.module.place(node, f"imports from {gone.module.file}, which goes")


def _flags_left(lens: Lens) -> Iterator[Place]:
    for node in lens.module.of(cst.SimpleString):
        name = text_of(node)
        if name and mentions.MENTIONS.fullmatch(name) and not lens.is_gone(node):
            yield lens.module.place(node, f"{name} is still read")


def _configured(files: Mapping[str, bytes], options: Options) -> Patch:
    changes: list[FileChange] = []
    removed: list[Place] = []
    left: list[Place] = []
    for file, before in files.items():
        if file.endswith((".py", ".md", ".markdown")):
            continue
        found = mentions.configure(file, before)
        removed += found.removed
        left += found.left
        after = found.after
        if options.json_storage is JsonStorage.remove:
            after = mentions.with_firestore(file, after).after
            removed += mentions.with_firestore(file, before).removed
        if after != before:
            changes.append(FileChange(file, before, after))
    return Patch(files=tuple(changes), removed=tuple(removed), left=tuple(left))

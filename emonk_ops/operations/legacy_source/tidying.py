"""Imports that only removed code needed, and what becomes of a file that is left empty."""

from __future__ import annotations

import re
from collections.abc import Iterator

import libcst as cst

from emonk_ops.operations.legacy_source.lens import Lens
from emonk_ops.operations.legacy_source.modules import Module, last_name, text_of
from emonk_ops.operations.legacy_source.rewriting import Rewriting


def rewritten(lens: Lens) -> tuple[bytes, frozenset[cst.ImportAlias]]:
    """The file without what is marked and without the imports that nobody needs then."""
    if not _is_touched(lens):
        return lens.module.raw, frozenset()
    words_before = _words(lens.module.tree)
    imports = frozenset(of_gone_names(lens))
    while True:
        tree = lens.module.tree.visit(Rewriting(lens, imports))
        assert isinstance(tree, cst.Module)
        unused = frozenset(_unused(lens.module, words_before - _words(tree)))
        if unused <= imports:
            return tree.bytes, imports
        imports |= unused


def _is_touched(lens: Lens) -> bool:
    legacy = lens.legacy
    return (
        any(node in legacy.marks for node in lens.module.nodes)
        or any(lens.is_reference(use) for use in lens.module.uses)
        or any(True for _ in of_gone_names(lens))
        or any(
            text_of(node) in legacy.names | legacy.gone_classes
            for node in lens.module.of(cst.SimpleString)
        )
    )


def of_gone_names(lens: Lens) -> Iterator[cst.ImportAlias]:
    """The imports of what goes."""
    gone = lens.legacy.names | lens.legacy.gone_classes
    for node in lens.module.of(cst.ImportAlias):
        if last_name(node.name) in gone:
            yield node


def _unused(module: Module, gone: set[str]) -> Iterator[cst.ImportAlias]:
    if module.file.endswith("__init__.py"):
        return
    for node in module.of(cst.ImportAlias):
        if _bound(node) in gone:
            line = next(
                one for one in module.above(node) if isinstance(one, cst.SimpleStatementLine)
            )
            if line.trailing_whitespace.comment is None:
                yield node


def _bound(alias: cst.ImportAlias) -> str:
    """The name that an import binds: `a` of `import a.b`."""
    if alias.asname is not None:
        return last_name(alias.asname.name)
    name: cst.CSTNode = alias.name
    while isinstance(name, cst.Attribute):
        name = name.value
    return last_name(name)


def _words(node: cst.CSTNode) -> set[str]:
    """Every name that code reads, and the words of strings that are no docstring."""
    if isinstance(node, cst.ImportFrom | cst.Import):
        return set()
    if isinstance(node, cst.Name):
        return {node.value}
    if isinstance(node, cst.SimpleString):
        return set(re.findall(r"\w+", text_of(node) or ""))
    found: set[str] = set()
    for child in node.children:
        if not (isinstance(node, cst.Expr) and isinstance(child, cst.BaseString)):
            found |= _words(child)
    return found


def is_empty_module(lens: Lens) -> bool:
    """Whether nothing is left that anybody could use: docstring, imports, a logger, constants."""
    marks = lens.legacy.marks
    body = lens.module.tree.body
    return any(one in marks for one in body) and all(
        one in marks or _is_furniture(one) for one in body
    )


def _is_furniture(node: cst.CSTNode) -> bool:
    if isinstance(node, cst.If):
        return last_name(node.test) == "TYPE_CHECKING"
    if not isinstance(node, cst.SimpleStatementLine):
        return False
    return all(
        isinstance(one, cst.Import | cst.ImportFrom)
        or (isinstance(one, cst.Expr) and isinstance(one.value, cst.BaseString))
        or (isinstance(one, cst.Assign) and is_furniture_name(last_name(one.targets[0].target)))
        for one in node.body
    )


def is_furniture_name(name: str) -> bool:
    """What a file has whether somebody reads it or not."""
    return name in ("__all__", "logger", "log", "_logger", "_log", "LOGGER")


def imports_of(module: Module, file: str) -> Iterator[cst.CSTNode]:
    """The imports of another file of the service: `from .legacy_loop import x`, `import a.b`."""
    stem = file.removesuffix(".py").split("/")[-1]
    for node in module.nodes:
        if isinstance(node, cst.ImportFrom) and last_name(node.module) == stem:
            if not isinstance(node.names, cst.ImportStar):
                yield from node.names
            else:
                yield node
        elif isinstance(node, cst.ImportAlias) and last_name(node.name) == stem:
            yield node

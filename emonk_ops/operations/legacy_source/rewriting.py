"""Takes what is marked out of a file; everything else comes back as it was."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

import libcst as cst

from emonk_ops.operations.legacy_source.lens import Lens
from emonk_ops.operations.legacy_source.modules import last_name, text_of
from emonk_ops.operations.legacy_source.names import SPEAKS_OF_THE_LOOP
from emonk_ops.operations.legacy_source.removal import in_event_list

Item = TypeVar("Item", cst.ImportAlias, cst.BaseElement, cst.Arg)
Suite = cst.Module | cst.BaseSuite
NOTHING_LEFT = cst.SimpleStatementLine([cst.Pass()])


class Rewriting(cst.CSTTransformer):
    """Removes the marked nodes, mends the blocks they leave empty, and keeps other comments."""

    def __init__(self, lens: Lens, imports: frozenset[cst.ImportAlias] = frozenset()) -> None:
        super().__init__()
        self._lens = lens
        self._imports = imports
        self._flattened: dict[cst.CSTNode, int] = {}

    def on_leave(self, original: cst.CSTNode, updated: cst.CSTNode) -> object:  # type: ignore[override]
        if original in self._lens.legacy.marks:
            return cst.RemoveFromParent()
        return super().on_leave(original, updated)

    def leave_Module(self, original_node: cst.Module, updated_node: cst.Module) -> cst.Module:
        body, footer = self._kept(original_node, updated_node)
        return updated_node.with_changes(body=body, footer=(*footer, *updated_node.footer))

    def leave_SimpleStatementLine(
        self,
        original_node: cst.SimpleStatementLine,
        updated_node: cst.SimpleStatementLine,
    ) -> cst.SimpleStatementLine | cst.RemovalSentinel:
        return updated_node if updated_node.body else cst.RemoveFromParent()

    def leave_IndentedBlock(
        self, original_node: cst.IndentedBlock, updated_node: cst.IndentedBlock
    ) -> cst.IndentedBlock:
        body, footer = self._kept(original_node, updated_node)
        return updated_node.with_changes(
            body=body or [NOTHING_LEFT], footer=(*footer, *updated_node.footer)
        )

    def _kept(
        self, original: cst.Module | cst.IndentedBlock, updated: cst.Module | cst.IndentedBlock
    ) -> tuple[list[cst.BaseStatement], list[cst.EmptyLine]]:
        """The statements that stay; comments of those that go move on to the next one."""
        staying = iter(updated.body)
        body: list[cst.BaseStatement] = []
        loose: list[cst.EmptyLine] = []
        gap = 0
        for before in original.body:
            if self._goes(before):
                kept = comments_to_keep(before.leading_lines)  # type: ignore[attr-defined]
                loose += kept if any(line.comment for line in kept) else []
                gap = max(gap, blanks(kept)) if body else 0
                continue
            first = next(staying)
            lead = (*loose, *first.leading_lines)  # type: ignore[attr-defined]
            missing = [cst.EmptyLine(indent=False)] * max(0, gap - blanks(lead))
            if not body and self._goes(original.body[0]):
                own = blanks(original.body[0].leading_lines)  # type: ignore[attr-defined]
                lead = lead[max(0, blanks(lead) - own) :]
            if missing or lead != first.leading_lines:  # type: ignore[attr-defined]
                first = first.with_changes(leading_lines=(*missing, *lead))
            body.append(first)
            body += [next(staying) for _ in range(self._flattened.get(before, 1) - 1)]
            loose, gap = [], 0
        return body, loose

    def _goes(self, statement: cst.BaseStatement) -> bool:
        if statement in self._lens.legacy.marks:
            return True
        if isinstance(statement, cst.If) and last_name(statement.test) == "TYPE_CHECKING":
            return statement.orelse is None and self._is_emptied_block(statement.body)
        if not isinstance(statement, cst.SimpleStatementLine):
            return False
        return all(
            one in self._lens.legacy.marks or self._is_emptied(one) for one in statement.body
        )

    def _is_emptied(self, small: cst.BaseSmallStatement) -> bool:
        if not isinstance(small, cst.Import | cst.ImportFrom):
            return False
        names = small.names
        return not isinstance(names, cst.ImportStar) and all(one in self._imports for one in names)

    def leave_Import(
        self, original_node: cst.Import, updated_node: cst.Import
    ) -> cst.Import | cst.RemovalSentinel:
        if self._is_emptied(original_node):
            return cst.RemoveFromParent()
        names = self._without(original_node.names, updated_node.names)
        return updated_node.with_changes(names=names)

    def leave_ImportFrom(
        self, original_node: cst.ImportFrom, updated_node: cst.ImportFrom
    ) -> cst.ImportFrom | cst.RemovalSentinel:
        if self._is_emptied(original_node):
            return cst.RemoveFromParent()
        if isinstance(original_node.names, cst.ImportStar):
            return updated_node
        if isinstance(updated_node.names, cst.ImportStar):
            return updated_node
        names = self._without(original_node.names, updated_node.names)
        return updated_node.with_changes(names=names)

    def _without(
        self, original: Sequence[cst.ImportAlias], updated: Sequence[cst.ImportAlias]
    ) -> Sequence[cst.ImportAlias]:
        return filtered(original, updated, lambda one: one in self._imports)

    def leave_ClassDef(
        self, original_node: cst.ClassDef, updated_node: cst.ClassDef
    ) -> cst.ClassDef:
        gone = self._lens.legacy.gone_classes
        bases = filtered(
            original_node.bases, updated_node.bases, lambda one: last_name(one.value) in gone
        )
        if bases is updated_node.bases:
            return updated_node
        if not bases and not updated_node.keywords:
            return updated_node.with_changes(
                bases=bases, lpar=cst.MaybeSentinel.DEFAULT, rpar=cst.MaybeSentinel.DEFAULT
            )
        return updated_node.with_changes(bases=bases)

    def leave_List(self, original_node: cst.List, updated_node: cst.List) -> cst.List:
        elements = filtered(original_node.elements, updated_node.elements, self._is_listed)
        return updated_node.with_changes(elements=elements)

    def _is_listed(self, element: cst.BaseElement) -> bool:
        name = text_of(element.value)
        if name is not None:
            legacy = self._lens.legacy
            return name in legacy.names | legacy.gone_classes and self._in_all(element)
        return self._lens.is_reference(element.value) and in_event_list(self._lens, element)

    def _in_all(self, element: cst.BaseElement) -> bool:
        above = list(self._lens.module.above(element))
        return any(
            isinstance(one, cst.Assign) and last_name(one.targets[0].target) == "__all__"
            for one in above
        )

    def leave_Try(
        self, original_node: cst.Try, updated_node: cst.Try
    ) -> cst.Try | cst.FlattenSentinel[cst.BaseStatement]:
        """Without its `finally` and with no handler, only the body is left of a `try`."""
        last = original_node.finalbody
        if last is None or not self._is_emptied_block(last.body):
            return updated_node
        if updated_node.handlers:
            return updated_node.with_changes(finalbody=None)
        inner = updated_node.body
        if not isinstance(inner, cst.IndentedBlock):
            return updated_node
        self._flattened[original_node] = len(inner.body)
        first = inner.body[0]
        lead = (*updated_node.leading_lines, *getattr(first, "leading_lines", ()))
        return cst.FlattenSentinel([first.with_changes(leading_lines=lead), *inner.body[1:]])

    def _is_emptied_block(self, block: cst.BaseSuite) -> bool:
        return isinstance(block, cst.IndentedBlock) and all(self._goes(one) for one in block.body)

    def leave_If(self, original_node: cst.If, updated_node: cst.If) -> cst.If | cst.RemovalSentinel:
        if self._goes(original_node):
            return cst.RemoveFromParent()
        last = original_node.orelse
        if isinstance(last, cst.Else) and self._is_emptied_block(last.body):
            return updated_node.with_changes(orelse=None)
        return updated_node


def filtered(
    original: Sequence[Item], updated: Sequence[Item], goes: Callable[[Item], bool]
) -> Sequence[Item]:
    """The items that stay; the last one takes over the last comma (or its absence)."""
    pairs = zip(original, updated, strict=True)
    kept = [after for before, after in pairs if not goes(before)]
    if len(kept) == len(updated):
        return updated
    if kept and goes(original[-1]):
        kept[-1] = kept[-1].with_changes(comma=updated[-1].comma)
    return kept


def blanks(lines: Sequence[cst.EmptyLine]) -> int:
    """How many of the lines, from the first on, are blank."""
    return next((at for at, line in enumerate(lines) if line.comment is not None), len(lines))


def comments_to_keep(lines: Sequence[cst.EmptyLine]) -> list[cst.EmptyLine]:
    """Without the block right above a statement if it speaks of the loop; that goes with it."""
    start = len(lines)
    while start and lines[start - 1].comment is not None:
        start -= 1
    block = [line.comment.value for line in lines[start:] if line.comment]
    kept = lines[:start] if SPEAKS_OF_THE_LOOP.search(" ".join(block)) else lines
    return list(kept)

"""A Python file as LibCST sees it, with the questions that are asked of every node."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import TypeVar

import libcst as cst
from libcst.metadata import MetadataWrapper, PositionProvider

from emonk_ops.operations.legacy_source.folder import is_test
from emonk_ops.operations.legacy_source.model import Place

Function = cst.FunctionDef
Kind = TypeVar("Kind", bound=cst.CSTNode)
Other = TypeVar("Other", bound=cst.CSTNode)


class Unparsable(Exception):
    """The file is no Python that can be read."""

    def __init__(self, place: Place) -> None:
        super().__init__(str(place))
        self.place = place


class Module:
    """One file, parsed once. Raises Unparsable."""

    def __init__(self, file: str, raw: bytes) -> None:
        self.file = file
        self.raw = raw
        self.is_test = is_test(file)
        self._around: dict[cst.CSTNode, tuple[Function, ...]] = {}
        try:
            self.wrapper = MetadataWrapper(cst.parse_module(raw))
        except cst.ParserSyntaxError as error:
            raise Unparsable(Place(file, error.raw_line, "cannot be parsed")) from error
        except (SyntaxError, UnicodeError, LookupError) as error:
            raise Unparsable(Place(file, 1, f"cannot be read: {error}")) from error
        if self.tree.bytes != raw:
            raise Unparsable(Place(file, 1, "would not come back byte for byte"))

    @property
    def tree(self) -> cst.Module:
        return self.wrapper.module

    @cached_property
    def _parents(self) -> dict[cst.CSTNode, cst.CSTNode]:
        return {child: node for node in self.nodes for child in node.children}

    @cached_property
    def nodes(self) -> tuple[cst.CSTNode, ...]:
        return tuple(_below(self.tree))

    @cached_property
    def _node_set(self) -> frozenset[cst.CSTNode]:
        return frozenset(self.nodes)

    def has(self, node: cst.CSTNode) -> bool:
        return node in self._node_set

    def parent(self, node: cst.CSTNode) -> cst.CSTNode | None:
        return self._parents.get(node)

    def above(self, node: cst.CSTNode) -> Iterator[cst.CSTNode]:
        """The node's parents, nearest first."""
        found = self.parent(node)
        while found is not None:
            yield found
            found = self.parent(found)

    @cached_property
    def _positions(self) -> dict[cst.CSTNode, object]:
        return dict(self.wrapper.resolve(PositionProvider))

    def line(self, node: cst.CSTNode) -> int:
        return int(self._positions[node].start.line)  # type: ignore[attr-defined]

    def place(self, node: cst.CSTNode, what: str = "") -> Place:
        return Place(self.file, self.line(node), what or self.first_line(node))

    def first_line(self, node: cst.CSTNode) -> str:
        """The node's code, cut to its first line, without the comments before it."""
        bare = node.with_changes(leading_lines=()) if hasattr(node, "leading_lines") else node
        if isinstance(bare, cst.FunctionDef):
            bare = bare.with_changes(decorators=(), lines_after_decorators=())
        return self.tree.code_for_node(bare).strip().splitlines()[0].strip()

    def functions_around(self, node: cst.CSTNode) -> tuple[Function, ...]:
        if node not in self._around:
            found = tuple(one for one in self.above(node) if isinstance(one, Function))
            self._around[node] = found
        return self._around[node]

    @cached_property
    def _by_kind(self) -> dict[type[cst.CSTNode], list[cst.CSTNode]]:
        found: dict[type[cst.CSTNode], list[cst.CSTNode]] = {}
        for node in self.nodes:
            found.setdefault(type(node), []).append(node)
        return found

    def of(self, kind: type[Kind]) -> list[Kind]:
        """The nodes of a kind, in the order of the file. Asked often, so kept."""
        return self._by_kind.get(kind, [])  # type: ignore[return-value]

    @property
    def assigning(self) -> tuple[cst.CSTNode, ...]:
        """The nodes that put a value into something."""
        return (*self.of(cst.Assign), *self.of(cst.AnnAssign), *self.of(cst.NamedExpr))

    @cached_property
    def globals(self) -> frozenset[tuple[Function, str]]:
        """(function, name) of what functions declare as `global` or `nonlocal`."""
        return frozenset(
            (self.functions_around(node)[0], item.name.value)
            for node in _both(self.of(cst.Global), self.of(cst.Nonlocal))
            if self.functions_around(node)
            for item in node.names
        )

    @cached_property
    def uses_by_name(self) -> dict[str, tuple[cst.Name, ...]]:
        found: dict[str, tuple[cst.Name, ...]] = {}
        for use in self.uses:
            if isinstance(use, cst.Name):
                found[use.value] = (*found.get(use.value, ()), use)
        return found

    def class_around(self, node: cst.CSTNode) -> cst.ClassDef | None:
        return next((one for one in self.above(node) if isinstance(one, cst.ClassDef)), None)

    def is_method(self, function: Function) -> bool:
        body = self.parent(function)
        return body is not None and isinstance(self.parent(body), cst.ClassDef)

    @cached_property
    def uses(self) -> tuple[cst.Name | cst.Attribute, ...]:
        """Every name and attribute that is an expression, not a definition or an import."""
        named = _both(self.of(cst.Attribute), self.of(cst.Name))
        return tuple(node for node in named if self._is_use(node))

    def _is_use(self, node: cst.Name | cst.Attribute) -> bool:
        above = self.parent(node)
        if any(isinstance(one, cst.ImportAlias | cst.ImportFrom) for one in self.above(node)):
            return False
        if isinstance(above, cst.Attribute):
            return above.attr is not node
        if isinstance(above, cst.FunctionDef | cst.ClassDef | cst.Param):
            return above.name is not node
        return not (isinstance(above, cst.Arg) and above.keyword is node)


def _both(some: list[Kind], others: list[Other]) -> Iterator[Kind | Other]:
    yield from some
    yield from others


def _below(node: cst.CSTNode) -> Iterator[cst.CSTNode]:
    yield node
    for child in node.children:
        yield from _below(child)


def below(node: cst.CSTNode) -> Iterator[cst.CSTNode]:
    """The node and everything in it."""
    return _below(node)


def last_name(node: cst.CSTNode | None) -> str:
    """`c` of `a.b.c`, of `c`, and of a call of either; else empty."""
    if isinstance(node, cst.Call):
        return last_name(node.func)
    if isinstance(node, cst.Attribute):
        return node.attr.value
    return node.value if isinstance(node, cst.Name) else ""


def without_await(node: cst.CSTNode) -> cst.CSTNode:
    return node.expression if isinstance(node, cst.Await) else node


def text_of(node: cst.CSTNode) -> str | None:
    """The value of a plain string, else None."""
    if not isinstance(node, cst.SimpleString):
        return None
    value = node.evaluated_value
    return value if isinstance(value, str) else None

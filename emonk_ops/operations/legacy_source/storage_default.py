"""Firestore instead of JSON as the default that a service's own settings choose."""

from __future__ import annotations

import libcst as cst

from emonk_ops.operations.legacy_source.model import Place
from emonk_ops.operations.legacy_source.modules import Module, last_name, text_of
from emonk_ops.operations.legacy_source.names import STORAGE
from emonk_ops.operations.legacy_source.receivers import assignments

GETTERS = {"getenv", "get", "setdefault"}
FIELDS = {"scheduler_storage", "DEFAULT_SCHEDULER_STORAGE", STORAGE}


def defaults(module: Module) -> dict[cst.CSTNode, Place]:
    """The strings "json" that are the default of the storage setting."""
    found: dict[cst.CSTNode, Place] = {}
    for node in module.nodes:
        for value in _chosen(node):
            if text_of(value) == "json":
                found[value] = module.place(value, "the default storage becomes firestore")
    return found


def _chosen(node: cst.CSTNode) -> list[cst.CSTNode]:
    if isinstance(node, cst.Call) and last_name(node) in GETTERS and len(node.args) == 2:
        return [node.args[1].value] if text_of(node.args[0].value) == STORAGE else []
    if isinstance(node, cst.BooleanOperation) and isinstance(node.operator, cst.Or):
        asked = isinstance(node.left, cst.Call) and node.left.args
        if asked and text_of(asked[0].value) == STORAGE:
            return [node.right]
    return [
        value
        for target, value, _ in assignments(node)
        if value is not None and last_name(target) in FIELDS
    ]


class ToFirestore(cst.CSTTransformer):
    """Changes the strings, quotes kept."""

    def __init__(self, strings: dict[cst.CSTNode, Place]) -> None:
        super().__init__()
        self._strings = strings

    def leave_SimpleString(
        self, original_node: cst.SimpleString, updated_node: cst.SimpleString
    ) -> cst.SimpleString:
        if original_node not in self._strings:
            return updated_node
        quoted = updated_node.value.replace("json", "firestore")
        return updated_node.with_changes(value=quoted)

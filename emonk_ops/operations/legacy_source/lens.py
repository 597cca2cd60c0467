"""What of one file is the legacy path: references, handles of its tasks, and its flag."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import libcst as cst

from emonk_ops.operations.legacy_source.modules import (
    Module,
    below,
    last_name,
    without_await,
)
from emonk_ops.operations.legacy_source.names import (
    AGENT_STARTS,
    CHECKS,
    KEEPERS,
    METHODS,
    REGISTERERS,
    SPAWNERS,
    WAITERS,
)
from emonk_ops.operations.legacy_source.receivers import Receivers

# A variable is known by file, function (None: the module's) and name; an attribute by file.
Handle = tuple[str, int | None, str]
CONSTANTS = {"None", "True", "False"}


@dataclass
class Legacy:
    """What is known of the legacy path, in all files; it only grows."""

    receivers: Receivers
    names: set[str] = field(default_factory=lambda: {AGENT_STARTS, CHECKS})
    methods: set[str] = field(default_factory=lambda: set(METHODS))
    handles: set[Handle] = field(default_factory=set)
    marks: set[cst.CSTNode] = field(default_factory=set)
    gone_classes: set[str] = field(default_factory=set)

    @property
    def size(self) -> int:
        return len(self.marks) + len(self.handles) + len(self.names) + len(self.methods)


class Lens:
    """One file, looked at with what is known."""

    def __init__(self, module: Module, legacy: Legacy) -> None:
        self.module = module
        self.legacy = legacy

    def is_gone(self, node: cst.CSTNode) -> bool:
        """Whether the node lies in something that is marked."""
        marks = self.legacy.marks
        return node in marks or any(one in marks for one in self.module.above(node))

    def is_reference(self, node: cst.CSTNode) -> bool:
        """`agent.start_scheduler`, `scheduler.start`, `self.running`: the thing, not its call."""
        if isinstance(node, cst.Name):
            return node.value in self.legacy.names or node.value in self.legacy.gone_classes
        if not isinstance(node, cst.Attribute):
            return False
        if node.attr.value in self.legacy.names | self.legacy.gone_classes:
            return True
        known = node.attr.value in self.legacy.methods
        return known and self.legacy.receivers.holds(self.module, node.value)

    def is_unclear(self, node: cst.CSTNode) -> bool:
        """`x.start` where `x` holds a scheduler in one place and something else in another."""
        return (
            isinstance(node, cst.Attribute)
            and node.attr.value in self.legacy.methods
            and self.legacy.receivers.is_unclear(self.module, node.value)
        )

    def is_call(self, node: cst.CSTNode) -> bool:
        """A call that begins or ends the loop. One round of it does work that must not get lost."""
        if not isinstance(node, cst.Call) or last_name(node) == CHECKS:
            return False
        return self.is_reference(node.func)

    def is_spawn(self, node: cst.CSTNode) -> bool:
        """`asyncio.create_task(scheduler.start())`, `Thread(target=scheduler.start)`."""
        if not isinstance(node, cst.Call):
            return False
        if last_name(node.func) in SPAWNERS:
            return any(self._names_legacy(arg.value) for arg in node.args)
        return isinstance(node.func, cst.Attribute) and self.is_spawn(node.func.value)

    def is_registration(self, node: cst.CSTNode) -> bool:
        """`app.add_event_handler("startup", agent.start_scheduler)`."""
        return (
            isinstance(node, cst.Call)
            and last_name(node.func) in REGISTERERS
            and any(self._names_legacy(arg.value) for arg in node.args)
        )

    def _names_legacy(self, value: cst.CSTNode) -> bool:
        if last_name(value) == CHECKS:
            return False
        return self.is_reference(value) or self.is_call(value)

    def handle_of(self, target: cst.CSTNode) -> Handle | None:
        """The key of a variable or of an attribute of `self`."""
        file = self.module.file
        if isinstance(target, cst.Attribute):
            return (file, None, f".{target.attr.value}")
        if not isinstance(target, cst.Name):
            return None
        around = self.module.functions_around(target)
        if not around:
            in_class = self.module.class_around(target) is not None
            return (file, None, f".{target.value}" if in_class else target.value)
        if (around[0], target.value) in self.module.globals:
            return (file, None, target.value)
        return (file, id(around[0]), target.value)

    def is_handle(self, node: cst.CSTNode) -> bool:
        """Whether the expression is what a spawn gave back."""
        file = self.module.file
        if isinstance(node, cst.Attribute):
            return (file, None, f".{node.attr.value}") in self.legacy.handles
        if not isinstance(node, cst.Name):
            return False
        scopes = [id(one) for one in self.module.functions_around(node)]
        return any((file, scope, node.value) in self.legacy.handles for scope in [*scopes, None])

    def is_legacy(self, node: cst.CSTNode) -> bool:
        return self.is_reference(node) or self.is_handle(node)

    def only_waits(self, node: cst.CSTNode) -> bool:
        """`task.cancel()`, `await task`, `asyncio.wait([task])`: nothing but the handle's end."""
        node = without_await(node)
        if self.is_handle(node):
            return True
        if not isinstance(node, cst.Call):
            return False
        if isinstance(node.func, cst.Attribute) and self.is_handle(node.func.value):
            return True
        if last_name(node.func) in KEEPERS and node.args:
            return all(self.is_handle(arg.value) for arg in node.args)
        waited: list[cst.CSTNode] = [arg.value for arg in node.args if arg.keyword is None]
        if last_name(node.func) not in WAITERS or not waited:
            return False
        return all(self._is_waited(value) for value in waited[:1]) and any(
            self.is_handle(one) for one in below(waited[0])
        )

    def _is_waited(self, value: cst.CSTNode) -> bool:
        if isinstance(value, cst.List | cst.Set | cst.Tuple):
            return all(self.is_handle(element.value) for element in value.elements)
        return self.is_handle(value) or self.only_waits(value)

    def only_asks_legacy(self, test: cst.CSTNode) -> bool:
        """Whether a condition asks the flag or a handle, and nothing besides."""
        leaves = list(self._leaves(test))
        return any(self.is_legacy(one) for one in leaves) and all(
            self.is_legacy(one) or (isinstance(one, cst.Name) and one.value in CONSTANTS)
            for one in leaves
        )

    def _leaves(self, node: cst.CSTNode) -> Iterator[cst.CSTNode]:
        if isinstance(node, cst.Call) and isinstance(node.func, cst.Attribute):
            yield node.func.value  # task.done() asks the task
            yield from (arg.value for arg in node.args)
        elif isinstance(node, cst.Name | cst.Attribute | cst.BaseString | cst.BaseNumber):
            yield node
        else:
            for child in node.children:
                yield from self._leaves(child)

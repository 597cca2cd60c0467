"""Which names and attributes of a service hold a CronScheduler, as far as its source says so."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import libcst as cst

from emonk_ops.operations.legacy_source.modules import Module, last_name
from emonk_ops.operations.legacy_source.names import CHECKS, SCHEDULER_CLASS

ROUNDS = 5


@dataclass
class Receivers:
    """Names by file, attributes for all files. `unclear` ones hold something else as well."""

    types: set[str] = field(default_factory=lambda: {SCHEDULER_CLASS})
    classes: set[cst.ClassDef] = field(default_factory=set)
    names: set[tuple[str, str]] = field(default_factory=set)
    attributes: set[str] = field(default_factory=set)
    factories: set[str] = field(default_factory=set)
    unclear: set[tuple[str, str]] = field(default_factory=set)  # file empty: an attribute

    def is_unclear(self, module: Module, node: cst.CSTNode) -> bool:
        """Whether the expression holds a scheduler in one place and other things in another."""
        if isinstance(node, cst.Attribute):
            return ("", node.attr.value) in self.unclear
        return isinstance(node, cst.Name) and (module.file, node.value) in self.unclear

    def holds(self, module: Module, node: cst.CSTNode) -> bool:
        """Whether the expression is a scheduler for sure."""
        if isinstance(node, cst.Call):
            return last_name(node) in self.types | self.factories
        if isinstance(node, cst.Name):
            if node.value in ("self", "cls"):
                return module.class_around(node) in self.classes
            return (module.file, node.value) in self.names or node.value in self.types
        return isinstance(node, cst.Attribute) and node.attr.value in self.attributes


def find_receivers(modules: Iterable[Module]) -> Receivers:
    """Read the classes, annotations and assignments until nothing new is learnt."""
    found, known = Receivers(), tuple(modules)
    for _ in range(ROUNDS):
        for module in known:
            _learn_classes(module, found)
    if any("emonk_ops.tick" in module.tree.code for module in known):
        found.attributes.add("scheduler")
    for _ in range(ROUNDS):
        for module in known:
            _learn_names(module, found)
    for module in known:
        if not module.is_test:
            _find_unclear(module, found)
    found.attributes -= {name for file, name in found.unclear if not file}
    found.names -= found.unclear
    return found


def _learn_classes(module: Module, found: Receivers) -> None:
    for node in module.of(cst.ClassDef):
        own = {one.name.value for one in functions_of(node)}
        based = any(last_name(base.value) in found.types for base in node.bases)
        if CHECKS in own or based or node.name.value in found.types:
            found.types.add(node.name.value)
            found.classes.add(node)


def functions_of(node: cst.ClassDef) -> Iterator[cst.FunctionDef]:
    yield from (one for one in node.body.body if isinstance(one, cst.FunctionDef))


def _learn_names(module: Module, found: Receivers) -> None:
    for param in module.of(cst.Param):
        if _says(param.annotation, found):
            found.names.add((module.file, param.name.value))
    for function in module.of(cst.FunctionDef):
        if _says(function.returns, found):
            is_property = any(last_name(one.decorator) == "property" for one in function.decorators)
            (found.attributes if is_property else found.factories).add(function.name.value)
    for node in module.assigning:
        for target, value, annotation in assignments(node):
            known = value is not None and found.holds(module, value)
            if known or _says(annotation, found):
                _learn_target(module, target, found)


def _learn_target(module: Module, target: cst.CSTNode, found: Receivers) -> None:
    if isinstance(target, cst.Attribute):
        found.attributes.add(target.attr.value)
    elif isinstance(target, cst.Name):
        in_class = module.class_around(target) and not module.functions_around(target)
        if in_class:
            found.attributes.add(target.value)
        else:
            found.names.add((module.file, target.value))


def _find_unclear(module: Module, found: Receivers) -> None:
    for node in module.assigning:
        for target, value, _ in assignments(node):
            if not isinstance(value, cst.Call) or found.holds(module, value):
                continue
            made = last_name(value)
            if made[:1].islower() and "sched" in made:
                continue  # a factory without annotations, as its name says
            if isinstance(target, cst.Attribute) and target.attr.value in found.attributes:
                found.unclear.add(("", target.attr.value))
            elif isinstance(target, cst.Name) and (module.file, target.value) in found.names:
                found.unclear.add((module.file, target.value))


def assignments(
    node: cst.CSTNode,
) -> Iterator[tuple[cst.CSTNode, cst.BaseExpression | None, cst.Annotation | None]]:
    """(target, value, annotation) of an assignment; nothing of any other node."""
    if isinstance(node, cst.Assign):
        for one in node.targets:
            yield one.target, node.value, None
    elif isinstance(node, cst.AnnAssign):
        yield node.target, node.value, node.annotation
    elif isinstance(node, cst.NamedExpr):
        yield node.target, node.value, None


def _says(annotation: cst.Annotation | None, found: Receivers) -> bool:
    if annotation is None:
        return False
    words = re.findall(r"\w+", cst.Module([]).code_for_node(annotation.annotation))
    wraps = {"Callable", "type", "Type", "list", "dict"}
    return bool(found.types & set(words)) and not wraps & set(words)

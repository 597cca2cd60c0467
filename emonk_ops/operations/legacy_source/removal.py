"""Marks everything that goes, in all files, until nothing more follows from what is marked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

import libcst as cst

from emonk_ops.operations.legacy_source.lens import Legacy, Lens
from emonk_ops.operations.legacy_source.model import Place
from emonk_ops.operations.legacy_source.modules import (
    Function,
    Module,
    last_name,
    without_await,
)
from emonk_ops.operations.legacy_source.names import (
    ABOUT_THE_SCHEDULER,
    AGENT_STARTS,
    METHODS,
    ON_EVENT,
    PROTECTED,
    SCHEDULER_CLASS,
    SPAWNERS,
)
from emonk_ops.operations.legacy_source.receivers import (
    assignments,
    find_receivers,
    functions_of,
)
from emonk_ops.operations.legacy_source.statements import (
    Fate,
    blocks_of,
    fates,
    harmless,
    is_all_legacy,
    is_declaration,
)


def mark(modules: Sequence[Module]) -> Legacy:
    """Everything of the legacy path in the files, tests left alone."""
    own = [module for module in modules if not module.is_test]
    legacy = Legacy(find_receivers(modules))
    lenses = [Lens(module, legacy) for module in own]
    definitions = Counter(one.name.value for lens in lenses for one in _functions(lens.module))
    size = -1
    while size != legacy.size:
        size = legacy.size
        for lens in lenses:
            _mark_methods(lens)
            _mark_handles(lens)
            _mark_functions(lens, definitions)
            _mark_blocks(lens, lens.module.tree)
        _mark_helpers(lenses)
        _mark_variables(lenses)
        _mark_classes(lenses)
    return legacy


def _functions(module: Module) -> Iterator[Function]:
    yield from module.of(Function)


def _mark_methods(lens: Lens) -> None:
    for owner in lens.legacy.receivers.classes:
        for method in functions_of(owner):
            if method.name.value in METHODS and lens.module.has(method):
                lens.legacy.marks.add(method)


def _mark_handles(lens: Lens) -> None:
    """A variable is a handle if nothing but spawns, None and False is ever put into it."""
    values: dict[tuple[str, int | None, str], list[tuple[cst.CSTNode | None, bool]]] = {}
    for node in lens.module.assigning:
        for target, value, _ in assignments(node):
            key = lens.handle_of(target)
            if key is not None:
                values.setdefault(key, []).append((value, lens.is_gone(node)))
    for key, found in values.items():
        if any(_is_begin(lens, *one) for one in found) and all(
            _is_begin(lens, *one) or gone or value is None or _is_constant(value)
            for one in found
            for value, gone in [one]
        ):
            lens.legacy.handles.add(key)


def _is_begin(lens: Lens, value: cst.CSTNode | None, gone: bool) -> bool:
    if value is None:
        return False
    value = without_await(value)
    return lens.is_spawn(value) or (gone and last_name(value) in SPAWNERS)


def _is_constant(value: cst.CSTNode) -> bool:
    return isinstance(value, cst.Name) and value.value in ("None", "False")


def _mark_functions(lens: Lens, definitions: Counter[str]) -> None:
    for function in _functions(lens.module):
        declared = function.name.value == AGENT_STARTS and is_declaration(lens, function.body)
        if function in lens.legacy.marks:
            continue
        if declared or is_all_legacy(lens, function.body):
            _mark_function(lens, function, definitions)


def _mark_function(lens: Lens, function: Function, definitions: Counter[str]) -> None:
    name = function.name.value
    in_scheduler = (
        lens.module.is_method(function)
        and lens.module.class_around(function) in lens.legacy.receivers.classes
    )
    if name in PROTECTED or name.startswith("__"):
        return
    if in_scheduler:
        lens.legacy.methods.add(name)
    elif _on_event(function):
        pass
    elif name == AGENT_STARTS or (definitions[name] == 1 and ABOUT_THE_SCHEDULER.search(name)):
        lens.legacy.names.add(name)
    else:
        return
    lens.legacy.marks.add(function)


def _on_event(function: Function) -> bool:
    """Whether a decorator alone makes it run."""
    return any(last_name(one.decorator) in ON_EVENT for one in function.decorators)


def _mark_blocks(lens: Lens, node: cst.Module | cst.BaseSuite) -> None:
    block = cst.IndentedBlock(node.body) if isinstance(node, cst.Module) else node
    for statement, fate in zip(block.body, fates(lens, block), strict=True):
        if fate is Fate.LEGACY:
            lens.legacy.marks.add(statement)
        elif isinstance(statement, cst.SimpleStatementLine):
            _mark_small(lens, statement)
        elif not lens.is_gone(statement):
            for inner in blocks_of(statement):
                _mark_blocks(lens, inner)


def _mark_small(lens: Lens, line: cst.SimpleStatementLine) -> None:
    suite = cst.SimpleStatementSuite(line.body)
    for small, fate in zip(line.body, fates(lens, suite), strict=True):
        if fate is Fate.LEGACY:
            lens.legacy.marks.add(small)


def _mark_helpers(lenses: Sequence[Lens]) -> None:
    """Private methods of the scheduler that only removed code uses go with it."""
    for lens in lenses:
        for method in _scheduler_methods(lens):
            name = method.name.value
            private = name.startswith("_") and not name.startswith("__")
            if private and not method.decorators and _is_orphan(lenses, method):
                lens.legacy.marks.add(method)
                lens.legacy.methods.add(name)


def _scheduler_methods(lens: Lens) -> Iterator[Function]:
    for owner in _own_classes(lens):
        yield from (one for one in functions_of(owner) if one not in lens.legacy.marks)


def _own_classes(lens: Lens) -> list[cst.ClassDef]:
    return [one for one in lens.legacy.receivers.classes if lens.module.has(one)]


def _is_orphan(lenses: Sequence[Lens], method: Function) -> bool:
    """Whether somebody used it, and everybody who did, itself left aside, goes."""
    gone = [
        lens.is_gone(use)
        for lens in lenses
        for use in lens.module.uses
        if last_name(use) == method.name.value and method not in lens.module.above(use)
    ]
    return bool(gone) and all(gone)


def _mark_variables(lenses: Sequence[Lens]) -> None:
    """Variables that only removed code read, where nothing but a value was put into them."""
    for lens in lenses:
        for node in lens.module.of(cst.SimpleStatementLine):
            if len(node.body) == 1:
                name = unused_name(lenses, lens, node)
                value = getattr(node.body[0], "value", None)
                if name and value is not None and harmless(value):
                    lens.legacy.marks.add(node)


def unused_name(lenses: Sequence[Lens], lens: Lens, line: cst.SimpleStatementLine) -> str:
    """The variable that the line sets and only removed code reads; empty if there is none."""
    if lens.is_gone(line):
        return ""
    targets = [target for target, _, _ in assignments(line.body[0])]
    if len(targets) != 1 or not isinstance(targets[0], cst.Name):
        return ""
    name, around = targets[0].value, lens.module.functions_around(line)
    if not around and (lens.module.class_around(line) or name.startswith("__")):
        return ""
    uses = [
        use
        for use in lens.module.uses_by_name.get(name, ())
        if use is not targets[0]
        if not around or around[0] in lens.module.above(use)
    ]
    if not uses or not all(lens.is_gone(use) for use in uses):
        return ""
    foreign = not around and any(one is not lens and _knows(one, name) for one in lenses)
    return "" if foreign else name


def _knows(lens: Lens, name: str) -> bool:
    """Whether another file imports the name, or reads it as an attribute."""
    return any(
        last_name(node if not isinstance(node, cst.ImportAlias) else node.name) == name
        for node in (*lens.module.of(cst.ImportAlias), *lens.module.of(cst.Attribute))
    )


def _mark_classes(lenses: Sequence[Lens]) -> None:
    """A class of its own for the loop (a mixin) goes when nothing of it is left."""
    for lens in lenses:
        for owner in _own_classes(lens):
            name = owner.name.value
            touched = any(one in lens.legacy.marks for one in owner.body.body)
            if name != SCHEDULER_CLASS and touched and _is_shell(lens, owner):
                lens.legacy.marks.add(owner)
                lens.legacy.gone_classes.add(name)


def _is_shell(lens: Lens, owner: cst.ClassDef) -> bool:
    """Nothing left but docstring, annotations and abstract methods."""
    return all(one in lens.legacy.marks or _is_declaration(one) for one in owner.body.body)


def _is_declaration(node: cst.CSTNode) -> bool:
    if isinstance(node, cst.FunctionDef):
        return any(last_name(one.decorator) == "abstractmethod" for one in node.decorators)
    if not isinstance(node, cst.SimpleStatementLine):
        return False
    return all(
        isinstance(one, cst.Pass)
        or (isinstance(one, cst.Expr) and isinstance(one.value, cst.BaseString))
        or (isinstance(one, cst.AnnAssign) and (one.value is None or harmless(one.value)))
        for one in node.body
    )


def leftovers(lens: Lens, uses: Sequence[cst.Name | cst.Attribute] | None = None) -> list[Place]:
    """Uses of what goes, from code that stays: among `uses`, or in the whole file."""
    found = []
    for use in lens.module.uses if uses is None else uses:
        if lens.is_gone(use):
            continue
        if lens.is_unclear(use):
            found.append(_place(lens, use, "cannot tell whether this is the CronScheduler's"))
        elif lens.is_legacy(use) and not _is_listed(lens, use):
            found.append(_place(lens, use, "still used by code that stays"))
    return found


def _place(lens: Lens, use: cst.Name | cst.Attribute, why: str) -> Place:
    code = lens.module.tree.code_for_node(use).strip().splitlines()[0]
    return lens.module.place(use, f"{code}: {why}")


def _is_listed(lens: Lens, use: cst.CSTNode) -> bool:
    """A base class or an element of `on_startup=[…]`, which the rewriting takes out."""
    above = lens.module.parent(use)
    if isinstance(above, cst.Arg):
        owner = lens.module.parent(above)
        return isinstance(owner, cst.ClassDef) and above in owner.bases
    return isinstance(above, cst.Element) and in_event_list(lens, above)


def in_event_list(lens: Lens, element: cst.BaseElement) -> bool:
    """Whether it is an element of `on_startup=[…]`."""
    above = lens.module.parent(element)
    argument = lens.module.parent(above) if isinstance(above, cst.List) else None
    return (
        isinstance(argument, cst.Arg)
        and argument.keyword is not None
        and argument.keyword.value in ON_EVENT
    )

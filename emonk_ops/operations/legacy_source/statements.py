"""What becomes of a statement: legacy and gone, of no weight of its own, or live."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from enum import Enum, auto

import libcst as cst

from emonk_ops.operations.legacy_source.lens import Lens
from emonk_ops.operations.legacy_source.modules import below, last_name, without_await
from emonk_ops.operations.legacy_source.names import LOGGERS
from emonk_ops.operations.legacy_source.receivers import assignments

HARMLESS = {"getenv", "get", "lower", "strip", "casefold", "bool", "isinstance", "suppress"}
LOG_CALLS = {"debug", "info", "warning", "error", "exception", "notice", "critical", "print"}


class Fate(Enum):
    """LEGACY goes. WEIGHTLESS (a log line, `pass`) goes with what is around it. LEAVES returns."""

    LEGACY = auto()
    WEIGHTLESS = auto()
    LEAVES = auto()
    LIVE = auto()


def fate_of(lens: Lens, node: cst.CSTNode) -> Fate:
    """The fate of a statement, compound ones by what is in them."""
    if node in lens.legacy.marks:
        return Fate.LEGACY
    if isinstance(node, cst.SimpleStatementLine):
        return _together([_small(lens, one) for one in node.body])
    if isinstance(node, cst.If):
        return _of_if(lens, node)
    if isinstance(node, cst.Try):
        blocks = [node.body, *(part.body for part in (node.orelse, node.finalbody) if part)]
        handlers = [_block(lens, one.body) for one in node.handlers]
        inside = _together([_block(lens, one) for one in blocks])
        return inside if all(one is not Fate.LIVE for one in handlers) else _live(inside)
    if isinstance(node, cst.With):
        inside = _block(lens, node.body)
        quiet = all(harmless(item.item) for item in node.items)
        return inside if quiet else Fate.LIVE
    if isinstance(node, cst.Global | cst.Nonlocal):
        return Fate.LIVE
    return Fate.LIVE


def _live(inside: Fate) -> Fate:
    """What a handler does counts only if the body can still fail."""
    return Fate.LEGACY if inside is Fate.LEGACY else Fate.LIVE


def _of_if(lens: Lens, node: cst.If) -> Fate:
    parts = [_block(lens, node.body)]
    if isinstance(node.orelse, cst.If):
        parts.append(_of_if(lens, node.orelse))
    elif node.orelse is not None:
        parts.append(_block(lens, node.orelse.body))
    inside = _together(parts)
    if lens.only_asks_legacy(node.test):
        return Fate.LEGACY if inside in (Fate.LEGACY, Fate.WEIGHTLESS) else inside
    return inside if harmless(node.test) else Fate.LIVE


def _block(lens: Lens, block: cst.BaseSuite) -> Fate:
    return _together(fates(lens, block))


def fates(lens: Lens, block: cst.BaseSuite) -> list[Fate]:
    if isinstance(block, cst.SimpleStatementSuite):
        return [_small(lens, one) for one in block.body]
    return [fate_of(lens, one) for one in block.body]


def _together(found: Sequence[Fate]) -> Fate:
    """One fate for several: live wins, then what returns, then legacy."""
    for fate in (Fate.LIVE, Fate.LEAVES, Fate.LEGACY):
        if fate in found:
            return fate
    return Fate.WEIGHTLESS


def is_all_legacy(lens: Lens, block: cst.BaseSuite) -> bool:
    """Whether a function's body does nothing but what goes; an early return is no more then."""
    found = fates(lens, block)
    return Fate.LIVE not in found and any(
        fate is Fate.LEGACY or (fate is Fate.LEAVES and _asks(lens, block)) for fate in found
    )


def is_declaration(lens: Lens, block: cst.BaseSuite) -> bool:
    """Whether a function's body does nothing: one of a protocol."""
    return all(fate is Fate.WEIGHTLESS for fate in fates(lens, block))


def _asks(lens: Lens, block: cst.BaseSuite) -> bool:
    return any(
        (isinstance(node, cst.If) and lens.only_asks_legacy(node.test))
        or (isinstance(node, cst.Return) and _returns_legacy(lens, node))
        for node in below(block)
    )


def _small(lens: Lens, node: cst.BaseSmallStatement) -> Fate:
    if node in lens.legacy.marks:
        return Fate.LEGACY
    if isinstance(node, cst.Pass):
        return Fate.WEIGHTLESS
    if isinstance(node, cst.Return):
        bare = node.value is None or (isinstance(node.value, cst.Name) and _is_none(node.value))
        return Fate.LEAVES if bare or _returns_legacy(lens, node) else Fate.LIVE
    if isinstance(node, cst.Expr):
        return _expression(lens, node.value)
    if isinstance(node, cst.Assign | cst.AnnAssign | cst.AugAssign):
        return _assignment(lens, node)
    if isinstance(node, cst.Global | cst.Nonlocal):
        known = all((lens.module.file, None, item.name.value) in lens.legacy.handles
                    for item in node.names)  # fmt: skip
        return Fate.LEGACY if known else Fate.LIVE
    return Fate.LIVE


def _returns_legacy(lens: Lens, node: cst.Return) -> bool:
    """`return await scheduler.start()`: nothing of it is left, and neither is a value."""
    value = None if node.value is None else without_await(node.value)
    return value is not None and (lens.is_call(value) or lens.is_spawn(value))


def _is_none(name: cst.Name) -> bool:
    return name.value == "None"


def _expression(lens: Lens, value: cst.BaseExpression) -> Fate:
    inner = without_await(value)
    if isinstance(inner, cst.BaseString | cst.Ellipsis):
        return Fate.WEIGHTLESS
    arguments = inner.args if isinstance(inner, cst.Call) else ()
    quiet = all(harmless(one.value) or lens.is_legacy(one.value) for one in arguments)
    if lens.is_call(inner) and quiet:
        return Fate.LEGACY
    if lens.is_spawn(inner) or lens.is_registration(inner) or lens.only_waits(inner):
        return Fate.LEGACY
    if isinstance(inner, cst.Call) and last_name(inner.func) in LOG_CALLS and _logs(inner):
        return Fate.WEIGHTLESS
    return Fate.LIVE


def _logs(call: cst.Call) -> bool:
    if isinstance(call.func, cst.Name):
        return call.func.value == "print"
    return isinstance(call.func, cst.Attribute) and bool(LOGGERS.match(last_name(call.func.value)))


def _assignment(lens: Lens, node: cst.Assign | cst.AnnAssign | cst.AugAssign) -> Fate:
    if isinstance(node, cst.AugAssign):
        return Fate.LIVE
    legacy = []
    for target, value, _ in assignments(node):
        known = lens.is_handle(target) or _is_flag(lens, target)
        quiet = value is None or harmless(value) or lens.is_spawn(without_await(value))
        legacy.append(known and quiet)
    return Fate.LEGACY if legacy and all(legacy) else Fate.LIVE


def _is_flag(lens: Lens, target: cst.CSTNode) -> bool:
    if lens.is_reference(target):
        return last_name(target) == "running"
    around = lens.module.class_around(target)
    in_body = isinstance(target, cst.Name) and not lens.module.functions_around(target)
    return in_body and around in lens.legacy.receivers.classes and last_name(target) == "running"


def harmless(value: cst.CSTNode) -> bool:
    """Whether to evaluate it does nothing that anybody would miss."""
    return all(_is_harmless(node) for node in below(value))


def _is_harmless(node: cst.CSTNode) -> bool:
    if isinstance(node, cst.Call):
        return last_name(node.func) in HARMLESS
    return not isinstance(node, cst.Await | cst.Yield | cst.NamedExpr)


def blocks_of(node: cst.CSTNode) -> Iterable[cst.BaseSuite]:
    """The blocks right below a compound statement."""
    for part in ("body", "orelse", "finalbody"):
        found = getattr(node, part, None)
        if isinstance(found, cst.BaseSuite):
            yield found
        elif isinstance(found, cst.Else | cst.Finally):
            yield found.body
        elif isinstance(found, cst.If):
            yield from blocks_of(found)
    for handler in getattr(node, "handlers", ()):
        yield handler.body

"""Filters as tests on a stored document, with what an index can use of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from google.cloud.firestore_v1.types import query

from emonk_ops.sandbox.firestore.collection import Stored
from emonk_ops.sandbox.firestore.errors import Refusal, invalid
from emonk_ops.sandbox.firestore.field_paths import NAME, Path, parse_path, value_at
from emonk_ops.sandbox.firestore.names import reference_key
from emonk_ops.sandbox.firestore.ordering import NAN, NULL, Key, bracket, is_nothing, key_of

Test: TypeAlias = Callable[[Stored], bool]
Span: TypeAlias = tuple[Key, Key, bool, bool]
"""From key, to key, whether the first is in it, whether the last is."""
_Field = query.StructuredQuery.FieldFilter.Operator
_Unary = query.StructuredQuery.UnaryFilter.Operator
_Composite = query.StructuredQuery.CompositeFilter.Operator
MOST_IN = 30
MOST_NOT_IN = 10
_RANGES = ("LESS_THAN", "LESS_THAN_OR_EQUAL", "GREATER_THAN", "GREATER_THAN_OR_EQUAL")
_NEGATIONS = ("NOT_EQUAL", "NOT_IN", "IS_NOT_NULL", "IS_NOT_NAN")


@dataclass(frozen=True, slots=True)
class Leaf:
    """One comparison. `spans` are all the keys it can match, None where no index helps."""

    path: Path
    text: str
    operator: str
    test: Test
    spans: tuple[Span, ...] | None = None


@dataclass(slots=True)
class Filters:
    """All of a query's filter: `conjuncts` must all hold."""

    conjuncts: list[Leaf | Test] = field(default_factory=list)
    inequalities: set[str] = field(default_factory=set)
    beside_name: str = ""
    """A field other than the name that is compared, if there is one."""
    names: bool = False
    """Whether the name is compared."""


def compile_filter(message: Any | None) -> Filters:
    """Raises Refusal for what Firestore does not allow."""
    found = Filters()
    if message is None:
        return found
    leaves: list[Leaf] = []
    found.conjuncts = list(_conjuncts(message, leaves))
    _check_together(leaves, message)
    found.beside_name = next((leaf.text for leaf in leaves if leaf.path != NAME), "")
    found.names = any(leaf.path == NAME for leaf in leaves)
    found.inequalities = {
        leaf.text for leaf in leaves if leaf.operator in _RANGES or leaf.operator in _NEGATIONS
    }
    return found


def key_at(stored: Stored, path: Path) -> Key | None:
    """The key of a field, or of the document's name; None where there is no such field."""
    if path == NAME:
        return stored.key
    value = value_at(stored.message.fields, path)
    return None if value is None else key_of(value)


def _conjuncts(message: Any, leaves: list[Leaf]) -> Iterator[Leaf | Test]:
    kind = message.WhichOneof("filter_type")
    if kind != "composite_filter":
        leaf = _leaf(message, kind)
        leaves.append(leaf)
        yield leaf
        return
    composite = message.composite_filter
    if composite.op == _Composite.AND:
        for one in composite.filters:
            yield from _conjuncts(one, leaves)
    elif composite.op == _Composite.OR:
        if not composite.filters:
            raise invalid("Composite filter must have at least one sub-filter.")
        if len(composite.filters) == 1:
            yield from _conjuncts(composite.filters[0], leaves)
            return
        yield _any([list(_conjuncts(one, leaves)) for one in composite.filters])
    else:
        raise invalid("Unknown composite filter operator.")


def _any(branches: list[list[Leaf | Test]]) -> Test:
    tests = [all_of(branch) for branch in branches]
    return lambda stored: any(test(stored) for test in tests)


def all_of(conjuncts: list[Leaf | Test]) -> Test:
    """One test of all."""
    tests = [one.test if isinstance(one, Leaf) else one for one in conjuncts]
    if len(tests) == 1:
        return tests[0]
    return lambda stored: all(test(stored) for test in tests)


def _leaf(message: Any, kind: str | None) -> Leaf:
    if kind == "unary_filter":
        unary = message.unary_filter
        return _unary(unary.field.field_path, _operator(_Unary, unary.op))
    if kind != "field_filter":
        raise invalid("Unknown Filter type.")
    given = message.field_filter
    text, operator = given.field.field_path, _operator(_Field, given.op)
    if operator == "OPERATOR_UNSPECIFIED":
        raise invalid("Unknown FieldFilter operator.")
    path = parse_path(text)
    if operator in ("IN", "NOT_IN", "ARRAY_CONTAINS_ANY"):
        keys = _keys(operator, given.value, path)
        return _set_leaf(path, text, operator, keys)
    key = _operand(path, given.value)
    if operator == "ARRAY_CONTAINS":
        return Leaf(path, text, operator, _contains(path, {key}))
    return _comparison(path, text, operator, key)


def _operator(kind: Any, number: int) -> str:
    try:
        return str(kind(number).name)
    except ValueError:
        return "OPERATOR_UNSPECIFIED"


def _unary(text: str, operator: str) -> Leaf:
    path = parse_path(text)
    if operator == "IS_NULL":
        return Leaf(path, text, operator, lambda stored: key_at(stored, path) == NULL, _only(NULL))
    if operator == "IS_NAN":
        return Leaf(path, text, operator, lambda stored: key_at(stored, path) == NAN, _only(NAN))
    if operator == "IS_NOT_NULL":
        return Leaf(path, text, operator, lambda stored: key_at(stored, path) not in (None, NULL))
    if operator == "IS_NOT_NAN":
        return Leaf(
            path, text, operator, lambda stored: key_at(stored, path) not in (None, NULL, NAN)
        )
    raise invalid("Unknown UnaryFilter operator.")


def _only(key: Key) -> tuple[Span, ...]:
    return ((key, key, True, True),)


def _operand(path: Path, value: Any) -> Key:
    if path != NAME:
        return key_of(value)
    if not value.HasField("reference_value"):
        raise invalid("__key__ filter value must be a Key")
    return reference_key(value.reference_value)


def _keys(operator: str, value: Any, path: Path) -> list[Key]:
    if not value.HasField("array_value"):
        raise invalid(f"'{operator}' requires an ArrayValue.")
    values = value.array_value.values
    if not values:
        raise invalid(f"'{operator}' requires an non-empty ArrayValue.")
    most = MOST_NOT_IN if operator == "NOT_IN" else MOST_IN
    if len(values) > most:
        raise invalid(f"'{operator}' supports up to {most} comparison values.")
    return [_operand(path, one) for one in values]


def _set_leaf(path: Path, text: str, operator: str, keys: list[Key]) -> Leaf:
    wanted = {key for key in keys if not is_nothing(key)}
    if operator == "ARRAY_CONTAINS_ANY":
        return Leaf(path, text, operator, _contains(path, wanted))
    if operator == "IN":
        spans = tuple((key, key, True, True) for key in sorted(wanted))
        return Leaf(path, text, operator, lambda stored: key_at(stored, path) in wanted, spans)
    if NULL in keys:
        return Leaf(path, text, operator, _never, ())
    return Leaf(
        path,
        text,
        operator,
        lambda stored: (key := key_at(stored, path)) not in (None, NULL) and key not in wanted,
    )


def _never(_stored: Stored) -> bool:
    return False


def _contains(path: Path, wanted: set[Key]) -> Test:
    wanted = {key for key in wanted if not is_nothing(key)}

    def test(stored: Stored) -> bool:
        key = key_at(stored, path)
        return key is not None and key[0] == 8 and not wanted.isdisjoint(key[1])

    return test


def _comparison(path: Path, text: str, operator: str, key: Key) -> Leaf:
    if path != NAME and key == NULL:
        return Leaf(path, text, operator, _never, ())
    if operator == "NOT_EQUAL":
        other = None if key == NAN and path != NAME else key
        return Leaf(
            path, text, operator, lambda stored: key_at(stored, path) not in (None, NULL, other)
        )
    if path != NAME and key == NAN:
        return Leaf(path, text, operator, _never, ())
    if operator == "EQUAL":
        return Leaf(path, text, operator, lambda stored: key_at(stored, path) == key, _only(key))
    least, beyond = ((), ("\U0010ffff" * 2,)) if path == NAME else bracket(key)
    if operator.startswith("LESS"):
        span = (least, key, True, operator.endswith("EQUAL"))
    else:
        span = (key, beyond, operator.endswith("EQUAL"), False)
    return Leaf(path, text, operator, _within(path, span), (span,))


def _within(path: Path, span: Span) -> Test:
    first, last, with_first, with_last = span

    def test(stored: Stored) -> bool:
        key = key_at(stored, path)
        if key is None or key < first or key > last:
            return False
        return (with_first or key != first) and (with_last or key != last)

    return test


def _check_together(leaves: list[Leaf], message: Any) -> None:
    operators = [leaf.operator for leaf in leaves]
    if sum(one in _NEGATIONS for one in operators) > 1:
        raise invalid(
            "Only a single 'NOT_EQUAL', 'NOT_IN', 'IS_NOT_NAN', or 'IS_NOT_NULL' filter allowed"
            " per query."
        )
    if "NOT_IN" in operators and (
        "IN" in operators or "ARRAY_CONTAINS_ANY" in operators or _has_or(message)
    ):
        raise invalid(
            "'NOT_IN' cannot be used in the same query with 'IN', 'ARRAY_CONTAINS_ANY' or 'OR'."
        )
    inequalities = {leaf.path for leaf in leaves if leaf.operator in (*_RANGES, *_NEGATIONS)}
    named = any(leaf.path == NAME and leaf.operator in ("EQUAL", "IN") for leaf in leaves)
    if named and inequalities and NAME not in inequalities:
        raise invalid(
            "Equality on key is not allowed if there are other inequality fields and key does not"
            " appear in inequalities."
        )
    _check_disjunctions(message)


def _has_or(message: Any) -> bool:
    if message.WhichOneof("filter_type") != "composite_filter":
        return False
    composite = message.composite_filter
    return composite.op == _Composite.OR or any(_has_or(one) for one in composite.filters)


def _check_disjunctions(message: Any) -> None:
    """At most one array-contains in each way in which the filter can hold, and 30 such ways."""
    ways = _ways(message)
    for contains, contains_any in ways:
        if contains > 1:
            raise _one_only("ARRAY_CONTAINS")
        if contains_any > 1 or (contains and contains_any):
            raise _one_only("ARRAY_CONTAINS_ANY")


def _one_only(what: str) -> Refusal:
    return invalid(f"A maximum of 1 '{what}' filter is allowed per disjunction.")


def _ways(message: Any) -> set[tuple[int, int]]:
    """For each way: how many ARRAY_CONTAINS and ARRAY_CONTAINS_ANY must hold together."""
    if message.WhichOneof("filter_type") != "composite_filter":
        operator = _operator(_Field, message.field_filter.op)
        return {(int(operator == "ARRAY_CONTAINS"), int(operator == "ARRAY_CONTAINS_ANY"))}
    parts = [_ways(one) for one in message.composite_filter.filters]
    if message.composite_filter.op == _Composite.OR:
        return {way for part in parts for way in part}
    ways = {(0, 0)}
    for part in parts:
        ways = {(a + c, b + d) for a, b in ways for c, d in part}
    return ways

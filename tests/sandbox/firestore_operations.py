"""Random operations on Firestore, as plain data."""

from __future__ import annotations

from hypothesis import strategies as st

COLLECTIONS = ("c", "d", "c/x/c", "c/y/e", "d/z/c")
IDS = ("x", "y", "z", "Ä", "a.b", "10", "9", "__id10__", "__id9__")
FIELDS = ("a", "b", "m.a", "m.b.c", "`q r`")
BAD_PATHS = ("a..b", "", "__r__", "1x")
COMPARISONS = (
    *("LESS_THAN", "LESS_THAN_OR_EQUAL", "GREATER_THAN", "GREATER_THAN_OR_EQUAL"),
    *("EQUAL", "EQUAL", "NOT_EQUAL", "ARRAY_CONTAINS"),
)
numbers = st.one_of(
    st.integers(-3, 3),
    st.sampled_from([2**53, 2**53 + 1, 2**63 - 1, -(2**63), 10**18]),
    st.sampled_from([0.0, -0.0, 1.0, 1.5, -2.5, float(2**53), 1e300, float("inf")]),
    st.just(float("nan")),
)
plain = st.one_of(
    st.none(),
    st.booleans(),
    numbers,
    st.sampled_from(["", "a", "A", "b", "é", "\U0001f600", "\uffff", "a\x00b"]),
    st.sampled_from([b"", b"a", b"\xff"]),
    st.builds(lambda s, n: ("time", s, n), st.sampled_from([0, 5, -5]), st.sampled_from([0, 1999])),
    st.builds(lambda c, i: ("ref", f"{c}/{i}"), st.sampled_from(COLLECTIONS), st.sampled_from(IDS)),
    st.builds(
        lambda a, b: ("geo", a, b),
        st.sampled_from([0.0, -90.0, 1.5]),
        st.sampled_from([0.0, 180.0]),
    ),
)
names = st.sampled_from(["a", "b", "c", "q r"])
values = st.recursive(
    plain,
    lambda inner: st.one_of(
        st.lists(plain, max_size=3),
        st.dictionaries(names, inner, max_size=3),
        st.lists(st.dictionaries(names, plain, max_size=2), max_size=2),
    ),
    max_leaves=5,
)
fields = st.dictionaries(st.sampled_from(["a", "b", "m", "q r"]), values, max_size=4)
nested = st.fixed_dictionaries(
    {}, optional={"a": numbers, "b": values, "m": st.fixed_dictionaries({}, optional={"a": plain})}
)
bodies = st.one_of(fields, nested, nested)
paths = st.builds(lambda c, i: f"{c}/{i}", st.sampled_from(COLLECTIONS), st.sampled_from(IDS))
field_paths = st.sampled_from(FIELDS)
any_paths = st.one_of(*[field_paths] * 12, st.sampled_from(BAD_PATHS))
masks = st.none() | st.lists(any_paths, max_size=3)
conditions = st.one_of(
    *[st.none()] * 3, st.booleans(), st.sampled_from(["version", "old version", "no version"])
)
elements = st.lists(plain, max_size=3)
transforms = st.lists(
    st.one_of(
        st.tuples(field_paths, st.sampled_from(["increment", "maximum", "minimum"]), numbers),
        st.tuples(
            field_paths,
            st.sampled_from(["append_missing_elements", "remove_all_from_array"]),
            elements,
        ),
        st.tuples(field_paths, st.just("set_to_server_value"), st.none()),
    ),
    max_size=2,
)
updates = st.tuples(st.just("update"), paths, bodies, masks, transforms, conditions)
deletes = st.tuples(st.just("delete"), paths, conditions)
transform_only = st.tuples(st.just("transform"), paths, transforms, conditions)
writes = st.one_of(updates, updates, updates, deletes, transform_only)
leaves = st.one_of(
    st.tuples(
        st.just("field"),
        st.sampled_from([*FIELDS[:3], "a", "a", "b"]),
        st.sampled_from(COMPARISONS),
        plain | st.lists(plain, max_size=2) | st.dictionaries(names, plain, max_size=2),
    ),
    st.tuples(
        st.just("field"),
        field_paths,
        st.sampled_from(["IN", "NOT_IN", "ARRAY_CONTAINS_ANY"]),
        st.lists(plain, min_size=0, max_size=4),
    ),
    st.tuples(
        st.just("field"),
        st.just("__name__"),
        st.sampled_from(["EQUAL", "GREATER_THAN", "LESS_THAN_OR_EQUAL", "NOT_EQUAL"]),
        paths.map(lambda path: ("ref", path)),
    ),
    st.tuples(
        st.just("unary"),
        field_paths,
        st.sampled_from(["IS_NULL", "IS_NAN", "IS_NOT_NULL", "IS_NOT_NAN"]),
    ),
)
filters = st.recursive(
    leaves,
    lambda inner: st.tuples(
        st.sampled_from(["AND", "AND", "OR"]), st.lists(inner, min_size=1, max_size=3)
    ),
    max_leaves=3,
)
orders = st.lists(
    st.tuples(st.sampled_from([*FIELDS, "a", "b", "__name__"]), st.booleans()),
    max_size=2,
)
cursors = st.none() | st.tuples(st.lists(plain, min_size=1, max_size=2), paths, st.booleans())
queries = st.fixed_dictionaries(
    {
        "from": st.tuples(st.sampled_from(["c", "c", "d", "e", ""]), st.booleans()),
        "parent": st.sampled_from(["", "", "", "c/x", "d/z"]),
        "where": st.none() | filters,
        "order": orders,
        "start": cursors,
        "end": cursors,
        "limit": st.none() | st.integers(0, 4),
        "offset": st.sampled_from([0, 0, 0, 1, 3]),
        "select": st.none() | st.none() | st.lists(field_paths, max_size=2),
    }
)
aggregations = st.lists(
    st.one_of(
        st.tuples(st.just("count"), st.none() | st.integers(0, 3)),
        st.tuples(st.sampled_from(["sum", "avg"]), field_paths),
    ),
    min_size=1,
    max_size=3,
)
operations = st.one_of(
    st.tuples(st.just("commit"), st.lists(writes, min_size=1, max_size=3)),
    st.tuples(st.just("commit"), st.lists(updates, min_size=1, max_size=2)),
    st.tuples(st.just("batch write"), st.lists(writes, min_size=1, max_size=4)),
    st.tuples(st.just("get"), paths, masks),
    st.tuples(st.just("batch get"), st.lists(paths, min_size=1, max_size=4), masks),
    st.tuples(st.just("create"), paths, bodies),
    st.tuples(st.just("update"), paths, bodies, masks, conditions),
    st.tuples(st.just("remove"), paths, conditions),
    st.tuples(st.just("list"), st.sampled_from(COLLECTIONS), st.integers(0, 3), st.booleans()),
    st.tuples(st.just("collections"), st.sampled_from(["", "c/x", "c/y", "d/z"])),
    *[st.tuples(st.just("query"), queries)] * 5,
    st.tuples(st.just("aggregate"), queries, aggregations),
    st.tuples(st.just("transaction"), st.lists(paths, max_size=2), st.lists(writes, max_size=2)),
    st.tuples(st.just("snapshot"), paths, updates, queries),
)

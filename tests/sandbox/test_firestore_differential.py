"""Random operations on the embedded Firestore and on Google's emulator, compared answer by answer.

Stamps are compared by the order in which they first appear, everything else as it is, the wording
of errors included. What is known to differ is in `emonk_ops.sandbox.firestore.differences`.
EMONK_DIFFERENTIAL_OPERATIONS=20000 makes the run longer.
"""

from __future__ import annotations

import os
import secrets
from typing import Any

import grpc
import pytest
from google.cloud.firestore_v1.types import common, document, firestore, query, write
from google.protobuf import empty_pb2, text_format
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from emonk_ops.sandbox.endpoint import Endpoint
from emonk_ops.tick.emulator import Emulator

OPERATIONS = int(os.environ.get("EMONK_DIFFERENTIAL_OPERATIONS", "0"))
STEPS = 20
EXAMPLES = OPERATIONS // STEPS if OPERATIONS else 60
TIMEOUT = 20
BREAK = "\n-- and then --\n"
OWNER = (("authorization", "Bearer owner"),)
THIS_CENTURY = 1_600_000_000  # seconds; the values below have no timestamp that is later

Value, Document, Write = document.Value.pb(), document.Document.pb(), write.Write.pb()
Query = query.StructuredQuery.pb()
Filter = query.StructuredQuery.Filter.pb()
FieldOp = query.StructuredQuery.FieldFilter.Operator
UNARY = {
    name: (getattr(firestore, f"{name}Request").pb(), answer)
    for name, answer in {
        "GetDocument": Document,
        "ListDocuments": firestore.ListDocumentsResponse.pb(),
        "ListCollectionIds": firestore.ListCollectionIdsResponse.pb(),
        "CreateDocument": Document,
        "UpdateDocument": Document,
        "DeleteDocument": empty_pb2.Empty,
        "BeginTransaction": firestore.BeginTransactionResponse.pb(),
        "Commit": firestore.CommitResponse.pb(),
        "Rollback": empty_pb2.Empty,
        "BatchWrite": firestore.BatchWriteResponse.pb(),
    }.items()
}
STREAMS = {
    name: (getattr(firestore, f"{name}Request").pb(), getattr(firestore, f"{name}Response").pb())
    for name in ("BatchGetDocuments", "RunQuery", "RunAggregationQuery")
}

# -- what is asked ---------------------------------------------------------------------------

COLLECTIONS = ("c", "d", "c/x/c", "c/y/e", "d/z/c")
IDS = ("x", "y", "z", "Ä", "a.b", "10", "9")
FIELDS = ("a", "b", "m.a", "m.b.c", "`q r`")
BAD_PATHS = ("a..b", "", "__r__", "1x")
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
        lambda a, b: ("geo", a, b), st.sampled_from([0.0, -90.0, 1.5]), st.sampled_from([0.0, 180.0])
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
        st.sampled_from(
            ["LESS_THAN", "LESS_THAN_OR_EQUAL", "GREATER_THAN", "GREATER_THAN_OR_EQUAL", "EQUAL"]
            + ["NOT_EQUAL", "ARRAY_CONTAINS", "EQUAL"]
        ),
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


# -- how it is asked -------------------------------------------------------------------------


class Store:
    """One Firestore, a new project of its own, and what it answers in comparable words."""

    def __init__(self, channel: grpc.Channel) -> None:
        self.database = f"projects/p-{secrets.token_hex(6)}/databases/(default)"
        self.root = f"{self.database}/documents"
        self._calls: dict[str, Any] = {}
        for kinds, make in ((UNARY, channel.unary_unary), (STREAMS, channel.unary_stream)):
            for name, (request, answer) in kinds.items():
                self._calls[name] = make(
                    f"/google.firestore.v1.Firestore/{name}",
                    request.SerializeToString,
                    answer.FromString,
                )
        self._stamps: dict[tuple[int, int], str] = {}
        self._versions: dict[str, list[Any]] = {}

    def ask(self, method: str, /, **content: Any) -> tuple[Any, str]:
        """The raw answer (None for an error), and the answer in words."""
        request = (UNARY.get(method) or STREAMS[method])[0](**content)
        try:
            answer = self._calls[method](request, timeout=TIMEOUT, metadata=OWNER)
            answers = list(answer) if method in STREAMS else [answer]
        except grpc.RpcError as error:
            details = str(error.details()).replace(self.project, "P").replace(r"\304", "Ä")
            return None, f"{error.code().name}: {self._without_versions(details)}"
        return answers, "\n".join(self._words(one) for one in answers)

    @property
    def project(self) -> str:
        return self.database.split("/")[1]

    def name(self, path: str) -> str:
        return f"{self.root}/{path}" if path else self.root

    def version(self, path: str, which: str) -> Any:
        known = self._versions.get(path, [])
        if which == "no version" or not known:
            return common.Precondition.pb()(update_time={"seconds": 1}).update_time
        return known[-1] if which == "version" else known[0]

    def learn(self, path: str, stamp: Any) -> None:
        known = self._versions.setdefault(path, [])
        if stamp.seconds and (not known or known[-1] != stamp):
            known.append(stamp)

    def _without_versions(self, text: str) -> str:
        for seconds, nanos in self._stamps:
            text = text.replace(f"{seconds}{nanos // 1000:06d}", "VERSION")
        return text

    def _words(self, message: Any) -> str:
        shown = type(message)()
        shown.CopyFrom(message)
        for unstable in ("transaction", "next_page_token", "skipped_results", "read_time"):
            if unstable in message.DESCRIPTOR.fields_by_name:
                shown.ClearField(unstable)
        lines: list[str] = []
        self._put(shown, lines, "")
        return "\n".join(lines)

    def _put(self, message: Any, lines: list[str], indent: str) -> None:
        for descriptor, held in message.ListFields():
            if descriptor.message_type is None:
                lines.append(f"{indent}{descriptor.name}: {self._scalar(held)}")
                continue
            if descriptor.message_type.GetOptions().map_entry:
                for key in sorted(held):
                    lines.append(f"{indent}{descriptor.name}[{key!r}]")
                    self._put(held[key], lines, indent + " ")
                continue
            repeated = hasattr(held, "add")
            for one in held if repeated else [held]:
                lines.append(f"{indent}{descriptor.name} {self._stamp(one)}")
                if one.DESCRIPTOR.full_name != "google.protobuf.Timestamp":
                    self._put(one, lines, indent + " ")

    def _scalar(self, held: Any) -> str:
        if isinstance(held, str):
            return repr(held.replace(self.project, "P").replace(r"\304", "Ä"))
        return repr(held if not hasattr(held, "add") else list(held)).replace(self.project, "P")

    def _stamp(self, message: Any) -> str:
        """Stamps of the store by the order in which they appear, and server times as such."""
        if message.DESCRIPTOR.full_name != "google.protobuf.Timestamp":
            return ""
        if message.seconds < THIS_CENTURY:
            return text_format.MessageToString(message, as_one_line=True)
        if message.nanos % 1_000_000 == 0:
            return "a server's millisecond"
        key = (message.seconds, message.nanos)
        return self._stamps.setdefault(key, f"stamp {len(self._stamps)}")


def value_of(store: Store, given: Any) -> Any:
    value = Value()
    match given:
        case None:
            value.null_value = 0
        case bool():
            value.boolean_value = given
        case int():
            value.integer_value = given
        case float():
            value.double_value = given
        case str():
            value.string_value = given
        case bytes():
            value.bytes_value = given
        case ("time", seconds, nanos):
            value.timestamp_value.seconds, value.timestamp_value.nanos = seconds, nanos
        case ("ref", path):
            value.reference_value = store.name(path)
        case ("geo", latitude, longitude):
            value.geo_point_value.SetInParent()
            value.geo_point_value.latitude = latitude
            value.geo_point_value.longitude = longitude
        case list():
            value.array_value.SetInParent()
            value.array_value.values.extend(value_of(store, one) for one in given)
        case dict():
            value.map_value.SetInParent()
            fill(store, value.map_value.fields, given)
    return value


def fill(store: Store, into: Any, given: dict[str, Any]) -> None:
    for name, one in given.items():
        into[name].CopyFrom(value_of(store, one))


def put_condition(store: Store, into: Any, path: str, given: Any) -> None:
    if isinstance(given, bool):
        into.exists = given
    elif given is not None:
        into.update_time.CopyFrom(store.version(path, given))


def put_transforms(store: Store, into: Any, given: list[Any]) -> None:
    for path, kind, operand in given:
        one = into.add(field_path=path)
        if kind == "set_to_server_value":
            one.set_to_server_value = 1
        elif isinstance(operand, list):
            getattr(one, kind).SetInParent()
            getattr(one, kind).values.extend(value_of(store, value) for value in operand)
        else:
            getattr(one, kind).CopyFrom(value_of(store, operand))


def write_of(store: Store, given: Any) -> Any:
    made = Write()
    match given:
        case ("update", path, body, mask, changes, condition):
            made.update.name = store.name(path)
            fill(store, made.update.fields, body)
            if mask is not None:
                made.update_mask.SetInParent()
                made.update_mask.field_paths.extend(mask)
            put_transforms(store, made.update_transforms, changes)
        case ("delete", path, condition):
            made.delete = store.name(path)
        case ("transform", path, changes, condition):
            made.transform.document = store.name(path)
            put_transforms(store, made.transform.field_transforms, changes)
    put_condition(store, made.current_document, path, condition)
    return made


def filter_of(store: Store, given: Any) -> Any:
    made = Filter()
    match given:
        case ("field", path, operator, operand):
            made.field_filter.field.field_path = path
            made.field_filter.op = int(FieldOp[operator])
            made.field_filter.value.CopyFrom(value_of(store, operand))
        case ("unary", path, operator):
            made.unary_filter.field.field_path = path
            made.unary_filter.op = int(query.StructuredQuery.UnaryFilter.Operator[operator])
        case (kind, inner):
            made.composite_filter.op = 1 if kind == "AND" else 2
            made.composite_filter.filters.extend(filter_of(store, one) for one in inner)
    return made


def query_of(store: Store, given: dict[str, Any]) -> Any:
    made = Query(offset=given["offset"])
    collection, descendants = given["from"]
    made.from_.add(collection_id=collection, all_descendants=descendants)
    if given["where"] is not None:
        made.where.CopyFrom(filter_of(store, given["where"]))
    for path, descending in given["order"]:
        made.order_by.add(direction=2 if descending else 1).field.field_path = path
    for which in ("start", "end"):
        if given[which] is not None and given["order"]:
            found, path, before = given[which]
            cursor = getattr(made, f"{which}_at")
            cursor.before = before
            for one, (field, _) in zip(found, given["order"], strict=False):
                held = ("ref", path) if field == "__name__" else one
                cursor.values.add().CopyFrom(value_of(store, held))
    if given["limit"] is not None:
        made.limit.value = given["limit"]
    if given["select"] is not None:
        made.select.SetInParent()
        for path in given["select"]:
            made.select.fields.add(field_path=path)
    return made


def mask_of(given: list[str] | None) -> dict[str, Any]:
    return {} if given is None else {"mask": common.DocumentMask.pb()(field_paths=given)}


def perform(store: Store, operation: Any) -> str:
    match operation:
        case ("commit", given):
            return committed(store, given)
        case ("batch write", given):
            made = [write_of(store, one) for one in given]
            answers, said = store.ask("BatchWrite", database=store.database, writes=made)
            learned(store, given, answers)
            return said
        case ("get", path, mask):
            return store.ask("GetDocument", name=store.name(path), **mask_of(mask))[1]
        case ("batch get", found, mask):
            asked = [store.name(path) for path in found]
            content = {"database": store.database, "documents": asked, **mask_of(mask)}
            return by_name(store.ask("BatchGetDocuments", **content)[1])
        case ("create", path, body):
            parent, _, identity = path.rpartition("/")
            above, _, collection = parent.rpartition("/")
            made = Document()
            fill(store, made.fields, body)
            return store.ask(
                "CreateDocument",
                parent=store.name(above),
                collection_id=collection,
                document_id=identity,
                document=made,
            )[1]
        case ("update", path, body, mask, condition):
            made = write_of(store, ("update", path, body, mask, [], condition))
            content = {"document": made.update, "current_document": made.current_document}
            if mask is not None:
                content["update_mask"] = made.update_mask
            return store.ask("UpdateDocument", **content)[1]
        case ("remove", path, condition):
            made = write_of(store, ("delete", path, condition))
            content = {"name": made.delete, "current_document": made.current_document}
            return store.ask("DeleteDocument", **content)[1]
    return perform_read(store, operation)


def perform_read(store: Store, operation: Any) -> str:
    match operation:
        case ("list", path, size, missing):
            return listed(store, path, size, missing)
        case ("collections", path):
            return store.ask("ListCollectionIds", parent=store.name(path))[1]
        case ("query", given):
            content = {"parent": store.name(given["parent"])}
            return store.ask("RunQuery", structured_query=query_of(store, given), **content)[1]
        case ("aggregate", given, wanted):
            asked = query.StructuredAggregationQuery.pb()()
            asked.structured_query.CopyFrom(query_of(store, given))
            for number, (kind, operand) in enumerate(wanted):
                one = asked.aggregations.add(alias=f"n{number}")
                if kind != "count":
                    getattr(one, kind).field.field_path = operand
                    continue
                one.count.SetInParent()
                if operand is not None:
                    one.count.up_to.value = operand
            content = {"parent": store.name(given["parent"])}
            name = "RunAggregationQuery"
            return store.ask(name, structured_aggregation_query=asked, **content)[1]
        case ("transaction", found, given):
            begun = begin(store, {"read_write": {}})
            said = [
                store.ask("GetDocument", name=store.name(path), transaction=begun)[1]
                for path in found
            ]
            said.append(committed(store, given, transaction=begun))
            said.append(committed(store, given, transaction=begun))
            return BREAK.join(said)
        case ("snapshot", path, given, asked):
            begun = begin(store, {"read_only": {}})
            said = [committed(store, [given])]
            content = {"parent": store.name(asked["parent"]), "transaction": begun}
            found = query_of(store, asked)
            said.append(store.ask("GetDocument", name=store.name(path), transaction=begun)[1])
            said.append(store.ask("RunQuery", structured_query=found, **content)[1])
            ended = store.ask("Rollback", database=store.database, transaction=begun)[1]
            return BREAK.join([*said, ended])
    raise AssertionError(operation)


def begin(store: Store, options: dict[str, Any]) -> bytes:
    answers, _ = store.ask("BeginTransaction", database=store.database, options=options)
    return bytes(answers[0].transaction)


def committed(store: Store, given: list[Any], **content: Any) -> str:
    made = [write_of(store, one) for one in given]
    answers, said = store.ask("Commit", database=store.database, writes=made, **content)
    learned(store, given, answers)
    return said


def learned(store: Store, given: list[Any], answers: Any) -> None:
    for one, result in zip(given, answers[0].write_results if answers else (), strict=False):
        store.learn(one[1], result.update_time)


def by_name(said: str) -> str:
    """Answers to a batch of names come in any order."""
    return "\n".join(sorted(said.split("\n"))) if "missing" in said else said


def listed(store: Store, path: str, size: int, missing: bool) -> str:
    """All pages of a list."""
    parent, _, collection = path.rpartition("/")
    content: dict[str, Any] = {"parent": store.name(parent), "collection_id": collection}
    said, token = [], ""
    while True:
        answers, words = store.ask(
            "ListDocuments", page_size=size, page_token=token, show_missing=missing, **content
        )
        if words:  # a full page may be followed by one without documents
            said.append(words)
        token = answers[0].next_page_token if answers else ""
        if not token:
            return "\n".join(said)


def alike(ours: str, theirs: str) -> bool:
    """Of a request with several faults either may be named; a query that is refused for want of
    an index is no question of what Firestore finds.
    """
    ours_said, theirs_said = ours.split(BREAK), theirs.split(BREAK)
    return len(ours_said) == len(theirs_said) and all(
        one == other
        or "This query requires an index" in other
        or (one.startswith("INVALID_ARGUMENT") and other.startswith("INVALID_ARGUMENT"))
        for one, other in zip(ours_said, theirs_said, strict=True)
    )


@pytest.mark.timeout(3600)
def test_random_operations_are_answered_as_google_s_emulator_answers_them(
    firestore_emulator: Emulator, firestore_embedded: Endpoint
) -> None:
    asked = 0

    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        derandomize=not OPERATIONS,
        phases=(Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
    )
    @given(st.lists(operations, min_size=STEPS, max_size=STEPS))
    def compare(steps: list[Any]) -> None:
        nonlocal asked
        ours, theirs = Store(embedded), Store(google)
        for step in steps:
            asked += 1
            said = perform(ours, step), perform(theirs, step)
            assert alike(*said), (step, *said)

    with (
        grpc.insecure_channel(firestore_embedded.grpc) as embedded,
        grpc.insecure_channel(firestore_emulator.address) as google,
    ):
        compare()
    assert asked >= EXAMPLES * STEPS // 2
    print(f"{asked} operations compared")

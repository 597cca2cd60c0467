"""One Firestore, asked by raw messages, that answers in words that can be compared."""

from __future__ import annotations

import re
import secrets
from typing import Any

import grpc
from google.cloud.firestore_v1.types import common, document, firestore, query, write
from google.protobuf import empty_pb2, text_format

TIMEOUT = 20
OWNER = (("authorization", "Bearer owner"),)
THIS_CENTURY = 1_600_000_000  # seconds; the values of the tests have no timestamp that is later

Value, Document, Write = document.Value.pb(), document.Document.pb(), write.Write.pb()
Query = query.StructuredQuery.pb()
Filter = query.StructuredQuery.Filter.pb()
UnaryOp: Any = query.StructuredQuery.UnaryFilter.Operator
FieldOp: Any = query.StructuredQuery.FieldFilter.Operator
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

    @staticmethod
    def _without_versions(text: str) -> str:
        """Versions are microseconds of this century: 16 digits."""
        return re.sub(r"\b1[0-9]{15}\b", "VERSION", text)

    def _words(self, message: Any) -> str:
        shown = type(message)()
        shown.CopyFrom(message)
        for unstable in ("transaction", "next_page_token", "skipped_results", "read_time"):
            if unstable in message.DESCRIPTOR.fields_by_name:
                shown.ClearField(unstable)
        if "documents" in message.DESCRIPTOR.fields_by_name:
            for one in shown.documents:
                if not one.HasField("create_time"):  # a missing one, listed for what is below it
                    one.ClearField("update_time")
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
                lines.append(f"{indent}{descriptor.name} {self._stamp(descriptor.name, one)}")
                if one.DESCRIPTOR.full_name != "google.protobuf.Timestamp":
                    self._put(one, lines, indent + " ")

    def _scalar(self, held: Any) -> str:
        if isinstance(held, str):
            text = held.replace(self.project, "P").replace(r"\304", "Ä")
            return repr(self._without_versions(text))
        return repr(held if not hasattr(held, "add") else list(held)).replace(self.project, "P")

    def _stamp(self, name: str, message: Any) -> str:
        """Stamps of the store by the order in which they appear, and server times as such."""
        if message.DESCRIPTOR.full_name != "google.protobuf.Timestamp":
            return ""
        if message.seconds < THIS_CENTURY:
            return text_format.MessageToString(message, as_one_line=True)
        if name == "timestamp_value":
            assert message.nanos % 1_000_000 == 0
            return "the time of a request"
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
            made.field_filter.op = getattr(FieldOp, operator).value
            made.field_filter.value.CopyFrom(value_of(store, operand))
        case ("unary", path, operator):
            made.unary_filter.field.field_path = path
            made.unary_filter.op = getattr(UnaryOp, operator).value
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

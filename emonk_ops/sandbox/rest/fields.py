"""Fields of messages by their JSON names, and their values from text."""

from __future__ import annotations

import re
from typing import Any

from google.protobuf.descriptor import FieldDescriptor

from emonk_ops.sandbox.rest.errors import RestError, bad_request

_WHOLE = {
    getattr(FieldDescriptor, f"CPPTYPE_{name}") for name in ("INT32", "INT64", "UINT32", "UINT64")
}
_FRACTION = {FieldDescriptor.CPPTYPE_DOUBLE, FieldDescriptor.CPPTYPE_FLOAT}
_TYPE_NAMES = {
    number: name for name, number in vars(FieldDescriptor).items() if name.startswith("TYPE_")
}
FIELD_MASK = "google.protobuf.FieldMask"
# Written as one JSON string.
_AS_TEXT = (FIELD_MASK, "google.protobuf.Timestamp", "google.protobuf.Duration")
_WRAPPER = re.compile(r"google\.protobuf\.\w+Value")


def find_field(descriptor: Any, name: str) -> Any:
    """By JSON name or by the proto's own, else None."""
    for field in descriptor.fields:
        if name in (field.json_name, field.name):
            return field
    return None


def nested(message: Any, path: str) -> tuple[Any, str]:
    """The message that holds the last field of a dotted path, and that field's name."""
    *way, last = path.split(".")
    for name in way:
        message = getattr(message, name)
    return message, last


def value_of(field: Any, text: str, name: str) -> Any:
    """What a query parameter's text is as JSON; `name` is as the caller wrote it."""
    kind = field.message_type
    if kind is not None and kind.full_name == FIELD_MASK:
        return camel_mask(text)
    if kind is not None and _WRAPPER.fullmatch(kind.full_name):
        return value_of(kind.fields_by_name["value"], text, name)
    if kind is not None and kind.full_name not in _AS_TEXT:
        raise bad_request(
            f'Invalid JSON payload received. Unknown name "{name}": Cannot bind query parameter.'
            f" '{name}' is a message type. Parameters can only be bound to primitive types."
        )
    try:
        return _scalar(field, text)
    except ValueError:
        raise invalid_value(field, field.name, text) from None


def _scalar(field: Any, text: str) -> Any:
    if field.cpp_type in _WHOLE:
        return int(text)
    if field.cpp_type in _FRACTION:
        return float(text)
    if field.cpp_type == FieldDescriptor.CPPTYPE_BOOL:
        if text.lower() not in ("true", "false"):  # gcloud writes False
            raise ValueError(text)
        return text.lower() == "true"
    if field.cpp_type == FieldDescriptor.CPPTYPE_ENUM:
        if text.lstrip("-").isdigit():
            return int(text)
        if text not in field.enum_type.values_by_name:
            raise ValueError(text)
    return text


def camel_mask(text: str) -> str:
    """A field mask may come in either case; JSON's own is camel case."""
    return re.sub(r"_([a-z0-9])", lambda match: match[1].upper(), text)


def invalid_value(field: Any, where: str, value: Any) -> RestError:
    """The platform's sentence for a value that its field cannot hold."""
    kind = field.message_type or field.enum_type
    named = f"type.googleapis.com/{kind.full_name}" if kind else _TYPE_NAMES[field.type]
    shown = f'"{value}"' if isinstance(value, str) else str(value)
    return bad_request(f"Invalid value at '{where}' ({named}), {shown}", where)

"""JSON bodies before they are parsed: unknown names and bad values in the platform's words."""

from __future__ import annotations

from typing import Any

from google.protobuf import json_format, message_factory

from emonk_ops.sandbox.rest.errors import bad_request
from emonk_ops.sandbox.rest.fields import FIELD_MASK, camel_mask, find_field, invalid_value

_OWN_JSON = "google.protobuf."  # types whose JSON is not an object of their fields


def checked(content: Any, descriptor: Any, where: str) -> Any:
    """The content as `json_format` takes it, or RestError that names the place of the mistake.

    `where` is the path of the content in the request, for example 'job'.
    """
    if not isinstance(content, dict):
        return content
    taken = {}
    for name, value in content.items():
        field = find_field(descriptor, name)
        if field is None:
            at = f" at '{where}'" if where else ""
            raise bad_request(
                f'Invalid JSON payload received. Unknown name "{name}"{at}: Cannot find field.',
                where,
            )
        taken[name] = _checked_value(value, field, f"{where}.{field.name}".lstrip("."))
    return taken


def _checked_value(value: Any, field: Any, where: str) -> Any:
    kind = field.message_type
    if value is None:
        return None
    if kind is not None and kind.full_name == FIELD_MASK and isinstance(value, str):
        return camel_mask(value)
    plain = kind is None or kind.full_name.startswith(_OWN_JSON)
    if plain or not _shaped(value, field):
        _try(value, field, where)
        return value
    if kind.GetOptions().map_entry:
        entry = kind.fields_by_name["value"]
        return {key: _checked_value(one, entry, f"{where}[{key}]") for key, one in value.items()}
    if field.is_repeated:
        return [checked(one, kind, f"{where}[{index}]") for index, one in enumerate(value)]
    return checked(value, kind, where)


def _shaped(value: Any, field: Any) -> bool:
    """Whether a message field's value is the list or object that it must be."""
    is_list = field.is_repeated and not field.message_type.GetOptions().map_entry
    return isinstance(value, list if is_list else dict)


def _try(value: Any, field: Any, where: str) -> None:
    """Parse one field alone, in order to say which one cannot be parsed."""
    if field.containing_type.GetOptions().map_entry:
        return
    draft = message_factory.GetMessageClass(field.containing_type)()
    try:
        json_format.ParseDict({field.json_name: value}, draft)
    except json_format.ParseError:
        raise invalid_value(field, where, value) from None

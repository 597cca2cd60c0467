"""EXTRACT(field) and REGEXP_EXTRACT(field, "pattern") of log-based metrics.

From logging/docs/reference/v2/rest/v2/projects.metrics.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from emonk_ops.sandbox.logging.entry_fields import Shape, number_text, resolve_field, texts_of
from emonk_ops.sandbox.logging.errors import FilterError, invalid

Extraction = Callable[[Any], str | None]
_EXTRACT = re.compile(r"\s*EXTRACT\(\s*([\w.\"]+)\s*\)\s*")
_REGEXP = re.compile(r'\s*REGEXP_EXTRACT\(\s*([\w."]+)\s*,\s*(?:r)?"((?:[^"\\]|\\.)*)"\s*\)\s*')


def extraction_of(text: str) -> Extraction:
    """The field's text, or the pattern's first group of it. Raises Refusal for another text."""
    if match := _EXTRACT.fullmatch(text):
        return _reader(match[1])
    if match := _REGEXP.fullmatch(text):
        read, pattern = _reader(match[1]), _pattern(match[2])

        def first_group(entry: Any) -> str | None:
            found = pattern.search(read(entry) or "")
            return found[1] if found else None

        return first_group
    raise invalid(f"Invalid extractor '{text}': EXTRACT(field) or REGEXP_EXTRACT(field, \"…\").")


def _reader(path: str) -> Extraction:
    try:
        field = resolve_field(tuple(part.strip('"') for part in path.split(".")))
    except FilterError as error:
        raise invalid(str(error)) from error

    def read(entry: Any) -> str | None:
        for value in field.values(entry):
            return _text(field.shape, value)
        return None

    return read


def _text(shape: Shape, value: Any) -> str | None:
    if value is None:
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    if shape is Shape.DURATION:
        return number_text(value / 1e9)
    if isinstance(value, int | float):
        return number_text(float(value))
    return next(iter(texts_of(value)), None)


def _pattern(text: str) -> re.Pattern[str]:
    try:
        pattern = re.compile(re.sub(r"\\\\", r"\\", text))
    except re.error as error:
        raise invalid(f"Invalid regular expression '{text}': {error}") from error
    if pattern.groups != 1:
        raise invalid(f"The regular expression '{text}' must have exactly one group.")
    return pattern

"""Other thresholds for evidence that is judged again, from a TOML file."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from emonk_ops.errors import UsageError
from emonk_ops.operations.acceptance.criteria import Criteria
from emonk_ops.operations.review.findings import Limits

# Of the rules of a shadow, those that are no facts of its window.
OF_SHADOW = ("duration_margin", "error_margin", "least_pairs", "least_share", "least_hours")
OF_PRODUCTION = tuple(one.name for one in fields(Criteria))
OF_REVIEW = tuple(one.name for one in fields(Limits))
NAMES: Mapping[str, tuple[str, ...]] = {
    "shadow": OF_SHADOW,
    "production": OF_PRODUCTION,
    "review": OF_REVIEW,
}
EXAMPLE = "For example: [production], then latency_p99_seconds = 1.0"


@dataclass(frozen=True)
class Thresholds:
    """Those that are changed; the others stay what they were when the evidence was judged."""

    shadow: Mapping[str, float] = field(default_factory=dict)
    production: Mapping[str, float] = field(default_factory=dict)
    review: Mapping[str, float] = field(default_factory=dict)


def read_thresholds(path: Path) -> Thresholds:
    """Raises UsageError naming the file, the name and what was expected."""
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(
            f"{path} cannot be read: {error.strerror or error}", hint="--with another file"
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} is no TOML: {error}", hint=EXAMPLE) from error
    for kind, values in document.items():
        _require_known(path, kind, NAMES)
        if not isinstance(values, dict):
            raise UsageError(f"{path}: {kind} = {values!r} is no table", hint=EXAMPLE)
        for name, value in values.items():
            _require_known(path, name, NAMES[kind], f"[{kind}] ")
            _require_positive(path, f"[{kind}] {name}", value)
    if not any(document.values()):
        raise UsageError(f"{path} names no threshold", hint=EXAMPLE)
    return Thresholds(**document)


def _require_known(path: Path, name: str, known: Any, where: str = "") -> None:
    if name in known:
        return
    near = get_close_matches(name, known, n=1)
    meant = f"; did you mean {near[0]}?" if near else ""
    raise UsageError(
        f"{path}: there is no {where}{name}{meant}", hint=f"There are: {', '.join(known)}"
    )


def _require_positive(path: Path, name: str, value: Any) -> None:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or not 0 < value < float("inf"):
        raise UsageError(f"{path}: {name} = {value!r} is no number above 0", hint=EXAMPLE)

"""What may be said of a new job besides its type, schedule and payload."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from emonk_ops.tick.errors import InvalidJob
from emonk_ops.tick.jobs import LONGEST_ID, MISFIRE_POLICIES
from emonk_ops.tick.texts import encodable, plain_json

OPTIONS = (
    "max_attempts",
    "backoff_seconds",
    "timeout_seconds",
    "misfire",
    "grace_seconds",
    "max_catchup",
    "concurrency_key",
    "declared",
)
LONGEST_KEY = 500
MOST = 1_000_000_000
LEAST = {
    "max_attempts": 1,
    "backoff_seconds": 0,
    "timeout_seconds": 0.001,
    "grace_seconds": 0,
    "max_catchup": 1,
}
WHOLE = ("max_attempts", "max_catchup")
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]*")


def check_options(
    job_id: str, job_type: str, payload: Mapping[str, Any] | None, options: Mapping[str, Any]
) -> None:
    """Raise InvalidJob naming the field that is wrong."""
    if not _ID.fullmatch(job_id) or len(job_id) > LONGEST_ID:
        raise InvalidJob(
            f"'{job_id}' cannot be a job id.",
            hint=f"Letters, digits and . _ : - are allowed, {LONGEST_ID} characters at most.",
        )
    if not job_type:
        raise InvalidJob(f"job '{job_id}' has no type.")
    if encodable(job_type) != job_type:
        raise InvalidJob(f"job '{job_id}': its type '{job_type}' cannot be encoded.")
    unknown = sorted(set(options) - set(OPTIONS))
    if unknown:
        raise InvalidJob(
            f"job '{job_id}': unknown option {', '.join(unknown)}.",
            hint=f"There are {', '.join(OPTIONS[:-1])}.",
        )
    if options.get("misfire", "run_once") not in MISFIRE_POLICIES:
        raise InvalidJob(
            f"job '{job_id}': misfire={options['misfire']!r} is no policy.",
            hint=f"One of {', '.join(MISFIRE_POLICIES)}.",
        )
    _check_numbers(job_id, options)
    if options.get("concurrency_key") is not None:
        check_key("concurrency_key", options["concurrency_key"])
    try:
        plain_json(payload or {})
    except ValueError as error:
        raise InvalidJob(f"job '{job_id}': its payload is not JSON: {error}.") from error


def check_key(name: str, key: object) -> str:
    """`key`, if it can be a dedup or concurrency key. Raises InvalidJob."""
    if not isinstance(key, str) or not 0 < len(key) <= LONGEST_KEY or encodable(key) != key:
        raise InvalidJob(
            f"{name}={encodable(repr(key))[:80]} is not a key.",
            hint=f"A text of 1 to {LONGEST_KEY} characters is.",
        )
    return key


def _check_numbers(job_id: str, options: Mapping[str, Any]) -> None:
    for name, minimum in LEAST.items():
        value = options.get(name)
        if value is None:
            continue
        kinds = int if name in WHOLE else int | float
        number = isinstance(value, kinds) and not isinstance(value, bool)
        if not number or not minimum <= value <= MOST:  # which also turns NaN away
            kind = "a whole number" if name in WHOLE else "a number"
            raise InvalidJob(
                f"job '{job_id}': {name}={value!r} must be {kind}, at least {minimum} and at most "
                f"{MOST}."
            )

"""The kinds of settings: each reads what a file or a variable holds, or says what was expected."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

from emonk_ops.settings import FILE_PLACE, Target

STORAGES = ("json", "firestore")
ON_BREACH = ("rollback", "pause", "warn")
RADII = ("canary", "ticks", "instance", "service")
YES = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}
CRON_FIELDS = 5
EMAIL = re.compile(r"[^@\s/]+@[^@\s/]+\.[^@\s/]+")
# A project's id, some with the domain they belong to; a database's id.
PLACE = re.compile(
    r"firestore:((?:[a-z0-9.-]+:)?[a-z][a-z0-9-]{3,61})(?:/(\(default\)|[a-z][a-z0-9-]{3,62}))?"
)
DEFAULT_DATABASE = "(default)"
CHANNEL = re.compile(r"projects/[^/\s]+/notificationChannels/[^/\s]+")


def read(kind: str, found: Any) -> Any:
    """The value; text from a variable is taken as the kind. Raises ValueError."""
    return KINDS[kind](found)


def _text(found: Any) -> str:
    if not isinstance(found, str):
        raise ValueError(f"expected text, not {found!r}")
    return found


def _whole(found: Any) -> int:
    if (number := _number(found, int)) < 1:
        raise ValueError(f"expected a whole number above 0, not {found!r}")
    return int(number)


def _count(found: Any) -> int:
    if (number := _number(found, int)) < 0:
        raise ValueError(f"expected a whole number, 0 or more, not {found!r}")
    return int(number)


def _seconds(found: Any) -> float:
    if (number := _number(found, float)) <= 0:
        raise ValueError(f"expected seconds above 0, not {found!r}")
    return number


def _amount(found: Any) -> float:
    if (number := _number(found, float)) <= 0:
        raise ValueError(f"expected a number above 0, not {found!r}")
    return number


def _number(found: Any, kind: type[int] | type[float]) -> float:
    wrong = isinstance(found, bool) or (kind is int and isinstance(found, float))
    try:
        if wrong:
            raise ValueError
        return kind(found)
    except (ValueError, TypeError):
        name = "a whole number" if kind is int else "a number"
        raise ValueError(f"expected {name}, not {found!r}") from None


def _yes(found: Any) -> bool:
    if isinstance(found, bool):
        return found
    if isinstance(found, str) and found.lower() in YES:
        return YES[found.lower()]
    raise ValueError(f"expected true or false, not {found!r}")


def _words(found: Any) -> tuple[str, ...]:
    if isinstance(found, list) and all(isinstance(word, str) for word in found):
        return tuple(found)
    if isinstance(found, str):
        raise ValueError(f"expected a list of words, like {shlex.split(found)}")
    raise ValueError(f"expected a list of words, not {found!r}")


def _channels(found: Any) -> tuple[str, ...]:
    for one in (words := _words(found)):
        if not EMAIL.fullmatch(one) and not CHANNEL.fullmatch(one):
            raise ValueError(
                "expected email addresses and full names like "
                f"projects/P/notificationChannels/123, not {one!r}"
            )
    return words


def _table(found: Any) -> dict[str, str]:
    if isinstance(found, dict) and all(isinstance(value, str) for value in found.values()):
        return dict(found)
    raise ValueError(f'expected a table of texts, like {{ LOG_LEVEL = "INFO" }}, not {found!r}')


def _folder(found: Any) -> Path:
    return Path(_text(found)).expanduser()


def _path(found: Any) -> str:
    if not _text(found).startswith("/"):
        raise ValueError(f"expected a path that begins with /, not {found!r}")
    return str(found)


def _target(found: Any) -> str:
    names = [str(target) for target in Target]
    if found not in names:
        raise ValueError(f"expected one of {', '.join(names)}, not {found!r}")
    return str(found)


def _storage(found: Any) -> str:
    if found not in STORAGES:
        raise ValueError(f"expected one of {', '.join(STORAGES)}, not {found!r}")
    return str(found)


def _breach(found: Any) -> str:
    if found not in ON_BREACH:
        raise ValueError(f"expected one of {', '.join(ON_BREACH)}, not {found!r}")
    return str(found)


def _place(found: Any) -> str:
    """`file`, or `firestore:PROJECT/DATABASE` with the database always named."""
    if found == FILE_PLACE:
        return FILE_PLACE
    match = PLACE.fullmatch(_text(found))
    if match is None:
        raise ValueError(
            f"expected file, firestore:PROJECT or firestore:PROJECT/DATABASE, not {found!r}"
        )
    return f"firestore:{match[1]}/{match[2] or DEFAULT_DATABASE}"


def _radius(found: Any) -> str:
    if found not in RADII:
        raise ValueError(f"expected one of {', '.join(RADII)}, not {found!r}")
    return str(found)


def _cron(found: Any) -> str:
    from datetime import UTC, datetime

    from cronsim import CronSim, CronSimError

    text = _text(found)
    parts = text.split()
    if len(parts) != CRON_FIELDS:
        raise ValueError(
            f"a cadence has 5 fields (minute hour day month weekday); {text!r} has {len(parts)}"
        )
    # What cronsim takes and Cloud Scheduler does not.
    days = {"L", "#", "W", "?"} & set(f"{parts[2]} {parts[4]}".upper().replace("JUL", ""))
    days -= {"W"} if "WED" in parts[4].upper() else set()
    if days:
        raise ValueError(f"{text!r}: Cloud Scheduler does not know {' '.join(sorted(days))}")
    try:
        CronSim(text, datetime(2026, 1, 1, tzinfo=UTC))
    except CronSimError as error:
        raise ValueError(f"{text!r} is not a cron expression: {error}") from error
    return text


def _zone(found: Any) -> str:
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

    try:
        ZoneInfo(_text(found))
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(f"there is no time zone {found!r}; an example is Europe/Berlin") from None
    return str(found)


KINDS: dict[str, Callable[[Any], Any]] = {
    "text": _text,
    "whole": _whole,
    "count": _count,
    "seconds": _seconds,
    "amount": _amount,
    "yes": _yes,
    "words": _words,
    "channels": _channels,
    "table": _table,
    "folder": _folder,
    "path": _path,
    "target": _target,
    "storage": _storage,
    "breach": _breach,
    "place": _place,
    "radius": _radius,
    "cron": _cron,
    "zone": _zone,
}

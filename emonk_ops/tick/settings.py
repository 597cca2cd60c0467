"""The environment of the service, read once into a frozen record; every problem is listed."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from emonk_ops.tick import cron
from emonk_ops.tick.errors import InvalidSchedule, SettingsError
from emonk_ops.tick.settings_check import problems_of
from emonk_ops.tick.settings_table import FIELDS, TickSettings, Variable


def read_settings(environment: Mapping[str, str]) -> TickSettings:
    """The settings. Raises SettingsError that lists every problem, not only the first."""
    values: dict[str, Any] = {}
    problems: list[str] = []
    for variable in FIELDS:
        text = environment.get(variable.name, "").strip() or variable.default
        try:
            values[variable.attribute] = _value(variable, text)
        except ValueError as error:
            problems.append(f"{variable.name}={text}: {error}")
            values[variable.attribute] = _value(variable, variable.default)
    settings = TickSettings(**values)
    problems += problems_of(settings)
    if problems:
        raise SettingsError(tuple(problems))
    return settings


def env_example() -> str:
    """The text of `.env.example`."""
    lines = [
        "# Environment of the tick service, with its defaults.",
        "# Written by: python -m emonk_ops.tick --env-example",
    ]
    for variable in FIELDS:
        lines += ["", f"# {variable.says}", f"{variable.name}={_quoted(variable.default)}"]
    return "\n".join(lines) + "\n"


def _quoted(text: str) -> str:
    return f'"{text}"' if re.search(r"[\s*]", text) else text


def _value(variable: Variable, text: str) -> Any:
    match variable.kind:
        case "whole":
            return _whole(text)
        case "number":
            return _number(text)
        case "flag":
            return _flag(text)
        case "list":
            return tuple(part.strip().lower() for part in text.split(",") if part.strip())
        case "cadence":
            return _cadence(text)
    return text


def _whole(text: str) -> int:
    if not text.isdecimal():
        raise ValueError("expected a whole number")
    return int(text)


def _number(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        raise ValueError("expected a number of seconds") from None
    if not 0 <= number < float("inf"):
        raise ValueError("expected a number of seconds, zero or more")
    return number


def _flag(text: str) -> bool:
    known = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}
    if text.lower() not in known:
        raise ValueError("expected true or false")
    return known[text.lower()]


def _cadence(text: str) -> str:
    try:
        return cron.check_cron(text)
    except InvalidSchedule as error:
        raise ValueError(str(error)) from error

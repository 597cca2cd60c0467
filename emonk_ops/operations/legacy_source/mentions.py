"""The legacy flags in what configures a service: plain assignments go, the rest is listed."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from emonk_ops.operations.legacy_source.model import Place
from emonk_ops.operations.legacy_source.names import (
    AGENT_STARTS,
    CHECKS,
    FLAGS,
    SPEAKS_OF_THE_LOOP,
    STORAGE,
)

FLAG = "(?:" + "|".join(FLAGS) + ")"
MENTIONS = re.compile(rf"\b{FLAG}\b")
NAMED = re.compile(rf"\b(?:{FLAG}|{AGENT_STARTS}|{CHECKS})\b")
KINDS: Mapping[str, re.Pattern[str]] = {
    "env": re.compile(rf"\s*(export\s+)?{FLAG}=[^`$(]*$"),
    "docker": re.compile(rf"\s*(ENV|ARG)\s+{FLAG}([=\s]\s*[^\s=\\]+)?\s*$", re.IGNORECASE),
    "shell": re.compile(rf"\s*(export\s+)?{FLAG}=[\w\"'.-]*\s*(#.*)?$"),
    "yaml": re.compile(rf"\s*(-\s+)?[\"']?{FLAG}[\"']?\s*[:=]\s*[\w\"'.-]*[\"']?\s*(#.*)?$"),
    "toml": re.compile(rf"\s*{FLAG}\s*=\s*[\w\"'.-]*\s*(#.*)?$"),
}
YAML_NAME = re.compile(rf"(\s*)-\s+name:\s*[\"']?{FLAG}[\"']?\s*$")
YAML_VALUE = re.compile(r"\s*value:\s*[\w\"'.-]*\s*$")
EXAMPLES = re.compile(
    r"(^|\.)env[.-]?(example|sample|template|dist|default)$|^\.env\.(example|ex)$"
)


@dataclass(frozen=True)
class Configured:
    """A file without its assignments of the flags, and what else mentions them."""

    after: bytes
    removed: tuple[Place, ...]
    left: tuple[Place, ...]


def kind_of(file: str) -> str:
    """How the file assigns; empty where a person has to read it."""
    name = file.rsplit("/", 1)[-1]
    if EXAMPLES.search(name):
        return "env"
    if name.startswith("Dockerfile") or name.endswith(".Dockerfile"):
        return "docker"
    kinds = {"sh": "shell", "bash": "shell", "yml": "yaml", "yaml": "yaml", "toml": "toml"}
    return kinds.get(name.rsplit(".", 1)[-1], "")


def configure(file: str, raw: bytes) -> Configured:
    """Take the flags' plain assignments out of a file that is no Python and no document."""
    try:
        lines = raw.decode("utf-8").splitlines(keepends=True)
    except UnicodeDecodeError:
        return Configured(raw, (), ())
    mentioned = [number for number, line in enumerate(lines) if NAMED.search(line)]
    if not mentioned:
        return Configured(raw, (), ())
    going = set(_going(kind_of(file), lines, mentioned))
    going |= _comments_above(lines, going)
    going |= {number + 1 for number in going if _leaves_two_gaps(lines, going, number)}
    after = "".join(line for number, line in enumerate(lines) if number not in going)
    removed = [Place(file, n + 1, lines[n].strip()) for n in sorted(going) if lines[n].strip()]
    left = [Place(file, n + 1, lines[n].strip()) for n in mentioned if n not in going]
    return Configured(after.encode(), tuple(removed), tuple(left))


def _going(kind: str, lines: Sequence[str], mentioned: Sequence[int]) -> Iterator[int]:
    whole = "".join(lines)
    for number in mentioned:
        line = lines[number].rstrip("\r\n")
        continued = number > 0 and lines[number - 1].rstrip().endswith("\\")
        read_again = re.search(rf"\$\{{?{FLAG}\b", whole)
        if continued or (kind in ("shell", "docker") and read_again):
            continue
        if kind == "yaml" and YAML_NAME.match(line):
            yield from _yaml_pair(lines, number)
        elif kind and KINDS[kind].match(line) and not _is_only_child(kind, lines, (number,)):
            yield number


def _yaml_pair(lines: Sequence[str], number: int) -> Iterator[int]:
    pair = (number, number + 1)
    value = lines[number + 1].rstrip("\r\n") if number + 1 < len(lines) else ""
    if YAML_VALUE.match(value) and not _is_only_child("yaml", lines, pair):
        yield from pair


def _is_only_child(kind: str, lines: Sequence[str], own: Sequence[int]) -> bool:
    """Whether nothing would be left below the key or in the block of a script above it."""
    if kind not in ("yaml", "shell"):
        return False
    before = _text(reversed(lines[: own[0]]))
    after = _text(lines[own[-1] + 1 :])
    depth = _depth(lines[own[0]])
    if kind == "shell":
        return before.strip().endswith(("then", "do", "{", "else")) and after.strip().startswith(
            ("fi", "done", "}", "else", "elif")
        )
    opens = before.rstrip().endswith(":") and (_depth(before) <= depth)
    goes_on = bool(after) and _depth(after) == depth and (
        after.lstrip().startswith("-") == lines[own[0]].lstrip().startswith("-")
    )  # fmt: skip
    return opens and not goes_on


def _text(lines: Iterator[str] | Sequence[str]) -> str:
    """The first line that is neither blank nor a comment."""
    return next((one for one in lines if one.strip() and not one.lstrip().startswith("#")), "")


def _depth(line: str) -> int:
    return len(line) - len(line.lstrip(" "))


def _comments_above(lines: Sequence[str], going: set[int]) -> set[int]:
    """The comment right above an assignment goes with it if it speaks of the loop."""
    found: set[int] = set()
    for number in going:
        first = number
        while first and lines[first - 1].lstrip().startswith("#"):
            first -= 1
        block = range(first, number)
        if SPEAKS_OF_THE_LOOP.search(" ".join(lines[one] for one in block)):
            found |= set(block)
    return found


def _leaves_two_gaps(lines: Sequence[str], going: set[int], number: int) -> bool:
    first = number
    while first in going:
        first -= 1
    following = number + 1 < len(lines) and not lines[number + 1].strip()
    before = first < 0 or not lines[first].strip()
    return following and before and number + 1 not in going


JSON_LINES: Mapping[str, re.Pattern[str]] = {
    "env": re.compile(rf"(\s*(?:export\s+)?{STORAGE}=[\"']?)json([\"']?\s*)$"),
    "docker": re.compile(rf"(\s*(?:ENV|ARG)\s+{STORAGE}[=\s]\s*[\"']?)json([\"']?\s*)$"),
    "shell": re.compile(rf"(\s*(?:export\s+)?{STORAGE}=[\"']?)json([\"']?\s*)$"),
    "yaml": re.compile(rf"(\s*(?:-\s+)?{STORAGE}\s*[:=]\s*[\"']?)json([\"']?\s*)$"),
    "toml": re.compile(rf"(\s*{STORAGE}\s*=\s*[\"']?)json([\"']?\s*)$"),
}


def with_firestore(file: str, raw: bytes) -> Configured:
    """`SCHEDULER_STORAGE=json` said in configuration becomes firestore."""
    pattern = JSON_LINES.get(kind_of(file))
    try:
        lines = raw.decode("utf-8").splitlines(keepends=True)
    except UnicodeDecodeError:
        return Configured(raw, (), ())
    if pattern is None:
        return Configured(raw, (), ())
    swap: Callable[[re.Match[str]], str] = lambda found: f"{found[1]}firestore{found[2]}"  # noqa: E731
    after = [pattern.sub(swap, line) for line in lines]
    removed = [
        Place(file, number + 1, f"{old.strip()} becomes firestore")
        for number, (old, new) in enumerate(zip(lines, after, strict=True))
        if old != new
    ]
    return Configured("".join(after).encode(), tuple(removed), ())

"""Path templates of google.api.http: /v2/{name=projects/*/locations/*}/services:verb."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from urllib.parse import unquote

_PIECE = re.compile(r"\{(?P<field>[\w.]+)(?:=(?P<pattern>[^}]*))?\}|(?P<stars>\*\*?)")


@dataclass(frozen=True)
class Template:
    """One template; `fields` are the dotted request fields that its path fills."""

    text: str

    @cached_property
    def fields(self) -> tuple[str, ...]:
        return tuple(match["field"] for match in _PIECE.finditer(self.text) if match["field"])

    @cached_property
    def _expression(self) -> re.Pattern[str]:
        return re.compile(_expression(self.text))

    @cached_property
    def has_verb(self) -> bool:
        """Whether it ends in `:verb`."""
        return ":" in self.text.rpartition("/")[2].rpartition("}")[2]

    @cached_property
    def weight(self) -> tuple[bool, int, int]:
        """Sorts what says more before what says less: a verb, no **, many literal characters."""
        literal = re.sub(r"\{[\w.]+=?|\}|\*", "", self.text)
        return (not self.has_verb, self.text.count("**"), -len(literal))

    def match(self, path: str) -> dict[str, str] | None:
        """The fields that a (percent-encoded) path fills, None when it is another path."""
        found = self._expression.fullmatch(path)
        if found is None:
            return None
        return {
            field: unquote(value) for field, value in zip(self.fields, found.groups(), strict=True)
        }


def _expression(text: str) -> str:
    parts: list[str] = []
    at = 0
    for match in _PIECE.finditer(text):
        parts.append(re.escape(text[at : match.start()]))
        at = match.end()
        if match["field"]:
            parts.append(f"({_expression(match['pattern'] or '*')})")
        else:
            parts.append(".*" if match["stars"] == "**" else "[^/]+")
    parts.append(re.escape(text[at:]))
    # documents/*/** is also documents/*: two stars stand for no segment as well.
    return "".join(parts).replace("/.*", "(?:/.*)?")

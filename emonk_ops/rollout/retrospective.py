"""The retrospective: the guide's four parts as Markdown, each sentence with its evidence."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from emonk_ops.rollout.records import Record
from emonk_ops.rollout.retrospective_advice import advice
from emonk_ops.rollout.retrospective_edges import Days, edges
from emonk_ops.rollout.retrospective_issues import issues
from emonk_ops.rollout.retrospective_performance import performance
from emonk_ops.rollout.retrospective_told import Sentence, Told, day, escaped
from emonk_ops.rollout.review import DAY_READ, known_days

NOTHING = "Nothing is known: the journal tells of none."


@dataclass(frozen=True)
class Part:
    """One of the guide's four lines of "Lessons Learned"."""

    title: str
    sentences: tuple[Sentence, ...]

    def markdown(self) -> str:
        lines = [one.markdown() for one in self.sentences] or [NOTHING]
        return "\n".join([f"## {self.title}", "", *lines])


@dataclass(frozen=True)
class Retrospective:
    """Of one service in one environment; `records` of its journal were read."""

    env: str
    service: str
    records: tuple[Record, ...]
    parts: tuple[Part, ...]

    def markdown(self) -> str:
        head = f"# Retrospective: scheduled jobs of {escaped(self.service)} in {escaped(self.env)}"
        body = "\n\n".join(one.markdown() for one in self.parts)
        return f"{head}\n\n{self._about()}\n\n{body}\n"

    def to_data(self) -> dict[str, Any]:
        return {
            "records": len(self.records),
            "parts": [
                {
                    "title": part.title,
                    "sentences": [
                        {
                            "text": one.text,
                            "evidence": [{"run": by.run, "record": by.seq} for by in one.records],
                        }
                        for one in part.sentences
                    ],
                }
                for part in self.parts
            ],
        }

    def _about(self) -> str:
        if not self.records:
            return "The journal has no record."
        first, last = self.records[0], self.records[-1]
        runs = len({one.run for one in self.records if one.kind == "run.started"})
        return (
            f"By {len(self.records):,} records of {runs} runs in the journal, {day(first.at)} to "
            f"{day(last.at)}. In brackets: the run, as `emonk-ops history` and `emonk-ops judge` "
            "name it, and the records in which it stands."
        )


def retrospective(records: Iterable[Record], *, env: str, service: str) -> Retrospective:
    """Filled from the journal alone. A part of which nothing is known stays empty.

    Raises StateDamaged for a reviewed day that cannot be read.
    """
    told = Told(records)
    days = _days(told)
    parts = (
        Part("Issues encountered and resolutions", tuple(issues(told))),
        Part("Unexpected edge cases", tuple(edges(told, days))),
        Part("Performance improvements identified", tuple(performance(told, days))),
        Part("Recommendations for future migrations", tuple(advice(told))),
    )
    return Retrospective(env, service, told.records, parts)


def _days(told: Told) -> Days:
    """Each reviewed day with the record that its newest reading is in."""
    known = known_days(told.records)
    found = {}
    for one in told.of(DAY_READ):
        for begin, digest in known.items():
            if one.body["digest"].get("since") == begin.isoformat():
                found[begin] = (one, digest)
    return [found[begin] for begin in sorted(found)]

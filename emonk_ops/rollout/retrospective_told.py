"""A journal as a retrospective reads it, and sentences that each name what they are known by."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from textwrap import shorten

from emonk_ops.rollout.records import Record
from emonk_ops.rollout.sentences import time_left
from emonk_ops.rollout.standing import REVIEWS

MOST_NAMED = 4  # records behind one sentence; the others are counted
LONGEST = 160  # letters of what one record says
SPECIAL = re.compile(r"([\\`*_\[\]<>|#])")


@dataclass(frozen=True)
class Sentence:
    """What is known, and the records it is known by. Raises ValueError without any."""

    text: str
    records: tuple[Record, ...]

    def __post_init__(self) -> None:
        if not self.records:
            raise ValueError(f"nothing is known by no record: {self.text}")

    def evidence(self) -> str:
        """`run 5f0c11d2aa70, records 12, 15`; runs in the order in which they are named."""
        runs: dict[str, list[int]] = defaultdict(list)
        for one in self.records[:MOST_NAMED]:
            runs[one.run].append(one.seq)
        told = [
            f"run {run}, record{'s' * (len(seqs) > 1)} {', '.join(map(str, seqs))}"
            for run, seqs in runs.items()
        ]
        more = len(self.records) - MOST_NAMED
        return "; ".join(told) + (f"; and {more} more records" if more > 0 else "")

    def markdown(self) -> str:
        return f"- {escaped(self.text)} [{self.evidence()}]"


class Told:
    """The records, and what belongs together in them."""

    def __init__(self, records: Iterable[Record]) -> None:
        self.records = tuple(records)
        self._by_seq = {one.seq: one for one in self.records}
        self._started = {one.run: one for one in self.records if one.kind == "run.started"}

    def by_seq(self, seq: int) -> Record:
        return self._by_seq[seq]

    def of(self, *kinds: str) -> Iterator[Record]:
        """In the journal's order."""
        return (one for one in self.records if one.kind in kinds)

    def after(self, record: Record, *kinds: str) -> Iterator[Record]:
        """Those of these kinds behind it."""
        return (one for one in self.of(*kinds) if one.seq > record.seq)

    def stage_of(self, record: Record) -> int | None:
        """The stage that its run was about, if it was a stage's."""
        started = self._started.get(record.run)
        if started is None or started.body["command"] != "stage":
            return None
        stage: int | None = started.body.get("stage")
        return stage

    def place_of(self, record: Record) -> str:
        """`Stage 2`, or `The review`; empty for a record of another command's run."""
        started = self._started.get(record.run)
        if started is not None and started.body["command"] == REVIEWS:
            return "The review"
        stage = self.stage_of(record)
        return "" if stage is None else f"Stage {stage}"

    def passes(self, stage: int) -> Iterator[Record]:
        """The ends of runs in which the stage passed."""
        for one in self.of("run.ended"):
            if one.body["status"] == "done" and self.stage_of(one) == stage:
                yield one

    def began(self, stage: int) -> Record | None:
        """The first run of the stage."""
        return next(
            (
                one
                for one in self.of("run.started")
                if one.body["command"] == "stage" and one.body.get("stage") == stage
            ),
            None,
        )


def escaped(text: str) -> str:
    """As it is in Markdown, on one line."""
    return SPECIAL.sub(r"\\\1", " ".join(text.split()).replace("….", "…"))


def said(words: object) -> str:
    """What a record says, cut where it is long: the journal keeps it whole."""
    return shorten(str(words), LONGEST, placeholder=" …").rstrip(".")


def day(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M}Z"


def took(first: Record, last: Record) -> str:
    """How long it was between them."""
    return time_left(max(timedelta(), last.at - first.at))

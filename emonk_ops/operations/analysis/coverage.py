"""Which of an instance's numbered lines have been seen: gaps are lost log lines."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import pairwise


@dataclass
class Stretch:
    """Line numbers `first`..`last`, all seen, the one at `began`, the other at `ended`."""

    first: int
    last: int
    began: datetime
    ended: datetime


@dataclass
class InstanceLines:
    """One instance. Memory grows with the gaps, not with the lines."""

    stretches: list[Stretch] = field(default_factory=list)
    promised: int = 0  # the number of its last line, as it said when it stopped
    stopped_at: datetime | None = None

    def see(self, number: int, at: datetime) -> bool:
        """Note a line; False where it was seen before."""
        found = self.stretches
        if found and found[-1].last + 1 == number:
            found[-1].last, found[-1].ended = number, at
            return True
        place = bisect_right(found, number, key=lambda one: one.first)
        before = found[place - 1] if place else None
        after = found[place] if place < len(found) else None
        if before is not None and number <= before.last:
            return False
        joins_before = before is not None and before.last + 1 == number
        joins_after = after is not None and after.first - 1 == number
        if before is not None and joins_before:
            before.last, before.ended = number, at
            if after is not None and joins_after:
                before.last, before.ended = after.last, after.ended
                del found[place]
        elif after is not None and joins_after:
            after.first, after.began = number, at
        else:
            found.insert(place, Stretch(number, number, at, at))
        return True

    def stop(self, last: int, at: datetime) -> None:
        self.promised, self.stopped_at = last, at

    @property
    def seen(self) -> int:
        return sum(one.last - one.first + 1 for one in self.stretches)

    def gaps(self, begin: datetime) -> list[tuple[datetime, datetime, int]]:
        """(from, to, lines) of what is missing since `begin`; lines before the first are older."""
        missing = [
            (one.ended, two.began, two.first - one.last - 1)
            for one, two in pairwise(self.stretches)
        ]
        last = self.stretches[-1] if self.stretches else None
        behind = 0 if last is None else last.last
        if self.stopped_at is not None and self.promised > behind:
            since = begin if last is None else last.ended
            missing.append((since, self.stopped_at, self.promised - behind))
        return [gap for gap in missing if gap[1] >= begin]


class Coverage:
    """All instances."""

    def __init__(self) -> None:
        self.instances: dict[str, InstanceLines] = {}
        self.unnumbered = 0

    def see(self, instance: str, number: int, at: datetime) -> bool:
        """Note a numbered line; False where it is a repetition. A line without number is new."""
        if not instance or number < 1:
            self.unnumbered += 1
            return True
        return self._of(instance).see(number, at)

    def stop(self, instance: str, last: int, at: datetime) -> None:
        self._of(instance).stop(last, at)

    def _of(self, instance: str) -> InstanceLines:
        return self.instances.setdefault(instance, InstanceLines())

    @property
    def seen(self) -> int:
        return sum(one.seen for one in self.instances.values())

    @property
    def heard_until(self) -> datetime | None:
        """The newest numbered line of any instance."""
        ends = [one.stretches[-1].ended for one in self.instances.values() if one.stretches]
        return max(ends, default=None)

    def gaps(self, begin: datetime) -> list[tuple[datetime, datetime, int]]:
        """Over all instances, by their beginning."""
        return sorted(gap for one in self.instances.values() for gap in one.gaps(begin))

    def cut_off(self, begin: datetime, end: datetime, quiet_seconds: float) -> list[str]:
        """Instances whose first or last lines may be missing, in words.

        A line comes at least every `quiet_seconds`. So an instance whose first line is not its
        number 1 and comes later has lost lines; so may one have that fell silent without a word.
        """
        quiet = timedelta(seconds=quiet_seconds)
        told = []
        for name, lines in sorted(self.instances.items()):
            if not lines.stretches:
                continue
            first, last = lines.stretches[0], lines.stretches[-1]
            if first.first > 1 and first.began > begin + quiet:
                told.append(f"instance {name} begins with its line {first.first}")
            if lines.stopped_at is None and last.ended < end - quiet:
                told.append(f"instance {name} fell silent at {last.ended:%H:%M:%SZ}")
        return told

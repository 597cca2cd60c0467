from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Violation:
    """A promise that was broken: which, for which job, and how."""

    rule: str
    job_id: str
    said: str

    def __str__(self) -> str:
        return f"{self.rule}: {self.job_id}: {self.said}"

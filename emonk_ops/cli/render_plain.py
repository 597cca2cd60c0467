"""A run as plain lines: one event, one line, evidence indented below. For pipes and pipelines."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from emonk_ops.cli.output import Output
from emonk_ops.cli.wording import (
    against_budget,
    check_title,
    diff_lines,
    evidence,
    finding_lines,
    seconds,
    step_title,
)
from emonk_ops.rollout.events import (
    CheckEnded,
    Event,
    Noted,
    PhaseBegan,
    StageBegan,
    StepBegan,
    StepBroke,
    StepEnded,
)

UNDER = "      "


class PlainRenderer:
    """Shows events on one stream as they come."""

    def __init__(self, screen: Output) -> None:
        self._screen = screen

    @contextmanager
    def showing(self) -> Iterator[None]:
        yield

    @contextmanager
    def paused(self) -> Iterator[None]:
        yield

    def notice(self, event: Event) -> None:
        for line in _lines(event):
            self._screen.line(line)


def _lines(event: Event) -> list[str]:
    match event:
        case StageBegan(stage):
            return [f"stage {stage.number}: {stage.title}"]
        case PhaseBegan(name, _):
            return [f"== {name}"]
        case CheckEnded(_, result):
            took = f" ({seconds(result.seconds)})" if result.seconds >= 0.05 else ""
            return [
                f"  {check_title(result)}{took}",
                *(UNDER + line for line in finding_lines(result)),
            ]
        case StepBegan(_, step):
            return [f"  ... {step.id}: {step.title}"]
        case StepEnded(_, step, result, took):
            facts = evidence(result.facts)
            return [
                f"  {step_title(step, result, took)}",
                *(f"{UNDER}{line}" for line in diff_lines(result.facts)),
                *([f"{UNDER}evidence: {facts}"] if facts else []),
            ]
        case StepBroke(_, step, error, took):
            logged = getattr(error, "log_lines", ())
            return [
                f"  FAILED {step.id}: {error.message} ({against_budget(step, took)})",
                *(f"{UNDER}| {line}" for line in logged),
            ]
        case Noted(text, warning):
            return [f"{'! ' if warning else '  '}{text}"]
        case _:
            return []

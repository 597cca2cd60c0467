"""Every answer to every check of every run, as JSON data."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from emonk_ops.operations.evidence.saving import ACCEPTANCE
from emonk_ops.reporting.model import Story
from emonk_ops.reporting.told.runs import CheckTold


def verdicts_data(stories: Sequence[Story]) -> dict[str, Any]:
    """Per environment a list, in the order in which the answers were given."""
    return {story.env: sorted(_answers(story), key=lambda one: str(one["at"])) for story in stories}


def _answers(story: Story) -> Iterator[dict[str, Any]]:
    for run in story.runs:
        yield from (_answer(check) for check in run.checks)
    for fault, _ in story.faults:
        yield {
            **_empty(),
            "run": fault.run,
            "phase": "injection",
            "id": fault.title,
            "verdict": fault.verdict,
            "holds": fault.verdict == "PASS",
            "summary": fault.summary,
            "evidence": fault.evidence,
            "at": fault.until.isoformat(),
        }
        yield from (_answer(one) for one in fault.observations)
    for kept in story.kept:
        if kept.purpose == ACCEPTANCE:
            continue  # its checks are there
        for name, told in kept.verdicts.items():
            yield {
                **_empty(),
                "run": kept.run,
                "stage": kept.stage,
                "phase": kept.purpose,
                "id": name,
                "verdict": told["verdict"],
                "holds": told["verdict"] == "PASS",
                "summary": told["summary"],
                "evidence": kept.name,
                "at": kept.until.isoformat(),
            }


def _empty() -> dict[str, Any]:
    return {"stage": None, "sentence": "", "advisory": False, "n": None, "attestation": None}


def _answer(check: CheckTold) -> dict[str, Any]:
    return {
        "run": check.run,
        "stage": check.stage,
        "phase": check.phase,
        "id": check.id,
        "sentence": check.sentence,
        "verdict": check.verdict,
        "holds": check.holds,
        "advisory": check.advisory,
        "summary": check.summary,
        "n": check.n,
        "evidence": check.evidence,
        "attestation": {"word": check.word, "who": check.by} if check.word else None,
        "at": check.at.isoformat(),
    }

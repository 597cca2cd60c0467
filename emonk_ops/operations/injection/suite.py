"""Several injections one after the other, and the record by which a gate knows of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

from emonk_ops.errors import CloudError, Refused
from emonk_ops.operations import soak_about
from emonk_ops.operations.health import ask_health
from emonk_ops.operations.injection.catalogue import Part, find, options_of
from emonk_ops.operations.injection.model import Outcome, Verdict, worst
from emonk_ops.operations.injection.phases import run_injection
from emonk_ops.operations.prerequisites import serving_revision
from emonk_ops.toolbox import Toolbox

Ended = tuple[Part, Outcome]


def run_suite(
    name: str,
    parts: Sequence[Part],
    tools: Toolbox,
    *,
    reason: str,
    ended: Callable[[Part, Outcome], None],
) -> tuple[Verdict, tuple[Ended, ...]]:
    """Each part in turn; one that could not be undone is the last. Recorded as injection.suite.

    A part that is refused counts as not exercised, with the reason. Raises Interrupted.
    """
    about = artifact(tools)
    done: list[Ended] = []
    for number, part in enumerate(parts, 1):
        outcome = _run(part, tools, number, reason)
        done.append((part, outcome))
        ended(part, outcome)
        if outcome.verdict is Verdict.RESTORE_FAILED:
            break
    verdict = worst(outcome.verdict for _, outcome in done)
    with suppress(CloudError):
        about = artifact(tools)  # a restart leaves another revision of the same image
    tools.note(
        "injection.suite",
        {
            "suite": name,
            "verdict": str(verdict),
            "about": about,
            "parts": [_plain(part, outcome) for part, outcome in done],
        },
    )
    return verdict, tuple(done)


def artifact(tools: Toolbox) -> dict[str, Any]:
    """What the suite was tried on: image, version and storage, then what a soak belongs to."""
    revision = serving_revision(tools)
    storage = revision.env.get("SCHEDULER_STORAGE", "json")
    version = str(ask_health(tools).body.get("version", ""))
    return {
        "image": revision.image,
        "version": version,
        "storage": storage,
        **soak_about.about(tools),
    }


def _run(part: Part, tools: Toolbox, number: int, reason: str) -> Outcome:
    injection = find(part.injection)
    try:
        options = options_of(injection, part.options)
        return run_injection(injection, tools, options, reason=reason, number=number)
    except Refused as error:
        name = f"{tools.run_id}-{injection.name}-{number}"
        return Outcome(name, injection.name, Verdict.NOT_EXERCISED, error.message)


def _plain(part: Part, outcome: Outcome) -> dict[str, Any]:
    return {
        "line": part.line,
        "injection": part.injection,
        "options": dict(part.options),
        "id": outcome.id,
        "verdict": str(outcome.verdict),
        "summary": outcome.summary,
        "evidence": outcome.evidence,
    }

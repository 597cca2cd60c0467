from __future__ import annotations

import io

import pytest
from rich.console import Console

from emonk_ops.cli.render_live import LiveRenderer
from emonk_ops.errors import DeployFailed
from emonk_ops.rollout.events import (
    CheckBegan,
    CheckEnded,
    Event,
    Noted,
    PhaseBegan,
    StepBegan,
    StepBroke,
    StepEnded,
)
from emonk_ops.rollout.model import Check, CheckResult, Finding, Step, StepResult, Verdict

CHECK = Check("health", "GET /health answers [200]")
STEP = Step("deploy", "deploy [bold]it", lambda _tools: StepResult(True, "done"), budget_seconds=1)


@pytest.fixture
def console() -> Console:
    return Console(file=io.StringIO(), force_terminal=True, width=100, no_color=True)


def shown(console: Console, events: list[Event]) -> str:
    renderer = LiveRenderer(console)
    with renderer.showing():
        for event in events:
            renderer.notice(event)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_checks_stand_in_their_phase_with_evidence_below(console: Console) -> None:
    finding = Finding(Verdict.FAIL, "answered [503]", {"status": 503}, hint="look at the log")
    text = shown(
        console,
        [
            PhaseBegan("verify", 1),
            CheckBegan("verify", CHECK),
            CheckEnded("verify", CheckResult(CHECK, finding)),
        ],
    )
    assert "└── verify" in text
    assert "✘ FAIL health: GET /health answers [200]" in text
    for line in ("answered [503]", "evidence: status=503", "next: look at the log"):
        assert line in text


def test_a_broken_step_shows_the_last_lines_of_its_container(console: Console) -> None:
    error = DeployFailed("never ready", log_lines=("[/oops] no module",))
    text = shown(
        console,
        [PhaseBegan("steps", 1), StepBegan("steps", STEP), StepBroke("steps", STEP, error, 2.0)],
    )
    assert "✘ deploy: never ready (2.0 of 1 s, over budget)" in text
    assert "[/oops] no module" in text


def test_a_step_shows_its_difference_and_a_phase_without_lines_is_left_out(
    console: Console,
) -> None:
    result = StepResult(True, "deployed", {"diff": {"image": ["a", "b"]}})
    text = shown(
        console,
        [
            PhaseBegan("capture"),
            PhaseBegan("steps", 1),
            Noted("[red]progress"),
            StepBegan("steps", STEP),
            StepEnded("steps", STEP, result, 0.5),
        ],
    )
    assert "capture" not in text
    assert "image: a -> b" in text
    assert "[red]progress" in text

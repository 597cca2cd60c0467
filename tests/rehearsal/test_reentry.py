"""Stages 0 to 4 by one who waits, and by a pipeline that comes back and is killed between."""

from __future__ import annotations

import os
import random
import subprocess
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest

from emonk_ops.errors import ExitCode

from .rollouts import Rollout, rollout_in

WORDS: dict[int, tuple[str, ...]] = {3: ("no-performance-degradation",), 4: ("incident-plan",)}
PRODUCTION_WORDS = ("dashboards-reviewed", "complaints")
# Production's hours at a tick a minute take some minutes here: EMONK_LONG=1 plays them too.
ENVIRONMENTS = ("qa", "production") if os.environ.get("EMONK_LONG") else ("qa",)
LONGEST_STEP_MINUTES = {3: 25, 4: 170}


@pytest.mark.timeout(1500)
def test_who_comes_back_ends_with_the_verdicts_of_who_waits(tmp_path: Path) -> None:
    patient, impatient = tmp_path / "patient", tmp_path / "impatient"
    patient.mkdir()
    impatient.mkdir()
    with rollout_in(patient) as rollout:
        for env in ENVIRONMENTS:
            _play(rollout, env, partial(_waits, rollout, env))
        waited = _verdicts(rollout)
    rng = random.Random(11)
    with rollout_in(impatient) as rollout:
        for env in ENVIRONMENTS:
            _play(rollout, env, partial(_comes_back, rollout, env, rng))
        came_back = _verdicts(rollout)
        killed = sum(
            record["kind"] == "run.started" for record in rollout.journal(ENVIRONMENTS[-1])
        ) - sum(record["kind"] == "run.ended" for record in rollout.journal(ENVIRONMENTS[-1]))
    assert came_back == waited
    assert killed > 0, "none of the kills struck a run"


def _play(rollout: Rollout, env: str, run: Callable[[int], int]) -> None:
    rollout.stages(0, 1, 2, env=env)
    assert run(3) == ExitCode.DONE
    rollout.types("alerts", "apply", "--yes", env=env)
    if env == "qa":
        assert run(4) == ExitCode.REFUSED, "nothing was injected yet"
        rollout.types("inject", "suite", "--yes", env=env)
        assert run(4) == ExitCode.DONE
        rollout.types("rollback", "drill", "--yes", env=env)
    else:
        assert run(4) == ExitCode.DONE


def _waits(rollout: Rollout, env: str, number: int) -> int:
    return rollout.stage(number, *_said(number, env), env=env, code=None).code


def _comes_back(rollout: Rollout, env: str, rng: random.Random, number: int) -> int:
    while True:
        if rng.random() < 0.3:
            _is_killed(rollout, number, env, rng.uniform(0.3, 0.9))
        came = rollout.stage(number, "--no-wait", *_said(number, env), env=env, code=None)
        if came.code != ExitCode.WAITING:
            return came.code
        minutes = rng.uniform(1, LONGEST_STEP_MINUTES[number])
        rollout.passes(timedelta(minutes=minutes), env)


def _is_killed(rollout: Rollout, number: int, env: str, after_seconds: float) -> None:
    command = rollout.command(
        "stage", str(number), "--yes", "--no-wait", *_said(number, env), env=env
    )
    process = subprocess.Popen(
        command,
        cwd=rollout.folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        process.wait(after_seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _said(number: int, env: str) -> tuple[str, ...]:
    """What only people know; production is asked more."""
    known = WORDS[number]
    if (number, env) == (4, "production"):
        known += PRODUCTION_WORDS
    return tuple(f"--confirm={word}=said so" for word in known)


def _verdicts(rollout: Rollout) -> dict[str, dict[str, str]]:
    return {
        f"{env} {number}": rollout.verdicts_in_journal(number, env)
        for env in ENVIRONMENTS
        for number in (3, 4)
    }

"""What the commands work with; tests hand in others."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from emonk_ops.clock import Clock, SystemClock

if TYPE_CHECKING:
    from emonk_ops.rollout.model import Stage
    from emonk_ops.settings import Environment
    from emonk_ops.toolbox import Toolbox


def open_toolbox(
    env: Environment, *, waits: bool, keep: Path, say: Callable[[str], None]
) -> Toolbox:
    from emonk_ops.wiring import toolbox

    return toolbox(env, waits=waits, keep=keep, say=say)


def load_stage(number: int) -> Stage:
    from emonk_ops.rollout.registry import load_stage as load

    return load(number)


def new_run_id() -> str:
    from secrets import token_hex

    return token_hex(6)


@dataclass(frozen=True)
class Collaborators:
    """The world as the command line meets it."""

    open_toolbox: Callable[..., Toolbox] = open_toolbox
    load_stage: Callable[[int], Stage] = load_stage
    new_run_id: Callable[[], str] = new_run_id
    clock: Clock = field(default_factory=SystemClock)
    environ: Mapping[str, str] = field(default_factory=lambda: os.environ)
    journal_listener: Callable[[str, int], None] | None = None
    argv: tuple[str, ...] = ()

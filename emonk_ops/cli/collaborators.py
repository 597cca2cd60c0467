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
    from emonk_ops.state_ports import Documents
    from emonk_ops.toolbox import Toolbox


def open_toolbox(
    env: Environment, *, waits: bool, keep: Path, say: Callable[[str], None]
) -> Toolbox:
    from emonk_ops.wiring import toolbox

    return toolbox(env, waits=waits, keep=keep, say=say)


def open_documents(env: Environment, key: str) -> Documents:
    from emonk_ops.wiring import documents

    return documents(env, key)


def journal_clock(env: Environment, fallback: Clock) -> Clock:
    """The environment's own time, so that a virtual clock's hours are in the journal too.

    The machine's while the sandbox is down: the journal must never wait for it.
    """
    if env.target == "gcp":
        return fallback
    from emonk_ops.clock import ReliableClock
    from emonk_ops.errors import OpsError
    from emonk_ops.wiring import Wiring

    wiring = Wiring(env)
    return ReliableClock(lambda: wiring.clock, fallback, OpsError)


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
    open_documents: Callable[[Environment, str], Documents] = open_documents
    load_stage: Callable[[int], Stage] = load_stage
    new_run_id: Callable[[], str] = new_run_id
    clock: Clock = field(default_factory=SystemClock)
    journal_clock: Callable[[Environment, Clock], Clock] = journal_clock
    environ: Mapping[str, str] = field(default_factory=lambda: os.environ)
    journal_listener: Callable[[str, int], None] | None = None
    argv: tuple[str, ...] = ()

"""What checks and steps are handed: the environment's settings, the ports, and the clock."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from emonk_ops.clock import Clock
    from emonk_ops.ports import CloudRun, Commands, Logs, Platform, TickJobs, TickService
    from emonk_ops.settings import Environment


@dataclass(frozen=True)
class Toolbox:
    """Everything a check or a step may touch, for one environment.

    `memo` lives for one run: what one step learnt (the revision it deployed, the instant the job
    was resumed) and a later one needs. `waits=False` makes a check that would have to wait answer
    WAITING instead. `keep` is a folder for files that must outlive the process (exported jobs).
    `say` reports progress of something long.
    """

    env: Environment
    clock: Clock
    run: CloudRun
    jobs: TickJobs
    logs: Logs
    service: TickService
    platform: Platform
    commands: Commands
    keep: Path
    waits: bool = True
    memo: dict[str, Any] = field(default_factory=dict)
    say: Callable[[str], None] = lambda _line: None

"""The shape of every injection; the runner in `phases` calls its parts in order."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from emonk_ops.operations.injection.model import Facts, Observation, Plan
from emonk_ops.operations.injection.scene import Scene


class Injection:
    """A fault that is brought about on purpose.

    `does` and `expects` are its two lines in a list. `obstacle` says why it cannot land here, ""
    where it can. `landed` returns the proof, {} while there is none. `recover` looks on after the
    restore. `judge` knows nothing but the evidence.
    """

    name = ""
    does = ""
    expects = ""
    choices: ClassVar[
        Mapping[str, tuple[str, ...]]
    ] = {}  # option -> its values, the first one the default
    breaks_storage = False  # while it lasts, an unhealthy service is expected

    def obstacle(self, scene: Scene) -> str:
        return ""

    def plan(self, scene: Scene) -> Plan:
        raise NotImplementedError

    def inject(self, scene: Scene) -> Facts:
        raise NotImplementedError

    def landed(self, scene: Scene) -> Facts:
        raise NotImplementedError

    def observe(self, scene: Scene) -> Facts:
        return {}

    def recover(self, scene: Scene) -> Facts:
        return {}

    def judge(self, evidence: Facts) -> tuple[Observation, ...]:
        raise NotImplementedError

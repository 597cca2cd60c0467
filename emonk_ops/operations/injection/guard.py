"""Stops a fault early: real jobs that fail, or a service that is gone where it should not be."""

from __future__ import annotations

from collections.abc import Callable

from emonk_ops.errors import Interrupted, OpsError
from emonk_ops.operations.health import ask_health
from emonk_ops.operations.injection.scene import Scene
from emonk_ops.operations.injection.sightings import harmed_jobs

LOOKS_ILL = 3  # in a row: an instance that is replaced is away for a moment


class GuardTripped(OpsError):
    """The fault did harm, and was ended early."""

    code = "guard"


def watch(scene: Scene, *, storage_is_broken: bool) -> Callable[[], None]:
    """Raises GuardTripped. Nothing is asked more often than every ten seconds."""
    state = {"next": scene.began.timestamp(), "ill": 0.0}

    def look() -> None:
        now = scene.now().timestamp()
        if now < state["next"]:
            return
        state["next"] = now + 10.0
        if harmed := harmed_jobs(scene.tools, scene.began):
            raise GuardTripped(f"real jobs failed during the fault: {', '.join(harmed[:5])}")
        state["ill"] = 0.0 if storage_is_broken or _answers(scene) else state["ill"] + 1
        if state["ill"] >= LOOKS_ILL:
            raise GuardTripped("the service does not answer, which this fault does not explain")

    return look


def _answers(scene: Scene) -> bool:
    try:
        return ask_health(scene.tools).status == 200
    except Interrupted:
        raise
    except OpsError:
        return False

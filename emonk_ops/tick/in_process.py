"""What the scheduler is without the in-process loop: nothing drives it from inside."""

from __future__ import annotations

from emonk_ops.tick.errors import SettingsError


class NoLoop:
    """The face that the service sees; a loop overrides it as long as one is registered."""

    has_loop = False  # whether this version has a loop at all

    @property
    def loop_runs(self) -> bool:
        """Whether a loop in this process drives."""
        return False

    async def begin_loop(self) -> None:
        """Raises SettingsError: the settings ask for what is not here."""
        raise SettingsError(
            (
                "SCHEDULER_LEGACY_LOOP or SCHEDULER_SHADOW_MODE is on, and this version has no "
                "in-process loop: unset both, Cloud Scheduler drives",
            )
        )

    async def end_loop(self) -> None:
        """End the loop; there is none."""

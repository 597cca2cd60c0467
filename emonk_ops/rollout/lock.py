"""The lock of an environment as a lease in a file; every change is made under a file lock."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from emonk_ops.clock import Clock
from emonk_ops.errors import StateDamaged
from emonk_ops.rollout.lease import Lease
from emonk_ops.rollout.leasing import LeaseLock, Seen

TTL_SECONDS = 30.0
HEARTBEAT_SECONDS = 5.0


class Lock(LeaseLock):
    """See `emonk_ops.rollout.places.LockPlace`."""

    def __init__(
        self,
        path: Path,
        *,
        clock: Clock,
        ttl_seconds: float = TTL_SECONDS,
        heartbeat_seconds: float = HEARTBEAT_SECONDS,
    ) -> None:
        super().__init__(ttl_seconds=ttl_seconds, heartbeat_seconds=heartbeat_seconds)
        self.path = path
        self._clock = clock

    def _look(self) -> Seen:
        return Seen(self._read(), self._last_fence(), self._now())

    def _read(self) -> Lease | None:
        try:
            text = self.path.read_text()
        except FileNotFoundError:
            return None
        try:
            return Lease.from_json(text)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise StateDamaged(
                f"{self.path}:1: the lock is damaged: {error}",
                hint=f"If no rollout is going on, remove it: rm {self.path}",
            ) from error

    def _put(self, seen: Seen, lease: Lease | None) -> bool:
        """Under the file lock, what was seen is what is there."""
        if lease is None:
            self.path.unlink(missing_ok=True)
            return True
        fresh = self.path.with_name(self.path.name + ".new")
        with fresh.open("w") as file:
            file.write(lease.to_json())
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(self.path)
        self._fence_file.write_text(str(lease.fence))
        return True

    def _now(self) -> datetime:
        return self._clock.now()

    def _last_fence(self) -> int:
        try:
            return int(self._fence_file.read_text())
        except (FileNotFoundError, ValueError):
            return 0

    @property
    def _fence_file(self) -> Path:
        return self.path.with_name(self.path.name + ".fence")

    @contextmanager
    def _guarded(self) -> Iterator[None]:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        guard = os.open(self.path.with_name(self.path.name + ".guard"), os.O_RDWR | os.O_CREAT)
        try:
            fcntl.flock(guard, fcntl.LOCK_EX)
            yield
        finally:
            os.close(guard)

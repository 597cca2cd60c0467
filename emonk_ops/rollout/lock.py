"""One rollout at a time per environment: a lease in a file, renewed by a heartbeat.

Every change of the lease is made under a file lock, so taking it is a compare-and-set. A lease
that ran out, or whose process on this machine is gone, is taken over, and the run records that.
"""

from __future__ import annotations

import fcntl
import json
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

from emonk_ops.clock import Clock
from emonk_ops.errors import Locked, LockLost, StateDamaged
from emonk_ops.rollout.identity import Identity

TTL_SECONDS = 30.0
HEARTBEAT_SECONDS = 5.0


@dataclass(frozen=True)
class Lease:
    """Who holds the lock. `fence` grows with every taking; `born` tells a reused process id."""

    holder: str
    host: str
    machine: str
    pid: int
    born: str
    reason: str
    run: str
    fence: int
    taken_at: datetime
    expires_at: datetime

    def to_json(self) -> str:
        document = asdict(self)
        document["taken_at"] = self.taken_at.isoformat()
        document["expires_at"] = self.expires_at.isoformat()
        return json.dumps(document, indent=1)

    @staticmethod
    def from_json(text: str) -> Lease:
        """Raises ValueError, KeyError or TypeError for anything but a lease."""
        document = json.loads(text)
        for key in ("taken_at", "expires_at"):
            document[key] = datetime.fromisoformat(document[key])
        return Lease(**document)

    def sentence(self) -> str:
        return (
            f"{self.holder} (pid {self.pid} on {self.host}) holds it since "
            f"{self.taken_at:%Y-%m-%d %H:%M:%S}Z: {self.reason}"
        )


class HeldLock:
    """A lock that this process took. `took_over` is the lease that was found dead, if any."""

    def __init__(self, lock: Lock, lease: Lease, took_over: Lease | None) -> None:
        self._lock = lock
        self.lease = lease
        self.took_over = took_over

    def require(self) -> None:
        """Raises LockLost when it was taken, released by hand, or ran out and cannot be renewed."""
        self._lock.require(self.lease)


class Lock:
    """The lock of one environment."""

    def __init__(
        self,
        path: Path,
        *,
        clock: Clock,
        ttl_seconds: float = TTL_SECONDS,
        heartbeat_seconds: float = HEARTBEAT_SECONDS,
    ) -> None:
        self.path = path
        self._clock = clock
        self._ttl = timedelta(seconds=ttl_seconds)
        self._heartbeat_seconds = heartbeat_seconds

    def describe(self) -> Lease | None:
        """The lease there is, dead or alive. Raises StateDamaged."""
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

    def is_live(self, lease: Lease, machine: str) -> bool:
        """Whether its holder may still be at work, as far as `machine` can tell."""
        if self._clock.now() >= lease.expires_at:
            return False
        return lease.machine != machine or _is_the_same_process(lease)

    @contextmanager
    def held(self, who: Identity, *, reason: str, run: str) -> Iterator[HeldLock]:
        """Take the lock, keep it alive, give it back. Raises Locked with the holder's name."""
        with self._taken(who, reason, run) as held:
            stop = threading.Event()
            heart = threading.Thread(
                target=self._beat, args=(held.lease, stop), name="lock-heartbeat", daemon=True
            )
            heart.start()
            try:
                yield held
            finally:
                stop.set()
                heart.join()

    def release_by_hand(self) -> Lease | None:
        """Remove the lease whoever holds it; the holder stops at its next record."""
        with self._guarded():
            lease = self.describe()
            self.path.unlink(missing_ok=True)
            return lease

    def require(self, mine: Lease) -> None:
        found = self.describe()
        if found is not None and _is_same(found, mine) and self._clock.now() < found.expires_at:
            return
        try:
            if self.renew(mine):
                return
        except OSError as error:
            raise _lost(f"its lease ran out and cannot be renewed: {error}") from error
        found = self.describe()
        raise _lost(found.sentence() if found else "it was released by hand")

    def renew(self, mine: Lease) -> bool:
        """Put the end of the lease off; False where it is no longer this run's. Raises OSError."""
        with self._guarded():
            found = self.describe()
            if found is None or not _is_same(found, mine):
                return False
            self._write(replace(mine, expires_at=self._clock.now() + self._ttl))
            return True

    @contextmanager
    def _taken(self, who: Identity, reason: str, run: str) -> Iterator[HeldLock]:
        held = self._take(who, reason, run)
        try:
            yield held
        finally:
            self._give_back(held.lease)

    def _take(self, who: Identity, reason: str, run: str) -> HeldLock:
        with self._guarded():
            found = self.describe()
            if found is not None and self.is_live(found, who.machine):
                raise Locked(
                    f"locked: {found.sentence()}",
                    hint="Wait for it, or see `emonk-ops lock status`.",
                )
            now = self._clock.now()
            lease = Lease(
                holder=who.actor,
                host=who.host,
                machine=who.machine,
                pid=who.pid,
                born=_born(who.pid),
                reason=reason,
                run=run,
                fence=(found.fence if found else self._last_fence()) + 1,
                taken_at=now,
                expires_at=now + self._ttl,
            )
            self._write(lease)
            return HeldLock(self, lease, found)

    def _give_back(self, mine: Lease) -> None:
        with self._guarded():
            found = self.describe()
            if found is not None and _is_same(found, mine):
                self.path.unlink(missing_ok=True)

    def _beat(self, mine: Lease, stop: threading.Event) -> None:
        while not stop.wait(self._heartbeat_seconds):
            try:
                if not self.renew(mine):
                    return
            except (OSError, StateDamaged):
                # A full disk may have room at the next beat; `require` speaks of what lasts.
                continue

    def _write(self, lease: Lease) -> None:
        fresh = self.path.with_name(self.path.name + ".new")
        with fresh.open("w") as file:
            file.write(lease.to_json())
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(self.path)
        self._fence_file.write_text(str(lease.fence))

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


def _is_same(found: Lease, mine: Lease) -> bool:
    return (found.fence, found.run) == (mine.fence, mine.run)


def _lost(why: str) -> LockLost:
    return LockLost(
        f"the lock of this run was lost: {why}",
        hint="Nothing more was changed. See `emonk-ops status` before going on.",
    )


def _is_the_same_process(lease: Lease) -> bool:
    born = _born(lease.pid)
    return bool(born) and born == lease.born


def _born(pid: int) -> str:
    """When the process began, in the kernel's words; "" when there is no such process."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return _answers(pid) if not Path("/proc/self/stat").exists() else ""
    except ProcessLookupError:
        return ""
    fields = stat.rpartition(")")[2].split()
    return "" if fields[0] == "Z" else fields[19]


def _answers(pid: int) -> str:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return ""
    except PermissionError:
        pass
    return "alive"

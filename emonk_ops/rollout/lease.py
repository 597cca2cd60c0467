"""A lease on an environment: who holds it, until when, and whether they may still be at work."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path


@dataclass(frozen=True)
class Lease:
    """Who holds the lock. `fence` grows with every taking; `born` tells a reused process id.

    One that was taken `by_hand` outlives its process.
    """

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
    by_hand: bool = False

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

    def is_same(self, other: Lease) -> bool:
        """Whether it is the same taking, however often it was put off since."""
        return (self.fence, self.run) == (other.fence, other.run)

    def lives(self, machine: str, now: datetime) -> bool:
        """Whether its holder may still be at work, as far as `machine` can tell."""
        if now >= self.expires_at:
            return False
        return self.by_hand or self.machine != machine or _is_the_same_process(self)

    def sentence(self) -> str:
        since = f"{self.taken_at:%Y-%m-%d %H:%M:%S}Z"
        if self.by_hand:
            until = f"{self.expires_at:%Y-%m-%d %H:%M:%S}Z"
            return f"{self.holder} holds it by hand since {since} until {until}: {self.reason}"
        return (
            f"{self.holder} (pid {self.pid} on {self.host}) holds it since {since}: {self.reason}"
        )


class HeldLock:
    """A lock that this process took. `took_over` is the lease that was found dead, if any."""

    def __init__(
        self, lease: Lease, took_over: Lease | None, require: Callable[[Lease], None]
    ) -> None:
        self.lease = lease
        self.took_over = took_over
        self._require = require

    def require(self) -> None:
        """Raises LockLost when it was taken, released by hand, or ran out and cannot be renewed."""
        self._require(self.lease)


def _is_the_same_process(lease: Lease) -> bool:
    now = born(lease.pid)
    return bool(now) and now == lease.born


def born(pid: int) -> str:
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

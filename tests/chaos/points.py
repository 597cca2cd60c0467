"""Named points of an instance at which it dies or stands still, armed from outside by a file.

`arm(folder, "a", "after-claim", "kill")` has the instance `a` kill itself when it next passes
`after-claim`. The actions are kill, stop (until somebody sends SIGCONT), and for the points
`write` and `get` lose and refuse, which are faults of the storage.
"""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

from tests.chaos.journal import Journal

AFTER_CLAIM = "after-claim"
AFTER_EFFECT = "after-effect"
BEFORE_RECORD = "before-record"
NAMED = (AFTER_CLAIM, AFTER_EFFECT, BEFORE_RECORD)


def arm(folder: Path, name: str, point: str, action: str) -> None:
    """Have `action` happen once, when the instance `name` next passes `point`."""
    whole = folder / f".{name}@{point}"
    whole.write_text(action)
    whole.rename(folder / f"{name}@{point}")


def is_armed(armed: Path) -> bool:
    """Whether what was armed has not happened yet."""
    return armed.exists()


def disarm(folder: Path) -> None:
    """Nothing that is armed happens any more."""
    for path in folder.glob("*@*"):
        path.unlink(missing_ok=True)


class Points:
    """The points as the instance passes them."""

    def __init__(self, folder: Path, name: str, journal: Journal) -> None:
        self._folder = folder
        self._name = name
        self._journal = journal

    def take(self, point: str) -> str:
        """The action that is armed for this point, which is then used up; "" for none."""
        path = self._folder / f"{self._name}@{point}"
        try:
            action = path.read_text()
            path.unlink()
        except FileNotFoundError:
            return ""
        return action

    def passed(self, point: str) -> None:
        """Die or stand still here, if that is armed."""
        action = self.take(point)
        if action == "kill":
            self._journal.write("point", point=point, action=action, mono=time.monotonic())
            os.kill(os.getpid(), signal.SIGKILL)
        elif action == "stop":
            begun = time.monotonic()
            self._journal.write("point", point=point, action=action, mono=begun)
            os.kill(os.getpid(), signal.SIGSTOP)

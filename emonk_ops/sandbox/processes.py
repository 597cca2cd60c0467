"""Child processes: each in its own group, its output read line by line, never left behind."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

LONGEST_LINE = 256 * 1024  # the platform's own limit of a log entry
PID_FILE = "pid"
Stream = str  # "stdout" or "stderr"


class Reaper:
    """A small process that ends the children when this one is killed."""

    def __init__(self) -> None:
        script = Path(__file__).with_name("reaper.py")
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", "-E", str(script)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def watch(self, pid: int) -> None:
        self._tell(f"+{pid}\n")

    def forget(self, pid: int) -> None:
        self._tell(f"-{pid}\n")

    def _tell(self, line: str) -> None:
        pipe = self._process.stdin
        if pipe is not None:
            with contextlib.suppress(OSError, ValueError):
                pipe.write(line.encode())
                pipe.flush()

    def close(self) -> None:
        """Ends what is still watched; nothing is when the sandbox stopped in order."""
        if self._process.stdin is not None:
            with contextlib.suppress(OSError):
                self._process.stdin.close()
        self._process.wait()


@dataclass(frozen=True)
class Launch:
    """What to run. `directory` gets the process's disk (its cwd) and a record of its pid."""

    command: Sequence[str]
    environment: dict[str, str]
    directory: Path
    inherited: tuple[int, ...] = ()


class ChildProcess:
    """One running child. `output(stream, lines)` is called with whole lines as soon as they are
    read; `ended(code)` once, after the last line (a negative code is a signal's number).
    """

    def __init__(
        self,
        launch: Launch,
        reaper: Reaper,
        output: Callable[[Stream, list[bytes]], None],
        ended: Callable[[int], None],
    ) -> None:
        self._output = output
        self._ended = ended
        self._reaper = reaper
        self._loop = asyncio.get_running_loop()
        self._open: dict[int, tuple[Stream, bytearray]] = {}
        self.exit_code: int | None = None
        self._spawn(launch)

    def _spawn(self, launch: Launch) -> None:
        disk = launch.directory / "disk"
        disk.mkdir(parents=True, exist_ok=True)
        pipes = {name: os.pipe() for name in ("stdout", "stderr")}
        try:
            self._process = subprocess.Popen(
                list(launch.command),
                env=launch.environment,
                cwd=disk,
                stdin=subprocess.DEVNULL,
                stdout=pipes["stdout"][1],
                stderr=pipes["stderr"][1],
                pass_fds=launch.inherited,
                start_new_session=True,
            )
        except OSError:
            for read, _ in pipes.values():
                os.close(read)
            raise
        finally:
            for _, write in pipes.values():
                os.close(write)
        self.pid = self._process.pid
        self._reaper.watch(self.pid)
        (launch.directory / PID_FILE).write_text(f"{self.pid} {_started(self.pid)}\n")
        for name, (read, _) in pipes.items():
            os.set_blocking(read, False)
            self._open[read] = (name, bytearray())
            self._loop.add_reader(read, self._read, read)
        threading.Thread(target=self._watch, name=f"wait {self.pid}", daemon=True).start()

    def _watch(self) -> None:
        code = self._process.wait()
        with contextlib.suppress(RuntimeError):  # the loop has ended before the child
            self._loop.call_soon_threadsafe(self._finish, code)

    def _read(self, handle: int) -> bool:
        """Take in what is there; False when there is nothing more for now."""
        name, rest = self._open[handle]
        try:
            data = os.read(handle, 65_536)
        except BlockingIOError:
            return False
        if not data:
            self._close(handle)
            return False
        rest += data
        *lines, last = rest.split(b"\n")
        rest[:] = last
        if len(rest) > LONGEST_LINE:
            lines.append(last)
            rest.clear()
        if lines:
            self._output(name, [bytes(text[:LONGEST_LINE]) for text in lines])
        return True

    def _close(self, handle: int) -> None:
        name, rest = self._open.pop(handle)
        self._loop.remove_reader(handle)
        os.close(handle)
        if rest:
            self._output(name, [bytes(rest)])

    def _finish(self, code: int) -> None:
        # A grandchild may hold the pipes open; what the child itself wrote is there to read.
        for handle in list(self._open):
            while self._read(handle):
                pass
        for handle in list(self._open):
            self._close(handle)
        self.signal(signal.SIGKILL)
        self.exit_code = code
        self._reaper.forget(self.pid)
        self._ended(code)

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the whole process group; a group that is gone is no error."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, number)


def end_leftovers(instances: Path) -> list[int]:
    """Kill what an earlier sandbox on this directory left running; returns the process ids.

    A recorded process is killed only if it began when the record says: ids are used again.
    """
    ended = []
    for record in instances.glob(f"*/{PID_FILE}"):
        with contextlib.suppress(OSError, ValueError):
            pid, started = record.read_text().split()
            if started != "?" and _started(int(pid)) == started:
                os.killpg(int(pid), signal.SIGKILL)
                ended.append(int(pid))
    return ended


def _started(pid: int) -> str:
    """When a process began, in the kernel's ticks; "?" where the system does not say."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return "?"

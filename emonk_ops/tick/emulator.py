"""Google's Firestore emulator as a process on loopback, for tests and benchmarks.

    with Emulator() as emulator:
        place = Place("a-project", emulator=emulator.address)

It keeps everything in memory, and each project id is a world of its own.
"""

from __future__ import annotations

import http.client
import shutil
import socket
import subprocess
from pathlib import Path
from threading import Event
from types import TracebackType

from emonk_ops.tick.clock import real_seconds

FOLDERS = (
    "/usr/lib/google-cloud-sdk",
    "/usr/share/google-cloud-sdk",
    "/opt/google-cloud-sdk",
    "/snap/google-cloud-cli/current",
)
JARS = "platform/cloud-firestore-emulator/cloud-firestore-emulator*.jar"
MAIN = "com.google.cloud.datastore.emulator.firestore.CloudFirestore"
# It starts in half the time and in less memory than with the JVM's own choices.
JVM = ("-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xmx512m")
STARTS_WITHIN_SECONDS = 30.0
ENDS_WITHIN_SECONDS = 5.0
TRIES = 3
MISSING = "Google's Firestore emulator is not installed"


class EmulatorMissing(Exception):
    """No jar of the gcloud SDK's component cloud-firestore-emulator, or no java."""


class Emulator:
    """Runs from `__enter__` to `__exit__`. Raises EmulatorMissing where it is not installed."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self.address = ""

    @property
    def pid(self) -> int:
        """The id of the emulator's process, 0 where there is none."""
        return 0 if self._process is None else self._process.pid

    def __enter__(self) -> Emulator:
        java, jar = shutil.which("java"), installed_jar()
        if java is None or jar is None:
            raise EmulatorMissing(MISSING)
        for _ in range(TRIES):
            # Somebody else may take the port before the emulator does.
            port = _free_port()
            argv = [java, *JVM, "-cp", str(jar), MAIN, "start", f"--port={port}"]
            self._process = subprocess.Popen(
                [*argv, "--host=127.0.0.1"],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            if self._answers(port):
                self.address = f"127.0.0.1:{port}"
                return self
            self._end()
        raise RuntimeError(f"{jar} did not answer within {STARTS_WITHIN_SECONDS:g} s.")

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._end()

    def _answers(self, port: int) -> bool:
        give_up = real_seconds() + STARTS_WITHIN_SECONDS
        pause = Event()
        while self._process is not None and self._process.poll() is None:
            if _says_ok(port):
                return True
            if real_seconds() > give_up:
                break
            pause.wait(0.05)
        return False

    def _end(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.terminate()
        try:
            process.wait(ENDS_WITHIN_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def installed_jar() -> Path | None:
    """The emulator's jar in the folder of gcloud, or in a place where that usually is."""
    gcloud = shutil.which("gcloud")
    own = [] if gcloud is None else [str(Path(gcloud).resolve().parents[1])]
    for folder in (*own, *FOLDERS, str(Path.home() / "google-cloud-sdk")):
        for jar in sorted(Path(folder).glob(JARS)):
            return jar
    return None


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _says_ok(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
    try:
        connection.request("GET", "/")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()

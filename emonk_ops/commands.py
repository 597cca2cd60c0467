"""Runs the commands of the service's own repository: tests, linters, deploy scripts."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from collections import deque
from collections.abc import Mapping, Sequence
from pathlib import Path
from threading import Thread
from xml.etree import ElementTree

from emonk_ops.clock import Stopwatch
from emonk_ops.errors import OpsError, UsageError
from emonk_ops.ports import CommandResult
from emonk_ops.settings import CommandSettings

LINES_KEPT = 40


class LocalCommands:
    """See `emonk_ops.ports.Commands`. Each command is a process group, so that none survives."""

    def __init__(self, settings: CommandSettings) -> None:
        self._settings = settings

    def run(
        self, argv: Sequence[str], *, env: Mapping[str, str], junit: bool = False
    ) -> CommandResult:
        with tempfile.TemporaryDirectory(prefix="emonk-report-") as folder:
            report = Path(folder) / "report.xml"
            asked = (*argv, f"--junitxml={report}") if junit else tuple(argv)
            stopwatch = Stopwatch()
            exit_code, lines = self._run(asked, env)
            tests, failures, skipped = _counts(report)
        return CommandResult(
            argv=tuple(argv),
            exit_code=exit_code,
            seconds=stopwatch.seconds,
            last_lines=lines,
            tests=tests,
            failures=failures,
            skipped=skipped,
        )

    def _run(self, argv: tuple[str, ...], env: Mapping[str, str]) -> tuple[int, tuple[str, ...]]:
        try:
            process = subprocess.Popen(
                argv,
                cwd=self._settings.directory,
                env=_environment(env),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
                start_new_session=True,
            )
        except OSError as error:
            raise UsageError(
                f"the command {argv[0]!r} cannot be started in {self._settings.directory}: "
                f"{error.strerror}",
                hint="Correct it under [commands] in emonk-ops.toml",
            ) from error
        lines: deque[str] = deque(maxlen=LINES_KEPT)
        reader = Thread(target=_keep, args=(process, lines), daemon=True)
        reader.start()
        try:
            process.wait(timeout=self._settings.timeout_seconds)
        except subprocess.TimeoutExpired as error:
            raise OpsError(
                f"{' '.join(argv)} did not end within {self._settings.timeout_seconds:.0f} s",
                hint="Raise timeout_seconds under [commands], or mend the command",
            ) from error
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
            reader.join(timeout=5.0)
        return process.returncode, tuple(lines)


def _environment(extra: Mapping[str, str]) -> dict[str, str]:
    """`python` is the one of the activated environment, else the one that runs this program."""
    path = os.environ.get("PATH", os.defpath)
    if "VIRTUAL_ENV" not in os.environ:
        path = os.pathsep.join([str(Path(sys.executable).parent), path])
    return {**os.environ, "PATH": path, **extra}


def _keep(process: subprocess.Popen[str], lines: deque[str]) -> None:
    assert process.stdout is not None
    with process.stdout as output:
        lines.extend(line.rstrip("\n") for line in output)


def _counts(report: Path) -> tuple[int | None, int | None, int | None]:
    """(tests, failures and errors, skipped) of a JUnit report; None where there is none."""
    try:
        root = ElementTree.parse(report).getroot()
    except (FileNotFoundError, ElementTree.ParseError):
        return None, None, None
    suites = [root] if root.tag == "testsuite" else root.findall("testsuite")

    def total(name: str) -> int:
        return sum(int(suite.get(name, "0")) for suite in suites)

    return total("tests"), total("failures") + total("errors"), total("skipped")

"""What the commands of the sandbox share: its directory, its refusals, a call to it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from emonk_ops.cli.output import Output
from emonk_ops.errors import ExitCode

if TYPE_CHECKING:
    from emonk_ops.sandbox.endpoint import Endpoint

Directory = Annotated[Path, typer.Option("--dir", help="The sandbox's directory.")]
DEFAULT = Path(".emonk-sandbox")
_err = Output("stderr")


@contextmanager
def refusals() -> Iterator[None]:
    """A sandbox error becomes a sentence and an exit code."""
    from emonk_ops.sandbox.endpoint import AlreadyUp, NotUp, SandboxError

    try:
        yield
    except SandboxError as problem:
        _err.line(f"sandbox: {problem}")
        refused = isinstance(problem, AlreadyUp | NotUp)
        raise typer.Exit(int(ExitCode.REFUSED if refused else ExitCode.CLOUD)) from None


def endpoint_of(directory: Path) -> Endpoint:
    """Where the directory's sandbox listens. Raises NotUp."""
    from emonk_ops.sandbox.endpoint import read_endpoint

    return read_endpoint(directory)


def call(
    directory: Path,
    method: str,
    path: str,
    content: Mapping[str, Any] | None = None,
    *,
    seconds: float | None = None,
) -> dict[str, Any]:
    """One control request, for at most `seconds` where it may take longer than most.

    What it refuses is said, and ends the command.
    """
    from emonk_ops.sandbox import launcher

    patience = launcher.CALL_SECONDS if seconds is None else seconds
    with refusals():
        endpoint = endpoint_of(directory)
        found: dict[str, Any] = launcher.call(endpoint, method, path, content, seconds=patience)
    return found

"""The command line: `emonk-ops`, or `python -m emonk_ops`."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence


def main(
    argv: Sequence[str] | None = None,
    *,
    journal_listener: Callable[[str, int], None] | None = None,
) -> int:
    """Run one command, return its exit code; `journal_listener` hears of every journal write."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    if arguments == ["--version"]:
        _print_version()
        return 0
    if not sys.stdout.isatty():
        # Plain help in pipes: faster, and free of colours whatever the pipeline sets.
        os.environ.setdefault("TYPER_USE_RICH", "0")
    from emonk_ops.cli.app import run

    return run(arguments, journal_listener=journal_listener)


def _print_version() -> None:
    from importlib.metadata import version

    sys.stdout.write(f"emonk-ops {version('emonk-ops')}\n")


if __name__ == "__main__":
    sys.exit(main())

"""The command line: `emonk-ops`, or `python -m emonk_ops`."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence


def main(
    argv: Sequence[str] | None = None,
    *,
    journal_listener: Callable[[str, int], None] | None = None,
) -> None:
    """Run one command and exit; `journal_listener` hears of every journal write (crash tests)."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    if arguments == ["--version"]:
        _print_version()
        return
    if not sys.stdout.isatty():
        # Plain help in pipes: faster, and free of colours whatever the pipeline sets.
        os.environ.setdefault("TYPER_USE_RICH", "0")
    from emonk_ops.cli.app import run

    run(arguments, journal_listener=journal_listener)


def _print_version() -> None:
    from importlib.metadata import version

    sys.stdout.write(f"emonk-ops {version('emonk-ops')}\n")


if __name__ == "__main__":
    main()

"""All benchmarks, or those that are named: `python -m tests.bench [SECTION ...]`.

Prints Markdown tables whose ratios were measured side by side in this run; never fails on a time.
What is not installed is left out by name.
"""

from __future__ import annotations

import argparse
import os
import platform
import signal
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from types import FrameType

from tests.bench import startup
from tests.bench.api_analysis import api_analysis
from tests.bench.draining import claiming, draining
from tests.bench.emergency import emergency
from tests.bench.judging import analysis, judging
from tests.bench.pausing import pausing
from tests.bench.polling import polling
from tests.bench.stored import stored
from tests.bench.ticking import ticking


def main() -> None:
    """Run the sections in their order."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    sections: dict[str, Callable[[], None]] = {
        "startup": startup.main,
        "stored": stored,
        "polling": polling,
        "claiming": claiming,
        "draining": draining,
        "ticking": ticking,
        "judging": judging,
        "analysis": analysis,
        "api": api_analysis,
        "pausing": pausing,
        "emergency": emergency,
    }
    parser.add_argument("section", nargs="*", help=f"of {', '.join(sections)}; none means all")
    options = parser.parse_args()
    wrong = set(options.section) - set(sections)
    if wrong:
        parser.error(f"no section {', '.join(sorted(wrong))}; there are {', '.join(sections)}")
    # Whoever ends this ends its servers too.
    signal.signal(signal.SIGTERM, _leave)
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    print(machine())
    for name in options.section or sections:
        sections[name]()


def _leave(_signal: int, _frame: FrameType | None) -> None:
    raise SystemExit(143)


def machine() -> str:
    """When and where this was measured, and how busy the machine was."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    release = platform.freedesktop_os_release().get("PRETTY_NAME", platform.system())
    return (
        f"{datetime.now(UTC):%Y-%m-%d}, {os.cpu_count()} cores, {memory:.0f} GB, {release}, "
        f"Python {platform.python_version()}; load before: {os.getloadavg()[0]:.1f}"
    )


if __name__ == "__main__":
    main()

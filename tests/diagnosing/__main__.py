"""Plants every fault in a sandbox and prints a table: what was named, and whether --fix healed it.

`python -m tests.diagnosing [NAME…]` plants only those whose name contains a NAME.
`python -m tests.diagnosing --leave NAME --dir DIR` plants this one, and its sandbox stands for
a person: runbook.md and the commands are all that somebody on call has.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from datetime import timedelta
from pathlib import Path

from emonk_ops.clock import Stopwatch
from tests.diagnosing.faults import FAULTS, Fault
from tests.diagnosing.rounds import Round, played
from tests.diagnosing.ward import Ward, ward

ENV = "qa"
DAY = timedelta(hours=24)


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main(words: list[str]) -> int:
    asked = argparse.ArgumentParser(prog="python -m tests.diagnosing")
    asked.add_argument("names", nargs="*", metavar="NAME", help="only faults that contain one")
    asked.add_argument("--leave", metavar="NAME", help="plant this fault and let it stand")
    asked.add_argument("--dir", type=Path, metavar="DIR", help="for --leave: an empty folder")
    given = asked.parse_args(words)
    if given.leave is None:
        return _table(given.names)
    fault = next((one for one in FAULTS if one.name == given.leave), None)
    if fault is None:
        known = ", ".join(one.name for one in FAULTS)
        asked.error(f"no fault is called {given.leave!r}; there are: {known}")
    if given.dir is None or (given.dir.exists() and any(given.dir.iterdir())):
        asked.error("--leave wants --dir with an empty folder")
    return _left(fault, given.dir.resolve())


def _left(fault: Fault, folder: Path) -> int:
    """It does not say which fault it is: to find that out is what it stands for."""
    folder.mkdir(parents=True, exist_ok=True)
    with ward(folder, stays=True) as found:
        fault.plant(found)
        found.passes(fault.works)
    say(f"cd {folder}")
    say(f"its environment: export EMONK_ENV={ENV}")
    say("its time passes with: emonk-ops sandbox clock advance 10m")
    say("end it with: emonk-ops sandbox down")
    return 0


def _table(names: list[str]) -> int:
    chosen = [one for one in FAULTS if not names or any(name in one.name for name in names)]
    with tempfile.TemporaryDirectory(prefix="emonk-ward-") as folder, ward(Path(folder)) as found:
        wrong = sum(not _told(fault, found) for fault in chosen)
        if not names:
            wrong += not _healthy_day(found)
    say(f"{len(chosen)} faults planted, {wrong} told wrongly")
    return 1 if wrong else 0


def _told(fault: Fault, found: Ward) -> bool:
    watch = Stopwatch()
    one: Round = played(fault, found)
    mark = "ok" if one.right else "WRONG"
    healed = {None: "", True: "healed", False: "NOT HEALED"}[one.healed]
    named = ", ".join(one.named) or "nothing"
    say(f"{mark:5} {fault.issue:20} {fault.name:32} {named:50} {healed:10} {watch.seconds:5.1f} s")
    if not one.right:
        say("\n".join(f"      {line}" for line in one.lines))
    return one.right and one.healed is not False


def _healthy_day(found: Ward) -> bool:
    found.passes(DAY)
    one = found.diagnosis(DAY)
    say(f"{'ok' if one.code == 0 else 'WRONG':5} healthy 24 hours: {one.sentence}")
    return one.code == 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

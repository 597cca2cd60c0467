"""Simulate many seeds, or look at one of them. From the root of the repository:

python -m tests.simulation --seeds 10000 --processes 2
python -m tests.simulation --seed 1234 --trace
python -m tests.simulation --seed 1234 --trace --defect "the fence stands still"
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor

from tests.simulation.defects import PLANTED, SOUND
from tests.simulation.run import Told, replay_line, simulate

CHUNK = 100


def main() -> int:
    """0 when no seed violates anything, 1 otherwise."""
    asked = _arguments()
    if asked.seed is not None:
        return _one(asked.seed, asked.defect, trace=asked.trace, digest=asked.digest)
    return _many(range(asked.first, asked.first + asked.seeds), asked.processes)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation")
    parser.add_argument("--seed", type=int, help="run this one seed")
    parser.add_argument("--trace", action="store_true", help="print everything that happens in it")
    parser.add_argument("--digest", action="store_true", help="print a digest of its history")
    parser.add_argument("--defect", choices=sorted(PLANTED), help="with this planted defect")
    parser.add_argument("--seeds", type=int, default=1000, help="how many seeds to run")
    parser.add_argument("--first", type=int, default=0, help="the first of them")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    return parser.parse_args()


def _one(seed: int, defect: str | None, *, trace: bool, digest: bool) -> int:
    told = simulate(seed, PLANTED[defect] if defect else SOUND, trace=trace or digest)
    if digest:
        _say(told.digest)
        return 0
    for line in told.trace:
        _say(line)
    for violation in told.violations:
        _say(f"seed {seed}: {violation}")
    _say(f"seed {seed}: {len(told.violations)} violations in {told.seconds:.0f} virtual seconds")
    return 1 if told.violations else 0


def _many(seeds: range, processes: int) -> int:
    begun = time.monotonic()
    chunks = [seeds[n : n + CHUNK] for n in range(0, len(seeds), CHUNK)]
    seen: Counter[str] = Counter()
    failed = 0
    virtual = 0.0
    with ProcessPoolExecutor(processes) as pool:
        for chunk in pool.map(_chunk, chunks):
            for told in chunk:
                seen += told.seen
                virtual += told.seconds
                failed += bool(told.violations)
                if told.violations:
                    _say(f"seed {told.seed}: {told.violations[0]}\n  {replay_line(told.seed)}")
    took = time.monotonic() - begun
    _say(
        f"{len(seeds)} seeds, {failed} with violations, {virtual / 3600:.0f} virtual hours "
        f"in {took:.1f} s on {processes} processes"
    )
    _say(", ".join(f"{count} {what}" for what, count in sorted(seen.items())))
    return 1 if failed else 0


def _chunk(seeds: range) -> list[Told]:
    return [simulate(seed) for seed in seeds]


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")


if __name__ == "__main__":
    sys.exit(main())

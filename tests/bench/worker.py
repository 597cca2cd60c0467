"""One measurement in a process of its own: `python -m tests.bench.worker TASK '{"count": 1000}'`.

The parent calls `in_a_process`; what the task found is the last line of its output.
"""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

from tests.bench.measuring import Figures

ROOT = Path(__file__).parents[2]
LONGEST_SECONDS = 600


def in_a_process(task: str, **options: Any) -> Figures:
    """Run `module:function` of this folder with these options, and give what it found."""
    argv = [sys.executable, "-m", "tests.bench.worker", task, json.dumps(options)]
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, timeout=LONGEST_SECONDS)
    if done.returncode:
        raise RuntimeError(f"{task} {options}: {done.stderr.strip() or done.stdout}")
    found: Figures = json.loads(done.stdout.splitlines()[-1])
    return found


def main(task: str, options: str) -> None:
    warnings.simplefilter("ignore")
    module, _, function = task.partition(":")
    work = getattr(importlib.import_module(f"tests.bench.{module}"), function)
    print(json.dumps(work(**json.loads(options))))


if __name__ == "__main__":
    main(*sys.argv[1:])

"""`python -m emonk_ops.sandbox DIR`: run a sandbox until SIGTERM, SIGINT, or `down`."""

from __future__ import annotations

import argparse
import logging
import sys
from pathlib import Path

from emonk_ops.sandbox.endpoint import SandboxError
from emonk_ops.sandbox.foreground import run
from emonk_ops.sandbox.server import Sandbox


def main() -> int:
    """0 after an orderly stop, 3 when the directory is in use, 1 when it could not start."""
    parser = argparse.ArgumentParser(prog="python -m emonk_ops.sandbox", description=__doc__)
    parser.add_argument("directory", type=Path)
    parser.add_argument("--clock", choices=("real", "virtual"), default="real")
    parser.add_argument("--grpc-port", type=int, default=0)
    parser.add_argument("--http-port", type=int, default=0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--empty", action="store_true", help="no world before the migration")
    options = parser.parse_args()
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(message)s")
    sandbox = Sandbox(
        options.directory,
        clock=options.clock,
        grpc_port=options.grpc_port,
        http_port=options.http_port,
        seed=options.seed,
        populate=not options.empty,
    )
    try:
        run(sandbox, lambda _ready: None)
    except (SandboxError, OSError) as problem:
        sys.stderr.write(f"{problem}\n")
        return 3 if isinstance(problem, SandboxError) else 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""The image `emonk-agent`: the tick service, on the sandbox's clock where that is virtual.

With `--source DIR` it is the service as the source in that folder has it, as if it had been built
there: its own `emonk_ops/tick`, its own handlers.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import emonk_ops

SOURCE = "--source"


def built_from(argv: list[str]) -> None:
    """Let `emonk_ops.tick` and the handlers be those of the folder that is named."""
    if argv[:1] == [SOURCE]:
        # PYTHONPATH is the folder in which the image was registered.
        places = [Path(one) / argv[1] for one in sys.path]
        folder = next((one for one in places if (one / "emonk_ops" / "tick").is_dir()), None)
        if folder is None:
            sys.exit(f"{argv[1]} has no emonk_ops/tick")
        emonk_ops.__path__.insert(0, str(folder / "emonk_ops"))
        sys.path.insert(0, str(folder))


def serve() -> int:
    from emonk_ops.sandbox.shared_clock import SharedClock
    from emonk_ops.tick.__main__ import main

    return main([], clock=SharedClock.inherited(os.environ))


if __name__ == "__main__":
    built_from(sys.argv[1:])
    sys.exit(serve())

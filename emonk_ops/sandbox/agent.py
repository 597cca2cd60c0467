"""The image `emonk-agent`: the tick service, on the sandbox's clock where that is virtual."""

from __future__ import annotations

import os
import sys

from emonk_ops.sandbox.shared_clock import SharedClock
from emonk_ops.tick.__main__ import main

if __name__ == "__main__":
    sys.exit(main(clock=SharedClock.inherited(os.environ)))

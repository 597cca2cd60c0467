"""`python -m emonk_ops.tick`: serve, or say what is wrong with the settings (`--check`)."""

from __future__ import annotations

import argparse
import logging
import os
import signal
import sys
from collections.abc import Sequence
from types import FrameType
from typing import TYPE_CHECKING

from emonk_ops.tick.clock import Clock
from emonk_ops.tick.errors import TickError
from emonk_ops.tick.settings import env_example, read_settings
from emonk_ops.tick.settings_check import warnings_of

if TYPE_CHECKING:
    import uvicorn

    from emonk_ops.tick.service import TickService

GRACE_SECONDS = 8


def main(argv: Sequence[str] | None = None, *, clock: Clock | None = None) -> int:
    """Serve until SIGTERM; 0 then, 1 when the settings or the handlers cannot be used."""
    parser = argparse.ArgumentParser(prog="python -m emonk_ops.tick", description=__doc__)
    parser.add_argument("--check", action="store_true", help="check the settings and exit")
    parser.add_argument("--env-example", action="store_true", help="write .env.example and exit")
    options = parser.parse_args(argv)
    if options.env_example:
        sys.stdout.write(env_example())
        return 0
    if "" not in sys.path and os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    try:
        return _check() if options.check else _serve(clock)
    except TickError as error:
        sys.stderr.write(f"{error}\n")
        return 1


def _check() -> int:
    from emonk_ops.tick.handlers import load_handlers

    settings = read_settings(os.environ)
    load_handlers(settings.handlers)
    for warning in warnings_of(settings):
        sys.stdout.write(f"warning: {warning}\n")
    sys.stdout.write("the settings can be used\n")
    return 0


def _serve(clock: Clock | None) -> int:
    from emonk_ops.tick.service import TickService

    return serve(TickService.from_environment(clock=clock))


def serve(service: TickService) -> int:
    """Serve `service` until SIGTERM; 0 then, 1 when it could not begin."""
    import uvicorn

    from emonk_ops.tick.app import application
    from emonk_ops.tick.logs import StandardLogs

    logging.basicConfig(level=logging.WARNING, handlers=[StandardLogs(service.log)], force=True)
    config = uvicorn.Config(
        application(service),
        host=service.settings.host,
        port=service.settings.port,
        log_config=None,
        access_log=False,
        lifespan="on",
        ws="none",
        timeout_graceful_shutdown=GRACE_SECONDS,
    )
    server = _server(config, service)
    # uvicorn raises the signal again once it has ended everything: that is a good end.
    signal.signal(signal.SIGTERM, _leave)
    server.run()
    return 0 if server.started else 1


def _leave(_signal: int, _frame: FrameType | None) -> None:
    raise SystemExit(0)


def _server(config: uvicorn.Config, service: TickService) -> uvicorn.Server:
    import uvicorn

    class Server(uvicorn.Server):
        """Tells the service of SIGTERM before the requests under way are waited for."""

        def handle_exit(self, sig: int, frame: FrameType | None) -> None:
            if not self.should_exit:
                # Not at once: the signal may have interrupted the very writing of a log line.
                service.call_soon(service.going_down)
            super().handle_exit(sig, frame)

    return Server(config)


if __name__ == "__main__":
    sys.exit(main())

"""What the sandbox serves, without starting one: for `sandbox coverage` and its document."""

from __future__ import annotations

import asyncio
import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import Any

from emonk_ops.sandbox.rest.coverage import coverage, table
from emonk_ops.sandbox.server import make_world, registered

CLIENTS = (
    "google-cloud-firestore",
    "google-cloud-logging",
    "google-cloud-monitoring",
    "google-cloud-monitoring-dashboards",
    "google-cloud-resource-manager",
    "google-cloud-run",
    "google-cloud-scheduler",
    "google-cloud-service-usage",
)


def coverage_lines() -> list[str]:
    """The coverage table in Markdown, read from the handlers of every API.

    The first line says whose methods these are: a newer client may know of more.
    """
    versions = ", ".join(f"{name} {version(name)}" for name in CLIENTS)
    return [f"Methods as of {versions}.", "", *table(coverage(asyncio.run(_handlers())))]


async def _handlers() -> list[Any]:
    with tempfile.TemporaryDirectory() as directory:
        world = make_world(Path(directory), "real")
        try:
            return [one for api in registered(world).values() for one in api.handlers()]
        finally:
            await world.http.aclose()
            world.clock.close()
            world.store.close()

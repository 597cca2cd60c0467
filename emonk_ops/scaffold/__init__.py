"""A small service of a user's own, written by `init --sandbox`."""

from __future__ import annotations


def service_files() -> dict[str, str]:
    """Contents by path, relative to the folder of emonk-ops.toml."""
    from emonk_ops.scaffold import handlers_text, integration_text, unit_text

    return {
        "handlers.py": handlers_text.TEXT,
        "tests/unit/test_scheduler.py": unit_text.TEXT,
        "tests/integration/test_cron_tick.py": integration_text.TEXT,
    }

"""`emonk-ops jobs …`: the stored jobs, carried and explained."""

from __future__ import annotations

from emonk_ops.cli.command import Action, command, group
from emonk_ops.cli.jobs_carry import abandon_or_migrate, export_jobs, import_jobs
from emonk_ops.cli.jobs_change import cancel, pause, release, resume, schedule
from emonk_ops.cli.jobs_explain import audit, why
from emonk_ops.cli.jobs_look import list_jobs, show
from emonk_ops.cli.jobs_watch import watch

jobs_app = group("The stored jobs: look, change, carry, explain, audit.")

COMMANDS: dict[str, Action] = {
    "list": list_jobs,
    "show": show,
    "watch": watch,
    "schedule": schedule,
    "cancel": cancel,
    "release": release,
    "pause": pause,
    "resume": resume,
    "export": export_jobs,
    "import": import_jobs,
    "migrate": abandon_or_migrate,
    "why": why,
    "audit": audit,
}
for name, function in COMMANDS.items():
    command(jobs_app, name, title=f"jobs {name}")(function)

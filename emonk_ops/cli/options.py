"""Options that several commands share, each spelt once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Env = Annotated[
    str | None, typer.Option("--env", "-e", help="The environment, e.g. qa (or EMONK_ENV).")
]
Config = Annotated[
    Path | None, typer.Option("--config", help="The settings file (or EMONK_CONFIG).")
]
Project = Annotated[str | None, typer.Option("--project", help="Overrides the project.")]
Region = Annotated[str | None, typer.Option("--region", help="Overrides the region.")]
Impersonate = Annotated[
    str | None,
    typer.Option("--impersonate-service-account", help="Act as this service account."),
]
Json = Annotated[bool, typer.Option("--json", help="One JSON envelope on stdout.")]

Plan = Annotated[bool, typer.Option("--plan", help="Only say what would be done.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Go on without asking.")]
NoInput = Annotated[bool, typer.Option("--no-input", help="Never ask; refuse instead.")]
Reason = Annotated[str, typer.Option("--reason", help="Why, for the journal.")]
Wait = Annotated[
    bool, typer.Option("--wait/--no-wait", help="Wait for evidence, or exit 75 and come again.")
]
Confirm = Annotated[
    list[str] | None,
    typer.Option("--confirm", metavar='ID="WORDS"', help="Your word on a check; repeatable."),
]
Junit = Annotated[Path | None, typer.Option("--junit", help="Write a JUnit report here.")]
Limit = Annotated[int, typer.Option("--limit", min=1, help="At most this many.")]
ShowQuery = Annotated[
    bool,
    typer.Option("--show-query", help="Also print the API call, to be made by hand."),
]
Follow = Annotated[bool, typer.Option("--follow", "-f", help="Stay and show what arrives.")]
Watch = Annotated[bool, typer.Option("--watch", "-w", help="Stay and show changes.")]

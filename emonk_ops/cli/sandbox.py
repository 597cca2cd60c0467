"""`emonk-ops sandbox …`: a Google Cloud in a directory, to rehearse in."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from emonk_ops.cli.command import HELP_NAMES, group
from emonk_ops.cli.output import Output
from emonk_ops.cli.sandbox_common import DEFAULT, Directory, call, endpoint_of, refusals
from emonk_ops.cli.sandbox_faults import fault_app, instance_app, snapshot_app
from emonk_ops.errors import ExitCode

sandbox_app = group("A Google Cloud in a directory, to rehearse in.")
image_app = group("Commands that the sandbox runs as container images.")
clock_app = group("The sandbox's clock.")
sandbox_app.add_typer(image_app, name="image")
sandbox_app.add_typer(clock_app, name="clock")
sandbox_app.add_typer(fault_app, name="fault")
sandbox_app.add_typer(instance_app, name="instance")
sandbox_app.add_typer(snapshot_app, name="snapshot")


class ClockMode(StrEnum):
    """What time is in the sandbox."""

    real = "real"
    virtual = "virtual"


_out = Output("stdout")
_err = Output("stderr")


@sandbox_app.command("up", context_settings=HELP_NAMES)
def up(
    directory: Directory = DEFAULT,
    detach: Annotated[bool, typer.Option("--detach", help="Return once it is ready.")] = False,
    clock: Annotated[
        ClockMode, typer.Option("--clock", help="virtual jumps ahead while you wait.")
    ] = ClockMode.real,
    grpc_port: Annotated[int, typer.Option(help="0: as last time, or a free one.")] = 0,
    http_port: Annotated[int, typer.Option(help="0: as last time, or a free one.")] = 0,
) -> None:
    """Start the sandbox: two projects in which emonk-agent runs on its legacy loop."""
    with refusals():
        if not detach:
            _run_here(directory, clock.value, grpc_port, http_port)
            return
        from emonk_ops.sandbox import launcher

        endpoint = launcher.launch(
            directory, clock=clock.value, grpc_port=grpc_port, http_port=http_port
        )
        _show(launcher.wait_for_services(endpoint))
        _out.line(f"end it with: emonk-ops sandbox down --dir {directory}")


def _run_here(directory: Path, clock: Any, grpc_port: int, http_port: int) -> None:
    from emonk_ops.sandbox.foreground import run
    from emonk_ops.sandbox.server import Sandbox

    sandbox = Sandbox(directory, clock=clock, grpc_port=grpc_port, http_port=http_port)

    def ready(_sandbox: Sandbox) -> None:
        _out.line(f"sandbox up: grpc {sandbox.endpoint.grpc}, http {sandbox.endpoint.http}")
        _out.line(f"clock {clock}, directory {directory}; Ctrl-C stops it")
        _out.line(f"in another terminal: emonk-ops sandbox status --dir {directory}")

    try:
        run(sandbox, ready)
    except OSError as problem:
        _err.line(f"sandbox: it could not start: {problem}; try another port or directory")
        raise typer.Exit(int(ExitCode.CLOUD)) from None
    _out.line("sandbox down")


@sandbox_app.command("down", context_settings=HELP_NAMES)
def down(directory: Directory = DEFAULT) -> None:
    """Stop it and everything it runs; its state stays in the directory."""
    from emonk_ops.sandbox import launcher

    with refusals():
        ended = launcher.end(directory)
    _out.line("sandbox down" if ended else f"already so: no sandbox runs on {directory}")


@sandbox_app.command("status", context_settings=HELP_NAMES)
def status(
    directory: Directory = DEFAULT,
    as_json: Annotated[bool, typer.Option("--json", help="As one JSON document.")] = False,
) -> None:
    """What runs in it, and what its clock says."""
    import json

    found = call(directory, "GET", "/sandbox/status")
    if as_json:
        _out.line(json.dumps(found, indent=2))
    else:
        _show(found)


def _show(found: dict[str, Any]) -> None:
    clock = found["clock"]
    _out.line(f"sandbox up (pid {found['pid']}): grpc {found['grpc']}, http {found['http']}")
    _out.line(f"clock {clock['mode']}: {clock['now']}")
    for service in found.get("run", {}).get("services", []):
        split = ", ".join(f"{one['revision']} {one['percent']} %" for one in service["traffic"])
        _out.line(f"{service['name']}: {service['ready']}, {service['uri']}")
        _out.line(f"  latest ready {service['latest_ready_revision']}; traffic {split or 'none'}")
        for one in service["instances"]:
            _out.line(f"  instance {one['id'][:8]} of {one['revision']}: {one['state']}")
        if service["message"]:
            _out.line(f"  {service['message'].splitlines()[0]}")


@sandbox_app.command("env", context_settings=HELP_NAMES)
def env(
    directory: Directory = DEFAULT,
    project: Annotated[str, typer.Option(help="gcloud's project.")] = "emonk-qa",
    account: Annotated[str, typer.Option("--as", help="Be this account; its e-mail.")] = "",
) -> None:
    """Shell exports for clients and gcloud: eval "$(emonk-ops sandbox env)"."""
    import shlex

    from emonk_ops.sandbox import launcher
    from emonk_ops.sandbox.client_env import exports, of_account

    with refusals():
        endpoint = endpoint_of(directory)
        found = exports(endpoint, project)
        if account:
            who = {"email": account}
            identity = launcher.call(endpoint, "POST", "/sandbox/iam/identity", who)
            found |= of_account(endpoint, account, identity)
    for name, value in found.items():
        _out.line(f"export {name}={shlex.quote(value)}")


@sandbox_app.command("coverage", context_settings=HELP_NAMES)
def coverage() -> None:
    """Which methods of each Google API it serves, as a Markdown table."""
    from emonk_ops.sandbox.served import coverage_lines

    for line in coverage_lines():
        _out.line(line)


@sandbox_app.command("reset", context_settings=HELP_NAMES)
def reset(directory: Directory = DEFAULT) -> None:
    """Forget everything and begin again with the world before the migration."""
    from emonk_ops.sandbox import launcher

    with refusals():
        endpoint = endpoint_of(directory)
        launcher.call(endpoint, "POST", "/sandbox/reset", {}, seconds=launcher.STOP_SECONDS)
        _show(launcher.wait_for_services(endpoint))


@sandbox_app.command("logs", context_settings=HELP_NAMES)
def logs(
    directory: Directory = DEFAULT,
    project: Annotated[str, typer.Option(help="The project to read.")] = "emonk-qa",
    filter_text: Annotated[str, typer.Option("--filter", help="In Logging's query language.")] = "",
    limit: Annotated[int, typer.Option(min=1, help="How many of the newest.")] = 50,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on as they come.")] = False,
) -> None:
    """Log entries of a project."""
    from emonk_ops.sandbox.reading import follow_lines, read_lines

    with refusals():
        endpoint = endpoint_of(directory)
        for line in read_lines(endpoint, project, filter_text, limit):
            _out.line(line)
        if follow:
            for line in follow_lines(endpoint, project, filter_text):
                _out.line(line)
                if _out.gone:
                    return


@image_app.command(
    "add",
    context_settings={**HELP_NAMES, "ignore_unknown_options": True, "allow_extra_args": True},
)
def image_add(
    name: Annotated[str, typer.Argument(help="What a container's image will say.")],
    command: Annotated[list[str], typer.Argument(help="-- COMMAND and its words.")],
    directory: Directory = DEFAULT,
) -> None:
    """Run COMMAND (which must listen on $PORT) where a revision's image is NAME.

    Python modules are found from the present directory.
    """
    content = {"name": name, "command": runnable(command), "source": str(Path.cwd())}
    call(directory, "POST", "/sandbox/images", content)
    _out.line(f"image {name}: {' '.join(command)}")


def runnable(command: list[str]) -> list[str]:
    """`python` is this one, and a path is one from here: an instance has a directory of its own."""
    first = command[0]
    if first in ("python", "python3"):
        return [sys.executable, *_script(command[1:])]
    if "/" in first:
        return [str(Path(first).absolute()), *command[1:]]
    return command


def _script(words: list[str]) -> list[str]:
    """The same, with the path of a script that is here."""
    if words and words[0].endswith(".py") and Path(words[0]).is_file():
        return [str(Path(words[0]).absolute()), *words[1:]]
    return words


@clock_app.command("now", context_settings=HELP_NAMES)
def clock_now(directory: Directory = DEFAULT) -> None:
    """The sandbox's time."""
    found = call(directory, "GET", "/sandbox/clock")
    _out.line(f"{found['now']} ({found['mode']})")


@clock_app.command("advance", context_settings=HELP_NAMES)
def clock_advance(
    duration: Annotated[str, typer.Argument(help="For example 90s, 15m, 24h, 7d.")],
    directory: Directory = DEFAULT,
) -> None:
    """Let a virtual clock run ahead; everything that falls due on the way happens."""
    from emonk_ops.cli.durations import seconds_of

    content = {"seconds": seconds_of(duration)}
    found = call(directory, "POST", "/sandbox/clock/advance", content, seconds=86_400.0)
    _out.line(found["now"])

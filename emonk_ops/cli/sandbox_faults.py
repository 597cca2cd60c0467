"""`emonk-ops sandbox fault|instance|snapshot …`: bad days on demand, and a way back from them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from emonk_ops.cli.command import HELP_NAMES, group
from emonk_ops.cli.output import Output
from emonk_ops.cli.sandbox_common import DEFAULT, Directory, call, refusals

fault_app = group("Calls of the sandbox's APIs that go wrong.")
instance_app = group("Instances of the sandbox's Cloud Run.")
snapshot_app = group("The whole world, kept and brought back.")
_out = Output("stdout")


@fault_app.command("add", context_settings=HELP_NAMES)
def add(
    method: Annotated[
        str, typer.Argument(help="Method, or package.Service/Method; * stands for any letters.")
    ],
    code: Annotated[str, typer.Option(help="Refuse with it, for example UNAVAILABLE.")] = "",
    latency: Annotated[str, typer.Option(help="Wait so long first, for example 200ms.")] = "",
    lost: Annotated[
        bool, typer.Option("--lost", help="Apply the call, and lose its answer.")
    ] = False,
    rate: Annotated[float, typer.Option(min=0, max=1, help="Share of the calls.")] = 1.0,
    count: Annotated[int, typer.Option(min=0, help="So many calls; 0: no end.")] = 0,
    last: Annotated[str, typer.Option("--for", help="So long, by the sandbox's clock.")] = "",
    account: Annotated[str, typer.Option("--as", help="Only calls by this account.")] = "",
    message: Annotated[str, typer.Option(help="What the error says.")] = "",
    directory: Directory = DEFAULT,
) -> None:
    """Let calls fail, or take longer, until it is cleared."""
    from emonk_ops.cli.durations import seconds_of

    content: dict[str, Any] = {
        "method": method, "code": code or None, "lost": lost, "rate": rate, "message": message,
        "count": count or None, "identity": account or None,
        "latency": seconds_of(latency) if latency else None,
        "seconds": seconds_of(last) if last else None,
    }  # fmt: skip
    _out.line(_told(call(directory, "POST", "/sandbox/faults", content)))


@fault_app.command("list", context_settings=HELP_NAMES)
def list_faults(directory: Directory = DEFAULT) -> None:
    """Those in force, and how many calls each has struck."""
    found = call(directory, "GET", "/sandbox/faults")["faults"]
    for one in found:
        _out.line(_told(one))
    if not found:
        _out.line("none")


@fault_app.command("clear", context_settings=HELP_NAMES)
def clear(
    ids: Annotated[list[str] | None, typer.Argument(help="For example f1; all if none.")] = None,
    directory: Directory = DEFAULT,
) -> None:
    """Let the calls go well again."""
    cleared = call(directory, "POST", "/sandbox/faults/clear", {"ids": ids or []})["cleared"]
    _out.line(f"cleared: {', '.join(cleared) or 'none was in force'}")


@fault_app.command("iam-delay", context_settings=HELP_NAMES)
def iam_delay(
    duration: Annotated[str, typer.Argument(help="For example 0s, 2m, 7m.")],
    directory: Directory = DEFAULT,
) -> None:
    """How long a change of a policy takes to decide."""
    from emonk_ops.cli.durations import seconds_of

    found = call(directory, "POST", "/sandbox/iam/delay", {"seconds": seconds_of(duration)})
    _out.line(f"a change of a policy decides after {found['seconds']:g} s")


@fault_app.command("cold-start", context_settings=HELP_NAMES)
def cold_start(
    duration: Annotated[str, typer.Argument(help="For example 0s, 1500ms, 8s.")],
    directory: Directory = DEFAULT,
) -> None:
    """How much longer every start of an instance takes, as the platform's own work does."""
    from emonk_ops.cli.durations import seconds_of

    found = call(directory, "POST", "/sandbox/cold-start", {"seconds": seconds_of(duration)})
    _out.line(f"an instance starts {found['seconds']:g} s later")


@fault_app.command("log-reads", context_settings=HELP_NAMES)
def log_reads(
    a_minute: Annotated[int, typer.Argument(min=0, help="0: no limit. The platform: 60.")],
    directory: Directory = DEFAULT,
) -> None:
    """How many reads of the log a project has in a minute."""
    content = {"reads_per_minute": a_minute}
    found = call(directory, "POST", "/sandbox/logging/quota", content)["reads_per_minute"]
    _out.line(f"reads of the log a minute: {found or 'no limit'}")


@fault_app.command("duplicate-delivery", context_settings=HELP_NAMES)
def duplicate_delivery(
    job: Annotated[str, typer.Argument(help="projects/P/locations/L/jobs/J")],
    times: Annotated[int, typer.Option(min=1, help="So many of its next runs.")] = 1,
    directory: Directory = DEFAULT,
) -> None:
    """Let Cloud Scheduler deliver scheduled runs twice, as it may."""
    content = {"job": job, "times": times}
    call(directory, "POST", "/sandbox/scheduler/duplicate", content)
    _out.line(f"the next {times} scheduled runs of {job} arrive twice")


@fault_app.command("log-line", context_settings=HELP_NAMES)
def log_line(
    filter_text: Annotated[str, typer.Argument(metavar="FILTER", help="Which entry, the newest.")],
    project: Annotated[str, typer.Option(help="Of this project.")] = "emonk-qa",
    changes: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="FIELD=VALUE", help="Also =+1, =+30s, =next; repeatable."),
    ] = None,
    directory: Directory = DEFAULT,
) -> None:
    """Write an entry again with other fields, as a service with a fault would have."""
    wanted = dict(one.split("=", 1) for one in changes or [] if "=" in one)
    content = {"project": project, "filter": filter_text, "set": wanted}
    planted = call(directory, "POST", "/sandbox/logging/plant", content)["planted"]
    _out.line(f"planted: {planted}")


def _told(one: dict[str, Any]) -> str:
    how = []
    if one["latency"]:
        how.append(f"{one['latency'] * 1000:g} ms later")
    if one["code"]:
        how.append(f"{one['code']}{' after it was applied' if one['lost'] else ''}")
    if one["rate"] < 1:
        how.append(f"{one['rate']:.0%} of the calls")
    if one["count"] is not None:
        how.append(f"{one['count']} more")
    if one["until"] is not None:
        how.append(f"until {one['until']}")
    who = "" if one["identity"] == "*" else f" by {one['identity']}"
    return f"{one['id']}  {one['method']}{who}: {', '.join(how)}; struck {one['hits']}"


@instance_app.command("list", context_settings=HELP_NAMES)
def instances(directory: Directory = DEFAULT) -> None:
    """Every instance there is."""
    _show(call(directory, "GET", "/sandbox/instances"))


@instance_app.command("kill", context_settings=HELP_NAMES)
def kill(
    instance: Annotated[str, typer.Argument(help="Its id, or the beginning of it.")],
    directory: Directory = DEFAULT,
) -> None:
    """End its process at once: no SIGTERM, no grace."""
    _show(call(directory, "POST", "/sandbox/instances/kill", {"instance": instance}))


@instance_app.command("freeze", context_settings=HELP_NAMES)
def freeze(
    instance: Annotated[str, typer.Argument(help="Its id, or the beginning of it.")],
    directory: Directory = DEFAULT,
) -> None:
    """Stop its process where it is."""
    _show(call(directory, "POST", "/sandbox/instances/freeze", {"instance": instance}))


@instance_app.command("thaw", context_settings=HELP_NAMES)
def thaw(
    instance: Annotated[str, typer.Argument(help="Its id, or the beginning of it.")],
    directory: Directory = DEFAULT,
) -> None:
    """Let a frozen process go on."""
    _show(call(directory, "POST", "/sandbox/instances/thaw", {"instance": instance}))


def _show(found: dict[str, Any]) -> None:
    for one in found["instances"]:
        where = f"{one['project']}/{one['service']} {one['revision']}"
        _out.line(f"{one['id'][:12]}  {one['state']:8} pid {one['pid']}  {where}")
    if not found["instances"]:
        _out.line("none")


@snapshot_app.command("save", context_settings=HELP_NAMES)
def save(
    name: Annotated[str, typer.Argument(help="What to call it.")], directory: Directory = DEFAULT
) -> None:
    """Keep the world as it is: what is stored, and the clock."""
    from emonk_ops.sandbox import snapshots

    with refusals():
        kept: Path = snapshots.save(directory, name)
    _out.line(f"kept as {kept}")


@snapshot_app.command("restore", context_settings=HELP_NAMES)
def restore(
    name: Annotated[str, typer.Argument(help="One of `snapshot list`.")],
    directory: Directory = DEFAULT,
) -> None:
    """Bring a world back; one that runs is restarted in it. Disks of instances are not part."""
    from emonk_ops.sandbox import snapshots

    with refusals():
        endpoint = snapshots.restore(directory, name)
    up = "" if endpoint is None else f"; sandbox up: grpc {endpoint.grpc}, http {endpoint.http}"
    _out.line(f"the world is as it was in {name}{up}")


@snapshot_app.command("list", context_settings=HELP_NAMES)
def list_snapshots(directory: Directory = DEFAULT) -> None:
    """What was kept."""
    from emonk_ops.sandbox import snapshots

    for name in snapshots.names(directory) or ["none"]:
        _out.line(name)

"""`emonk-ops config show|check|permissions`."""

from __future__ import annotations

from emonk_ops.cli.command import command, group
from emonk_ops.cli.desk import Desk
from emonk_ops.errors import ExitCode, UsageError
from emonk_ops.settings_file import Value

config_app = group("The settings and where they come from.")


@command(config_app, "show", title="config show")
def show(desk: Desk) -> ExitCode:
    """Every value with its origin."""
    desk.show_header()
    values = list(desk.settings.values(desk.aim.env))
    width = max(len(value.path) for value in values)
    desk.screen.line(f"settings file: {desk.settings.path}")
    for value in values:
        desk.screen.line(f"  {value.path:{width}}  {_plain(_shown(value))}  ({value.origin})")
    data = {one.path: {"value": _json(_shown(one)), "origin": one.origin} for one in values}
    return desk.answer({"file": str(desk.settings.path), "values": data})


@command(config_app, "check", title="config check")
def check(desk: Desk) -> ExitCode:
    """All mistakes at once."""
    problems = _problems(desk)
    for problem in problems:
        desk.screen.line(f"  {problem}")
    if problems:
        raise UsageError(
            f"{len(problems)} mistakes in the settings", hint="Mend them: emonk-ops config check"
        )
    settings = desk.settings
    desk.screen.line(f"{settings.path}: good; environments: {', '.join(settings.names)}")
    return desk.answer({"file": str(settings.path), "environments": list(settings.names)})


@command(config_app, "permissions", title="config permissions")
def permissions(desk: Desk) -> ExitCode:
    """The least roles of operator, pipeline and service account."""
    from emonk_ops.cli.permissions import grants

    desk.show_header()
    holders = grants(desk.env)
    for holder, roles in holders.items():
        desk.screen.line(f"{holder}:")
        for grant in roles:
            desk.screen.line(f"  {grant.role:40} on {grant.on}: {grant.why}")
    data = {
        holder: [{"role": one.role, "on": one.on, "why": one.why} for one in roles]
        for holder, roles in holders.items()
    }
    return desk.answer(data)


def _problems(desk: Desk) -> list[str]:
    """Unknown names and wrong values of every environment."""
    import tomllib
    from pathlib import Path

    from emonk_ops.settings_file import Settings, find_settings, unknown_names

    path = find_settings(Path.cwd(), desk.environ, desk.aim.config)
    try:
        document = tomllib.loads(path.read_text())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        return [f"{path}: {error}"]
    problems = [f"{path}: {problem}" for problem in unknown_names(document)]
    if problems:
        return problems
    settings = Settings(path, document, desk.environ)
    if not settings.names:
        return [f"{path}: no environment; an example is [env.qa]"]
    found: dict[str, None] = {}
    for name in settings.names:
        found.update(dict.fromkeys(settings.problems(name)))
    return list(found)


def _shown(value: Value) -> object:
    """A token is a secret, that of a sandbox too."""
    return "(set)" if value.path == "sandbox.token" and value.value else value.value


def _plain(value: object) -> str:
    if isinstance(value, tuple):
        return " ".join(value) or "-"
    return str(value) if value not in ("", None) else "-"


def _json(value: object) -> object:
    if isinstance(value, tuple):
        return list(value)
    return value if isinstance(value, str | int | float | bool | dict) else str(value)

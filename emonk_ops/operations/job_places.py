"""Where jobs can be carried from and to, as a person writes it and as it is unmistakable."""

from __future__ import annotations

from pathlib import Path

from emonk_ops.errors import UsageError
from emonk_ops.settings import Environment

FORMS = "service, json[:PATH] or firestore[:PROJECT[/DATABASE]]"
PATH_VARIABLE = "SCHEDULER_JSON_PATH"


def place_of(env: Environment, text: str) -> str:
    """`service`, `json:/absolute/path` or `firestore:project[/database]`. Raises UsageError.

    Plain `json` is the file that the environment's service_env names, plain `firestore` the
    default database of its project.
    """
    kind, colon, where = text.partition(":")
    if colon and not where:
        raise UsageError(f"'{text}' names no place behind the colon", hint=FORMS)
    match kind:
        case "service" if not colon:
            return "service"
        case "json":
            return f"json:{_file(env, where)}"
        case "firestore":
            project, slash, database = where.partition("/")
            if slash and not (project and database):
                raise UsageError(f"'{text}' is not firestore:PROJECT/DATABASE", hint=FORMS)
            named = project or env.project
            return f"firestore:{named}/{database}" if database else f"firestore:{named}"
    raise UsageError(f"'{text}' is no place of jobs", hint=f"One of {FORMS}")


def _file(env: Environment, where: str) -> Path:
    named = where or env.service_env.get(PATH_VARIABLE, "")
    if not named:
        raise UsageError(
            f"json: no file is named, and [env.{env.name}] service_env has no {PATH_VARIABLE}",
            hint="json:PATH for a file of this host; the jobs in a running service: service",
        )
    return Path(named).expanduser().resolve()

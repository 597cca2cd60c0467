"""Reads emonk-ops.toml: flags over EMONK_* over the file over defaults, each with its origin."""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, dataclass, field, fields
from pathlib import Path
from typing import Any

from emonk_ops.errors import UsageError
from emonk_ops.settings import CommandSettings, Environment, ServiceSettings, Target
from emonk_ops.settings_keys import (
    COMMANDS,
    ENVIRONMENT,
    ESCALATION,
    MANDATORY,
    SERVICE,
    TABLES,
    Key,
)

FILE_NAME = "emonk-ops.toml"
Found = Mapping[str, Any]


@dataclass(frozen=True)
class Value:
    """A setting as it applies, and where it came from."""

    path: str
    value: Any
    origin: str


@dataclass(frozen=True)
class Settings:
    """A settings file that was read and whose names are known."""

    path: Path
    document: Found
    environ: Mapping[str, str]
    flags: Mapping[str, str | None] = field(default_factory=dict)

    @property
    def names(self) -> tuple[str, ...]:
        """The environments there are."""
        return tuple(self.document.get("env", {}))

    @property
    def emergency_env(self) -> str:
        """What `rollback --emergency` means when it is not told; empty where nobody said."""
        return str(self.document.get("rollback", {}).get("emergency_env", ""))

    def environment(self, name: str | None) -> Environment:
        """Raises UsageError naming the environments, or the setting that is wrong."""
        chosen = self._named(name)
        of = {one.path: one.value for one in self.values(chosen)}
        prefix = f"env.{chosen}."
        own = {key.name: of[prefix + key.name] for key in ENVIRONMENT}
        return Environment(
            name=chosen,
            **{**own, "target": Target(own["target"])},
            service=ServiceSettings(**{key.name: of[f"service.{key.name}"] for key in SERVICE}),
            commands=CommandSettings(**{key.name: of[f"commands.{key.name}"] for key in COMMANDS}),
            sandbox_dir=of["sandbox.dir"],
            sandbox_grpc=of["sandbox.grpc"],
            sandbox_http=of["sandbox.http"],
            sandbox_token=of["sandbox.token"],
            state_dir=of["state.dir"],
            state_place=of["state.place"],
            alert_channels=of["alerts.channels"],
            escalation={key.name: of[f"escalation.{key.name}"] for key in ESCALATION},
        )

    def values(self, name: str | None = None) -> Iterator[Value]:
        """Every setting of an environment with its origin, checked."""
        chosen = self._named(name)
        for path, key, found in self._keys(chosen):
            yield self._value(path, key, found)

    def problems(self, name: str) -> Iterator[str]:
        """One sentence for every setting of the environment that is wrong."""
        for path, key, found in self._keys(name):
            try:
                self._value(path, key, found)
            except UsageError as error:
                yield error.message

    def _keys(self, name: str) -> Iterator[tuple[str, Key, Found]]:
        """Path, key and table of everything that applies to an environment."""
        for table, keys in TABLES.items():
            for key in keys:
                yield f"{table}.{key.name}", key, self.document.get(table, {})
        for key in ENVIRONMENT:
            yield f"env.{name}.{key.name}", key, self.document["env"][name]

    def _named(self, name: str | None) -> str:
        wanted = name or self.environ.get("EMONK_ENV")
        there = ", ".join(self.names) or "none"
        if not wanted:
            raise UsageError(
                "which environment? --env says it, or EMONK_ENV",
                hint=f"Environments in {self.path}: {there}",
            )
        if wanted not in self.names:
            raise UsageError(
                f"there is no environment '{wanted}' in {self.path}.{_meant(wanted, self.names)}",
                hint=f"Environments: {there}",
            )
        return wanted

    def _value(self, path: str, key: Key, table: Found) -> Value:
        flag = self.flags.get(key.flag) if key.flag else None
        if flag is not None:
            return self._checked(path, key, flag, f"--{key.flag}")
        if key.variable and self.environ.get(key.variable):
            return self._checked(path, key, self.environ[key.variable], key.variable)
        if key.name in table:
            return self._checked(path, key, table[key.name], self.path.name)
        if key.name in MANDATORY and path.startswith("env."):
            raise UsageError(
                f"{self.path}: {path} is missing; it is never guessed",
                hint='target = "sandbox" or target = "gcp", and project = "…"',
            )
        return Value(path, self._resolved(key, _default(path, key)), "default")

    def _checked(self, path: str, key: Key, found: Any, origin: str) -> Value:
        from emonk_ops.settings_kinds import read

        try:
            return Value(path, self._resolved(key, read(key.kind, found)), origin)
        except ValueError as error:
            where = f"{self.path}: {path}" if origin == self.path.name else f"{origin} ({path})"
            raise UsageError(f"{where}: {error}", hint="emonk-ops config check") from error

    def _resolved(self, key: Key, value: Any) -> Any:
        if key.kind != "folder" or value is None:
            return value
        return (self.path.parent / value).resolve()


def find_settings(start: Path, environ: Mapping[str, str], config: Path | None = None) -> Path:
    """`--config`, EMONK_CONFIG, or emonk-ops.toml in `start` or a folder above it."""
    named = config or (Path(environ["EMONK_CONFIG"]) if environ.get("EMONK_CONFIG") else None)
    if named is not None:
        if not named.is_file():
            raise UsageError(f"there is no settings file {named}", hint="emonk-ops init")
        return named.resolve()
    for folder in (start, *start.resolve().parents):
        if (folder / FILE_NAME).is_file():
            return (folder / FILE_NAME).resolve()
    raise UsageError(
        f"no {FILE_NAME} in {start} or above it",
        hint="emonk-ops init (or init --sandbox) writes one; --config names another",
    )


def read_settings(
    path: Path, environ: Mapping[str, str], flags: Mapping[str, str | None] | None = None
) -> Settings:
    """Raises UsageError for a file that cannot be read or has unknown names."""
    try:
        document = tomllib.loads(path.read_text())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: {error}", hint="It must be TOML") from error
    for problem in unknown_names(document):
        raise UsageError(f"{path}: {problem}", hint="emonk-ops config check lists all of them")
    return Settings(path, document, environ, flags or {})


def unknown_names(document: Found) -> Iterator[str]:
    """One sentence for every table or key that does not exist, with the nearest that does."""
    tables = (*TABLES, "env")
    for name, table in document.items():
        if name not in tables:
            yield f"unknown table [{name}].{_meant(name, tables)} Tables: {', '.join(tables)}"
        elif not isinstance(table, dict):
            yield f"{name} must be a table: [{name}]"
        elif name == "env":
            for env, own in table.items():
                if isinstance(own, dict):
                    yield from _unknown_keys(f"env.{env}", own, ENVIRONMENT)
                else:
                    yield f"env.{env} must be a table: [env.{env}]"
        else:
            yield from _unknown_keys(name, table, TABLES[name])
    yield from _unknown_emergency_env(document)


def _unknown_emergency_env(document: Found) -> Iterator[str]:
    table, envs = document.get("rollback", {}), document.get("env", {})
    name = table.get("emergency_env", "") if isinstance(table, dict) else ""
    if name and isinstance(envs, dict) and name not in envs:
        yield f"rollback.emergency_env is '{name}'. Environments: {', '.join(envs) or 'none'}"


def _unknown_keys(path: str, table: Found, keys: tuple[Key, ...]) -> Iterator[str]:
    names = tuple(key.name for key in keys)
    for name in table:
        if name not in names:
            yield f"unknown key {path}.{name}.{_meant(name, names)} Keys: {', '.join(names)}"


def _meant(name: str, there: tuple[str, ...]) -> str:
    near = difflib.get_close_matches(name, there, n=1)
    return f" Did you mean '{near[0]}'?" if near else ""


def _default(path: str, key: Key) -> Any:
    table = path.split(".")[0]
    if table == "sandbox":
        return Environment.sandbox_dir if key.name == "dir" else ""
    if table in ("rollback", "escalation"):
        return ""
    if table == "alerts":
        return Environment.alert_channels
    if table == "state":
        defaults = {"dir": Environment.state_dir, "place": Environment.state_place}
        return defaults.get(key.name, False)
    holder = {"service": ServiceSettings, "commands": CommandSettings, "env": Environment}[table]
    for one in fields(holder):
        if one.name == key.name:
            return one.default_factory() if one.default_factory is not MISSING else one.default
    raise AssertionError(f"{path} has no default")

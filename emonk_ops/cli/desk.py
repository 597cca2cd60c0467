"""What every command is handed: the settings it aims at, its journal, its streams."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from emonk_ops.cli.collaborators import Collaborators
from emonk_ops.cli.output import Output
from emonk_ops.errors import ExitCode, OpsError, Refused
from emonk_ops.settings import FILE_PLACE

if TYPE_CHECKING:
    from emonk_ops.cli.state import State
    from emonk_ops.rollout.book import Book
    from emonk_ops.rollout.identity import Identity
    from emonk_ops.rollout.interruption import Interruption
    from emonk_ops.rollout.standing import Standing
    from emonk_ops.settings import Environment
    from emonk_ops.settings_file import Settings
    from emonk_ops.toolbox import Toolbox


@dataclass(frozen=True)
class Aim:
    """Which environment a command means, as its options say."""

    env: str | None = None
    config: Path | None = None
    project: str | None = None
    region: str | None = None
    impersonate: str | None = None


class Desk:
    """One invocation of one command."""

    def __init__(self, command: str, aim: Aim, json: bool, with_: Collaborators) -> None:
        self.command = command
        self.aim = aim
        self.json = json
        self.with_ = with_
        self.out = Output("stdout")
        self.err = Output("stderr")
        # What must be said, and done by hand, where the command is given up half way.
        self.left_behind: Callable[[], tuple[str, ...]] = lambda: ()

    @property
    def screen(self) -> Output:
        """Where a person reads: stderr when stdout carries JSON."""
        return self.err if self.json else self.out

    @property
    def environ(self) -> Mapping[str, str]:
        return self.with_.environ

    @cached_property
    def settings(self) -> Settings:
        from emonk_ops.settings_file import find_settings, read_settings

        path = find_settings(Path.cwd(), self.environ, self.aim.config)
        flags = {
            "project": self.aim.project,
            "region": self.aim.region,
            "impersonate": self.aim.impersonate,
        }
        return read_settings(path, self.environ, flags)

    @cached_property
    def env(self) -> Environment:
        return self.settings.environment(self.aim.env)

    @cached_property
    def who(self) -> Identity:
        from emonk_ops.rollout.identity import identify

        return identify(self.environ, ("emonk-ops", *self.with_.argv))

    @cached_property
    def interruption(self) -> Interruption:
        from emonk_ops.rollout.interruption import Interruption

        return Interruption(self._give_up)

    @property
    def folder(self) -> Path:
        """Journal, lock and saved jobs: of this environment in this very project.

        What has passed in the sandbox says nothing about the real cloud, whatever its name.
        """
        env = self.env
        return env.state_dir / f"{env.name}-{env.target}-{env.project}"

    @cached_property
    def state(self) -> State:
        from emonk_ops.cli.state import State

        return State(self)

    @cached_property
    def book(self) -> Book:
        """The environment's journal and lock. Raises Refused for a file where none survives."""
        self._require_lasting_state()
        return self.state.book()

    def toolbox(
        self, *, waits: bool = False, say: Callable[[str], None] = lambda _line: None
    ) -> Toolbox:
        keep = self.folder / "keep"
        tools = self.with_.open_toolbox(self.env, waits=waits, keep=keep, say=say)
        return replace(tools, evidence=self.state.evidence(), standing_of=self.standing_of)

    def standing_of(self, name: str) -> Standing:
        """Where another environment stands, by its own journal. Raises UsageError, StateDamaged."""
        if name == self.env.name:
            return self.book.standing()
        return Desk(
            self.command, replace(self.aim, env=name), self.json, self.with_
        ).book.standing()

    def show_header(self, *, unfinished: bool = True) -> None:
        """The first line of every screen, and what an earlier command left half way."""
        from emonk_ops.cli.unfinished import unfinished_lines

        self.screen.line(header(self.env))
        if unfinished:
            for line in unfinished_lines(self):
                self.screen.line(line)

    def answer(
        self,
        data: Mapping[str, Any],
        *,
        code: ExitCode = ExitCode.DONE,
        errors: tuple[OpsError, ...] = (),
        hint: str = "",
    ) -> ExitCode:
        """The command's end: the envelope under --json, else the line with the next command."""
        if self.json:
            self.write_envelope(data, code=code, errors=errors)
        elif hint and not self.environ.get("CI"):
            self.screen.line(f"next: {hint}")
        return code

    def write_envelope(
        self, data: Mapping[str, Any], *, code: ExitCode, errors: tuple[OpsError, ...] = ()
    ) -> None:
        import json

        from emonk_ops.rollout.report import envelope

        env = self.__dict__.get("env")  # only if it was found
        document = envelope(
            self.command,
            exit_code=code,
            env=env.name if env else self.aim.env,
            target=str(env.target) if env else None,
            data=data,
            errors=errors,
        )
        self.out.line(json.dumps(document, ensure_ascii=False))

    def _require_lasting_state(self) -> None:
        value = next(one for one in self.settings.values(self.env.name) if one.path == STATE_IN_CI)
        said_twice = value.value and self.environ.get("EMONK_STATE_FILE_IN_CI") == "1"
        if self.env.state_place != FILE_PLACE:
            return
        if self.environ.get("CI") and self.env.target == "gcp" and not said_twice:
            raise Refused(
                f"in CI the journal in {self.env.state_dir} would vanish with the runner",
                hint='Share it: [state] place = "firestore:PROJECT" (or EMONK_STATE). If the '
                "folder lasts, say so twice: [state] file_in_ci = true and "
                "EMONK_STATE_FILE_IN_CI=1",
            )

    def _give_up(self, code: ExitCode) -> None:
        self.err.line(
            "stopped at once; the lock of a dead process is taken over. "
            f"What is left: emonk-ops status{f' --env {self.aim.env}' if self.aim.env else ''}"
        )
        left = self.left_behind()
        for line in left:
            self.err.line(line)
        os._exit(int(ExitCode.RESTORE_INCOMPLETE if left else code))


STATE_IN_CI = "state.file_in_ci"


def header(env: Environment) -> str:
    """Environment, target, project; the sandbox in capitals, so that nobody mistakes it."""
    target = "SANDBOX" if env.target == "sandbox" else "Google Cloud"
    return (
        f"{env.name} | {target} | project {env.project} | "
        f"service {env.service.name} in {env.service.region}"
    )

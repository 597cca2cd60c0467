"""What of the legacy path is left in the running service."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from emonk_ops.operations.health import ask_health
from emonk_ops.operations.prerequisites import serving_revision
from emonk_ops.operations.service_env import LEGACY_FLAGS
from emonk_ops.rollout.model import Finding, Verdict
from emonk_ops.toolbox import Toolbox


@dataclass(frozen=True)
class LegacyTraces:
    """By the revision's variables and by what the service says of itself at its health path.

    `code` is None where it does not say whether its program still has the loop.
    """

    revision: str
    variables: Mapping[str, str]
    runs: bool
    code: bool | None

    @property
    def clean(self) -> bool:
        return not self.variables and not self.runs and self.code is False

    def sentence(self) -> str:
        left = [f"{name}={value} is set" for name, value in self.variables.items()]
        left += ["the loop runs"] if self.runs else []
        left += ["its program still has the loop"] if self.code else []
        return f"{self.revision}: {', '.join(left) or 'no trace of the loop'}"


def legacy_traces(tools: Toolbox) -> LegacyTraces:
    revision, body = serving_revision(tools), ask_health(tools).body
    paths = body.get("paths")
    code = body.get("legacy_code")
    return LegacyTraces(
        revision=revision.name,
        variables={name: revision.env[name] for name in LEGACY_FLAGS if name in revision.env},
        runs=bool(paths.get("legacy_loop")) if isinstance(paths, dict) else False,
        code=code if isinstance(code, bool) else None,
    )


def nothing_runs_of_it(tools: Toolbox) -> Finding:
    """The guide's "No references to removed code", asked of what serves."""
    found = legacy_traces(tools)
    facts = {
        "revision": found.revision,
        "variables": dict(found.variables),
        "loop_runs": found.runs,
        "legacy_code": found.code,
    }
    if found.clean:
        return Finding(Verdict.PASS, found.sentence(), facts)
    if found.code is None and not found.variables and not found.runs:
        told = f"{found.sentence()}; whether its program still has it, it does not say"
        return Finding(Verdict.ASK, told, facts)
    hint = "Build the image from the cleaned source; name it in [service] image, or a deploy "
    hint += "command in [commands] deploy"
    return Finding(Verdict.FAIL, found.sentence(), facts, hint)

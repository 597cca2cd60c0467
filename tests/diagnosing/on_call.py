"""What runbook.md says for a cause, typed while the fault is there: by the tool and by gcloud."""

from __future__ import annotations

import os
import re
import shlex
import shutil
from collections.abc import Iterable, Iterator

from emonk_ops.operations.diagnosing.model import Named
from emonk_ops.operations.diagnosing.typed import commands_in, twin_of
from tests.diagnosing.ward import Ward
from tests.sandbox.gcloud_shell import Shell

# They change the service, which the next fault needs as it is: tried where they are at home.
NOT_HERE = ("stage", "rollback", "inject", "diagnose")
LOOKS = ("describe", "read", "list", "get-iam-policy")
UNDERSTOOD = (0, 1, 3, 4, 5)  # what a look at an ill service may answer; 2 is usage, 70 a bug
TO_FILL_IN = re.compile(r"(?<![A-Z_=])\b[A-Z]{2,}\b")  # by who types it
UNSERVED = "firestore indexes"  # by the sandbox
BY_HAND = bool(os.environ.get("EMONK_LONG")) and shutil.which("gcloud") is not None


def typed_for(causes: Iterable[Named], ward: Ward) -> Iterator[str]:
    """The lines that were refused as they stand; none where the runbook is right."""
    for named in causes:
        # What a repair does as well is left to it: it has to find something to do.
        cause = named.cause
        acts = () if cause.fix else (cause.command,)
        for text in (cause.see, *acts, cause.over):
            for line in commands_in(text):
                if not TO_FILL_IN.search(line):
                    yield from _typed(line, named, ward)


def _typed(line: str, named: Named, ward: Ward) -> Iterator[str]:
    program, *words = shlex.split(_filled(line, named, ward))
    if program == "emonk-ops":
        if words[0] not in NOT_HERE:
            code, told = ward.says(*words)
            if code not in UNDERSTOOD:
                yield f"{line}: exit {code}: {told}"
        twin = twin_of(line)
        if twin.startswith("gcloud"):
            yield from _by_hand(_filled(twin, named, ward), ward)
    else:
        yield from _by_hand(_filled(line, named, ward), ward)


def _by_hand(line: str, ward: Ward) -> Iterator[str]:
    """A look: what changes something is not typed beside the tool."""
    words = shlex.split(line)[1:]
    if BY_HAND and UNSERVED not in line and any(one in words for one in LOOKS):
        ran = Shell(ward.operator.folder / ".emonk-sandbox").run(*words)
        if ran.returncode != 0 and "NOT_FOUND" not in ran.stderr:
            yield f"{line}: exit {ran.returncode}: {ran.stderr[-500:]}"


def _filled(line: str, named: Named, ward: Ward) -> str:
    env = ward.tools.env
    return line.format_map(
        {
            "env": env.name,
            "service": env.service.name,
            "job": env.service.job,
            "project": env.project,
            "region": env.service.region,
            "account": f"emonk-agent@{env.project}.iam.gserviceaccount.com",
            "invoker": env.tick_invoker,
            **named.suspect.fills,
        }
    )

"""Commands within sentences: found, marked as code, and said in gcloud's words."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

PROGRAMS = ("emonk-ops", "gcloud")
PLACEHOLDER = re.compile(r"\{[a-z_]+\}|[A-Z][A-Z_]+")
FLAGS = frozenset({"--fix", "--force", "--yes", "--emergency", "--partial", "--to-latest"})
VERBS = frozenset(
    re.findall(
        r"\S+",
        """
        status logs ticks errors job jobs why show list release resume cancel schedule scheduler
        describe run pause stage 2 4 rollback diagnose not-triggering inject duplicate-trigger
        services update update-traffic get-iam-policy add-iam-policy-binding projects firestore
        databases indexes composite create iam service-accounts logging read
        """,
    )
)
TOKENS = re.compile(r"\"[^\"]*\"|'[^']*'|[^\s]+")

LOG = (
    "gcloud logging read 'resource.labels.service_name=\"{service}\" AND %s' "
    "--project {project} --limit 20"
)
JOB = "gcloud scheduler jobs %s {job} --project {project} --location {region}"
SERVICE = "{service} --project {project} --region {region}"
ADMIN = (
    'curl %s-H "Authorization: Bearer $(gcloud auth print-identity-token)" '
    '"$SERVICE_URL/admin/jobs%s"'
)
# By how a command begins, the longest first.
TWINS: Mapping[str, str] = {
    "emonk-ops scheduler describe": JOB % "describe",
    "emonk-ops scheduler resume": JOB % "resume",
    "emonk-ops scheduler pause": JOB % "pause",
    "emonk-ops scheduler run": JOB % "run",
    "emonk-ops logs ticks": LOG % 'jsonPayload.message:"tick"',
    "emonk-ops logs errors": LOG % "severity>=ERROR",
    "emonk-ops logs job": LOG % 'jsonPayload.job_id="{job_id}"',
    "emonk-ops status": f"gcloud run services describe {SERVICE}",
    "emonk-ops jobs why": LOG % 'jsonPayload.job_id="{job_id}"',
    "emonk-ops jobs show": ADMIN % ("", "/{job_id}"),
    "emonk-ops jobs list": ADMIN % ("", ""),
    "emonk-ops jobs release": ADMIN % ("-X POST ", "/{job_id}/release"),
    "emonk-ops jobs resume": ADMIN % ("-X POST ", "/{job_id}/resume"),
    "emonk-ops jobs cancel": ADMIN % ("-X DELETE ", "/{job_id}"),
    "emonk-ops rollback --emergency": f"{JOB % 'pause'} && "
    f"gcloud run services update-traffic {SERVICE} --to-revisions REVISION=100",
    "emonk-ops rollback": f"gcloud run services update-traffic {SERVICE} "
    "--to-revisions REVISION=100",
}


def commands_in(text: str) -> Iterator[str]:
    """Each command that a sentence names, without the words around it."""
    for start, end in _spans(text):
        yield text[start:end]


def marked(text: str) -> str:
    """The sentence with its commands as code."""
    pieces, last = [], 0
    for start, end in _spans(text):
        pieces += [text[last:start], f"`{text[start:end]}`"]
        last = end
    return "".join([*pieces, text[last:]])


def twin_of(command: str) -> str:
    """What gcloud, or curl with gcloud's token, says for it; "" where nothing does."""
    known = [begin for begin in TWINS if command.startswith(begin)]
    return TWINS[max(known, key=len)] if known else ""


def _spans(text: str) -> Iterator[tuple[int, int]]:
    last = 0
    for found in re.finditer(rf"\b({'|'.join(PROGRAMS)})\b", text):
        if found.start() < last:
            continue
        last = _end(text, found.end())
        if last > found.end():
            yield found.start(), last


def _end(text: str, begin: int) -> int:
    """Where the words of a command end: at one that is no verb, no option and no option's value."""
    end, wants_value = begin, False
    for token in TOKENS.finditer(text, begin):
        word, bare = token.group(), token.group().rstrip(";,:.")
        if word.startswith("--"):
            wants_value = "=" not in bare and bare not in FLAGS
        elif wants_value:
            wants_value = False
        elif bare not in VERBS and not PLACEHOLDER.fullmatch(bare):
            break
        end = token.start() + len(bare)
        if bare != word:
            break
    return end

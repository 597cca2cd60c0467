"""Old documents get a note at their top; the README gets a section about Cloud Scheduler."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from fnmatch import fnmatch

from emonk_ops.operations.legacy_source.model import FileChange, Options, Place
from emonk_ops.operations.legacy_source.names import DESCRIBES_THE_LOOP

README = "README.md"
BEGIN = "<!-- emonk-ops: cloud-scheduler begin -->"
END = "<!-- emonk-ops: cloud-scheduler end -->"
DEPRECATED = "<!-- emonk-ops: deprecated -->"
SECTION = re.compile(re.escape(BEGIN) + r".*?" + re.escape(END), re.DOTALL)
FRONT_MATTER = re.compile(r"---\r?\n.*?\r?\n---\r?\n(\r?\n)*", re.DOTALL)
NEVER = re.compile(r"(?i)^(changelog|changes|history|license|contributing)\b")


def document_changes(files: Mapping[str, bytes], options: Options) -> list[FileChange]:
    """The README with its section, and the notes on documents that describe the loop."""
    changes = [_readme(files.get(README), options)]
    for file in _old_documents(files, options.documents):
        before = files[file]
        changes.append(FileChange(file, before, _with_note(file, before)))
    return [one for one in changes if one.before != one.after]


def _old_documents(files: Mapping[str, bytes], patterns: Iterable[str]) -> list[str]:
    wanted = tuple(patterns)
    return sorted(
        file
        for file, raw in files.items()
        if file.lower().endswith((".md", ".markdown"))
        and file != README
        and not NEVER.match(file.rsplit("/", 1)[-1])
        and (
            any(fnmatch(file, one) for one in wanted)
            if wanted
            else bool(DESCRIBES_THE_LOOP.search(raw.decode("utf-8", errors="replace")))
        )
    )


def _with_note(file: str, before: bytes) -> bytes:
    text = before.decode("utf-8", errors="surrogateescape")
    if DEPRECATED in text:
        return before
    newline = "\r\n" if "\r\n" in text else "\n"
    readme = os.path.relpath(README, os.path.dirname(file) or ".").replace(os.sep, "/")
    note = newline.join(
        [
            DEPRECATED,
            "> **Deprecated.** The in-process scheduler loop described here has been removed. "
            f"Cloud Scheduler runs the jobs now: see [{README}]({readme}#scheduled-jobs).",
            "",
            "",
        ]
    )
    front = FRONT_MATTER.match(text)
    at = front.end() if front else 0
    return (text[:at] + note + text[at:]).encode("utf-8", errors="surrogateescape")


def _readme(before: bytes | None, options: Options) -> FileChange:
    text = (before or b"").decode("utf-8", errors="surrogateescape")
    newline = "\r\n" if "\r\n" in text else "\n"
    section = section_text(options).replace("\n", newline)
    if SECTION.search(text):
        after = SECTION.sub(lambda _found: section, text)
    else:
        gap = "" if not text else newline if text.endswith("\n") else newline * 2
        after = f"{text}{gap}{section}{newline}"
    return FileChange(README, before, after.encode("utf-8", errors="surrogateescape"))


def section_text(options: Options) -> str:
    """What a reader of the README must know about the scheduled jobs, markers included."""
    service, region, job = options.service.name, options.service.region, options.service.job
    return f"""{BEGIN}
## Scheduled jobs

Cloud Scheduler runs the jobs: the job `{job}` in `{region}` calls
`POST {options.service.tick_path}` of the service `{service}` with an OIDC token, on the schedule
`{options.cadence}` in production.
There is no loop in the process any more.

```bash
# its state and its last attempt
gcloud scheduler jobs describe {job} --location {region}
# one tick by hand
gcloud scheduler jobs run {job} --location {region}
# stop all ticks, and let them go on
gcloud scheduler jobs pause {job} --location {region}
gcloud scheduler jobs resume {job} --location {region}
# what the ticks did
gcloud run services logs read {service} --region {region} --limit 50
```
{END}"""


def noted(changes: Iterable[FileChange]) -> list[Place]:
    """What happens to the documents, for the list of a plan."""
    return [
        Place(
            one.file,
            1,
            "section about Cloud Scheduler" if one.file == README else "marked as deprecated",
        )
        for one in changes
    ]

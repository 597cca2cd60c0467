"""The evidence folder: written beside its place, moved there whole, so that no half looks whole."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from emonk_ops.errors import Refused, StateDamaged
from emonk_ops.reporting.markdown import to_markdown
from emonk_ops.reporting.model import Story, story_of
from emonk_ops.reporting.page import to_html
from emonk_ops.reporting.report import report_of
from emonk_ops.reporting.told.subject import Subject
from emonk_ops.reporting.verdicts import verdicts_data
from emonk_ops.rollout.records import to_line

PAGE, TEXT, VERDICTS, LIST, PLOTS = (
    "report.html",
    "report.md",
    "verdicts.json",
    "contents.json",
    "plots",
)
FORMAT = "emonk-report/1"
Files = Mapping[str, bytes]  # by path within the folder


def write_report(subjects: Sequence[Subject], folder: Path) -> tuple[Path, ...]:
    """Make the report of these environments; the paths written, the page to open first.

    A report that is there already is replaced. Raises Refused for a folder with anything else in
    it, StateDamaged where it cannot be written.
    """
    require_ours(folder)
    files = files_of([story_of(one) for one in subjects])
    try:
        _write(files, folder)
    except OSError as error:
        raise StateDamaged(
            f"the report could not be written to {folder}: {error.strerror or error}",
            hint="Make room there, or name another folder with --out",
        ) from error
    return tuple(folder / name for name in files)


def files_of(stories: Sequence[Story]) -> dict[str, bytes]:
    """All files of the folder, the page first and the list of their sums last."""
    document = report_of(stories)
    files = {
        PAGE: to_html(document).encode(),
        TEXT: to_markdown(document, PLOTS).encode(),
        VERDICTS: _json(verdicts_data(stories)),
    }
    for story in stories:
        lines = b"".join(to_line(record) for record in story.subject.records)
        files[f"journal-{story.env}.jsonl"] = lines
    for plot in document.plots:
        files[f"{PLOTS}/{plot.name}.svg"] = plot.figure.standalone().encode()
    sums = {name: hashlib.sha256(blob).hexdigest() for name, blob in files.items()}
    files[LIST] = _json({"format": FORMAT, "sha256": sums})
    return files


def require_ours(folder: Path) -> None:
    """Raises Refused where something is there that a report would take away."""
    if not folder.exists():
        return
    if not folder.is_dir():
        raise Refused(f"{folder} is there, and no folder", hint="Name another one with --out")
    there = {str(one.relative_to(folder)) for one in folder.rglob("*") if not one.is_dir()}
    foreign = sorted(there - _listed(folder))
    if foreign:
        raise Refused(
            f"{folder} holds what is no report of ours: {', '.join(foreign[:3])}",
            hint="Name another folder with --out",
        )


def _listed(folder: Path) -> set[str]:
    """What the report that is there says it consists of."""
    try:
        found = json.loads((folder / LIST).read_bytes())
        ours = found["format"] == FORMAT
        return {LIST, *found["sha256"]} if ours else set()
    except (OSError, ValueError, KeyError, TypeError):
        return set()


def _json(data: Mapping[str, Any]) -> bytes:
    return json.dumps(data, indent=1, ensure_ascii=False).encode() + b"\n"


def _write(files: Files, folder: Path) -> None:
    folder.parent.mkdir(parents=True, exist_ok=True)
    beside = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    try:
        made = beside / "new"
        for name, blob in files.items():
            path = made / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(blob)
        if folder.exists():
            folder.rename(beside / "old")
        os.rename(made, folder)
    finally:
        shutil.rmtree(beside, ignore_errors=True)

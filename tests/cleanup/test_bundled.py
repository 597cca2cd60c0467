"""A copy of the bundled service in somebody's source."""

from __future__ import annotations

import shutil
from pathlib import Path

import emonk_ops
from emonk_ops.operations.legacy_source.patching import make_patch, references


def test_of_the_bundled_service_a_copy_is_cleaned_and_what_is_installed_is_not(
    tmp_path: Path,
) -> None:
    copied = Path(emonk_ops.__file__).parent / "tick"
    for place in ("own", ".venv/src", "node_modules"):
        shutil.copytree(copied, tmp_path / place / "emonk_ops" / "tick")
    patch = make_patch(tmp_path)
    changed = [one.file for one in patch.files if one.file.endswith(".py")]
    assert changed == [
        f"own/emonk_ops/tick/{name}.py" for name in ("agent_core", "legacy_loop", "scheduler")
    ]
    for one in patch.files:
        path = tmp_path / one.file
        path.unlink() if one.after is None else path.write_bytes(one.after)
    assert make_patch(tmp_path).empty
    assert references(tmp_path) == []

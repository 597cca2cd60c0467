from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
GOOGLE = ("google", "grpc")

# Which parts of ours each part may import, besides itself. "tick.jobs" names one module of a part.
MAY_IMPORT: dict[str, tuple[str, ...]] = {
    "errors": (),
    "clock": (),
    "settings": (),
    "access_ports": (),
    "log_filter": (),
    "tick": (),
    "ports": ("job_ports", "tick.jobs", "tick.ticks"),
    "job_ports": (),
    "monitoring_ports": (),
    "state_ports": (),
    "toolbox": ("access_ports", "clock", "job_ports", "monitoring_ports", "ports", "settings"),
    "sandbox": ("tick",),
    # Its job_stores is the adapter to the service's own storage, which alone knows how a job lies
    # in a file and in Firestore: a second writer of those formats would sooner or later differ.
    "gcp": (
        "access_ports",
        "clock",
        "errors",
        "job_ports",
        "log_filter",
        "monitoring_ports",
        "ports",
        "settings",
        "state_ports",
        "tick.clock",
        "tick.errors",
        "tick.jobs",
        "tick.migration",
        "tick.storage",
    ),
    "operations": (
        "access_ports",
        "clock",
        "errors",
        "job_ports",
        "log_filter",
        "monitoring_ports",
        "ports",
        "settings",
        "toolbox",
        "rollout.model",
        "rollout.verdicts",
        "tick.jobs",
        "tick.ticks",
    ),
    "rollout": (
        "access_ports",
        "clock",
        "errors",
        "job_ports",
        "monitoring_ports",
        "ports",
        "settings",
        "state_ports",
        "toolbox",
        "operations",
        "stages",
    ),
    "stages": ("errors", "operations", "rollout", "settings", "toolbox"),
    "settings_file": (
        "errors",
        "settings",
        "settings_keys",
        "settings_kinds",
        "settings_sample",
        "operations.cadence",
    ),
    "settings_keys": (),
    "settings_kinds": ("errors", "settings"),
    "commands": ("clock", "errors", "ports", "settings"),
    "settings_sample": ("settings",),
    "testing": (
        "access_ports",
        "clock",
        "errors",
        "job_ports",
        "monitoring_ports",
        "ports",
        "settings",
        "toolbox",
        "operations",
        "rollout",
    ),
    "wiring": (
        "access_ports",
        "clock",
        "commands",
        "errors",
        "gcp",
        "job_ports",
        "monitoring_ports",
        "operations",
        "ports",
        "settings",
        "state_ports",
        "toolbox",
    ),
    "scaffold": ("errors",),
    # A report is made from the journal and the evidence alone: it imports no port and no stage, so
    # that none can ever ask a cloud. Its two callers are the command and the rehearsal.
    "reporting": ("errors", "operations", "rollout", "toolbox"),
    "rehearsal": ("clock", "errors", "reporting"),
    # A command about jobs is one call of an operation; no stage of a rollout lies between.
    "cli": (
        "access_ports",
        "clock",
        "errors",
        "job_ports",
        "monitoring_ports",
        "operations",
        "ports",
        "rehearsal",
        "reporting",
        "rollout",
        "sandbox",
        "scaffold",
        "settings",
        "settings_file",
        "settings_sample",
        "stages",
        "state_ports",
        "toolbox",
        "wiring",
    ),
    "__main__": ("cli", "errors"),
}
MAY_IMPORT_GOOGLE = ("gcp", "sandbox", "tick")
FORBIDDEN_IN_TICK = ("typer", "rich")


def source_files() -> Iterator[tuple[str, str, Path]]:
    """(part, dotted module below emonk_ops, path) of every module that is installed."""
    for path in sorted((ROOT / "emonk_ops").rglob("*.py")):
        parts = path.relative_to(ROOT / "emonk_ops").with_suffix("").parts
        yield parts[0], ".".join(parts), path
    for path in sorted((ROOT / "stages").rglob("*.py")):
        yield "stages", f"stages.{path.stem}", path


def imported_modules(path: Path, module: str) -> Iterator[tuple[str, bool]]:
    """(absolute dotted name, at module level) of everything imported, type checking included."""
    tree = ast.parse(path.read_text())
    top = {id(node) for node in tree.body}
    package = ["emonk_ops", *module.split(".")[:-1]]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, id(node) in top
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                kept = package[: len(package) - node.level + 1]
                base = ".".join([*kept, base] if base else kept)
            yield base, id(node) in top
            for alias in node.names:
                yield f"{base}.{alias.name}", id(node) in top


def allowed(part: str, target: str) -> bool:
    own = target.split(".")[0]
    if own == part:
        return True
    return any(target == rule or target.startswith(rule + ".") for rule in MAY_IMPORT[part])


def is_ours(name: str) -> bool:
    """Whether a dotted name is a module of ours, not a name inside one."""
    target = name.removeprefix("emonk_ops.")
    if target == name:
        return False
    path = ROOT / "emonk_ops" / target.replace(".", "/")
    in_stages = target.startswith("stages")
    return in_stages or path.is_dir() or path.with_suffix(".py").exists()


@pytest.mark.parametrize(
    ("part", "module", "path"), [pytest.param(*row, id=row[1]) for row in source_files()]
)
def test_imports_follow_the_arrows_of_the_house(part: str, module: str, path: Path) -> None:
    if part == "__init__":
        assert not list(imported_modules(path, module)), "emonk_ops/__init__.py imports nothing"
        return
    assert part in MAY_IMPORT, f"{module}: give the part {part!r} its place in MAY_IMPORT"
    wrong = [
        name
        for name, _ in imported_modules(path, module)
        if is_ours(name) and not allowed(part, name.removeprefix("emonk_ops."))
    ]
    assert not wrong, f"{module} may not import {wrong}"


@pytest.mark.parametrize(
    ("part", "module", "path"), [pytest.param(*row, id=row[1]) for row in source_files()]
)
def test_google_libraries_stay_behind_the_adapters(part: str, module: str, path: Path) -> None:
    names = [name for name, _ in imported_modules(path, module)]
    google = [name for name in names if name.split(".")[0] in GOOGLE]
    assert not google or part in MAY_IMPORT_GOOGLE, f"{module} imports {google}"
    if part == "tick":
        assert not [name for name in names if name.split(".")[0] in FORBIDDEN_IN_TICK]


def test_the_fence_sees_a_forbidden_import(tmp_path: Path) -> None:
    planted = tmp_path / "planted.py"
    planted.write_text("def f():\n    from emonk_ops.gcp import faults\n")
    names = [name for name, _ in imported_modules(planted, "operations.planted")]
    assert "emonk_ops.gcp" in names
    assert not allowed("operations", "gcp")
    assert not allowed("tick", "errors")
    assert allowed("operations", "tick.jobs")
    assert not allowed("operations", "tick.scheduler")

from __future__ import annotations

import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


def test_every_package_on_disk_is_shipped() -> None:
    on_disk = {
        ".".join(path.parent.relative_to(ROOT).parts)
        for path in (ROOT / "emonk_ops").rglob("__init__.py")
    }
    assert set(PROJECT["tool"]["setuptools"]["packages"]) == on_disk | {"emonk_ops.stages"}


def test_no_source_folder_lacks_its_init() -> None:
    bare = {
        path.parent
        for path in (ROOT / "emonk_ops").rglob("*.py")
        if not (path.parent / "__init__.py").exists()
    }
    assert not bare


def test_the_service_image_and_the_service_extra_install_the_same() -> None:
    extra = PROJECT["project"]["optional-dependencies"]["service"]
    assert extra == PROJECT["dependency-groups"]["service"]
    assert set(extra) <= set(PROJECT["project"]["dependencies"])
    foreign = [name for name in extra if name.startswith(("typer", "rich", "google-cloud"))]
    assert [name.partition(">")[0] for name in foreign] == ["google-cloud-firestore"]


def test_stages_is_installed_below_the_package_only() -> None:
    assert PROJECT["tool"]["setuptools"]["package-dir"] == {"emonk_ops.stages": "stages"}

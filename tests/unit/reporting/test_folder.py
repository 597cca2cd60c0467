"""The folder is written whole or not at all, and takes nothing of anybody else's away."""

from __future__ import annotations

import json
from hashlib import sha256
from pathlib import Path

import pytest

from emonk_ops.errors import Refused, StateDamaged
from emonk_ops.reporting.folder import LIST, write_report

from .telling import Telling, check


@pytest.fixture
def telling(tmp_path: Path) -> Telling:
    telling = Telling(tmp_path / "state")
    telling.run("stage", check("ready"), stage=0)
    return telling


def test_it_is_complete_and_lists_its_files(telling: Telling, tmp_path: Path) -> None:
    out = tmp_path / "deep" / "out"
    paths = write_report([telling.subject()], out)
    assert paths[0] == out / "report.html"
    assert all(path.is_file() for path in paths)
    listed = json.loads((out / LIST).read_text())["sha256"]
    assert {str(path.relative_to(out)) for path in paths} == {*listed, LIST}
    for name, digest in listed.items():
        assert sha256((out / name).read_bytes()).hexdigest() == digest
    assert [one.name for one in out.parent.iterdir()] == ["out"]


def test_the_same_records_make_the_same_report(telling: Telling, tmp_path: Path) -> None:
    first = write_report([telling.subject()], tmp_path / "a")
    again = write_report([telling.subject()], tmp_path / "b")
    assert [one.read_bytes() for one in first] == [one.read_bytes() for one in again]


def test_a_report_of_ours_is_replaced_by_the_newer_one(telling: Telling, tmp_path: Path) -> None:
    out = tmp_path / "out"
    write_report([telling.subject("qa"), telling.subject("production")], out)
    assert (out / "journal-production.jsonl").exists()
    telling.run("stage", check("later"), stage=0)
    write_report([telling.subject("qa")], out)
    assert not (out / "journal-production.jsonl").exists()
    assert "later" in (out / "report.html").read_text()
    assert [one.name for one in tmp_path.iterdir() if one.name.startswith(".")] == []


@pytest.mark.parametrize("name", ["notes.txt", "plots/mine.svg"])
def test_a_folder_with_anything_else_in_it_is_left_alone(
    telling: Telling, tmp_path: Path, name: str
) -> None:
    out = tmp_path / "out"
    write_report([telling.subject()], out)
    before = (out / "report.html").read_bytes()
    (out / name).parent.mkdir(exist_ok=True)
    (out / name).write_text("mine")
    telling.run("stage", check("later"), stage=0)
    with pytest.raises(Refused, match="holds what is no report of ours"):
        write_report([telling.subject()], out)
    assert (out / "report.html").read_bytes() == before
    assert (out / name).read_text() == "mine"


def test_a_file_in_its_place_is_left_alone(telling: Telling, tmp_path: Path) -> None:
    (tmp_path / "out").write_text("mine")
    with pytest.raises(Refused, match="no folder"):
        write_report([telling.subject()], tmp_path / "out")


def test_where_it_cannot_be_written_nothing_is_there(telling: Telling, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StateDamaged, match="could not be written"):
        write_report([telling.subject()], tmp_path / "file" / "out")
    assert {one.name for one in tmp_path.iterdir()} == {"state", "file"}


def test_an_environment_without_records_is_said_to_have_none(
    telling: Telling, tmp_path: Path
) -> None:
    empty = Telling(tmp_path / "other").subject("production")
    paths = write_report([telling.subject(), empty], tmp_path / "out")
    assert "Nothing is recorded yet in production." in paths[0].read_text()

"""`emonk-ops retrospective` as it is typed: to a pipe, to a file, as JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING

from emonk_ops.errors import ExitCode

if TYPE_CHECKING:
    from .conftest import Place


def rolled_back(place: Place) -> None:
    place.pass_stage_0()
    place.type("stage", "1", "--env", "qa")
    place.type("rollback", "--env", "qa", "--reason", "too many errors")
    place.type("resume", "--env", "qa", "--reason", "the query is quick again")


def test_a_pipe_gets_the_document_and_nothing_else(place: Place) -> None:
    rolled_back(place)
    answer = place.type("retrospective", "--env", "qa")
    assert answer.code == 0
    assert answer.out.startswith("# Retrospective: scheduled jobs of emonk-agent in qa\n")
    assert "too many errors. Resolution: rolled back in" in answer.out
    assert "lifted: the query is quick again" in answer.out
    assert "Have words ready for stage 0, for only a person can say: word. [run " in answer.out
    assert answer.err.startswith("qa | SANDBOX")


def test_it_is_written_where_it_is_wanted(place: Place) -> None:
    rolled_back(place)
    shown = place.type("retrospective", "--env", "qa").out
    answer = place.type("retrospective", "--env", "qa", "--out", "docs/lessons.md")
    assert (answer.code, answer.out) == (0, "")
    assert (place.folder / "docs/lessons.md").read_text() == shown
    assert place.type("retrospective", "--env", "qa", "--out", ".").code == ExitCode.USAGE


def test_as_json_each_sentence_has_its_records(place: Place) -> None:
    rolled_back(place)
    data = place.type("retrospective", "--env", "qa", "--json").envelope["data"]
    assert len(data["parts"]) == 4
    for part in data["parts"]:
        for one in part["sentences"]:
            assert one["evidence"]


def test_before_anything_was_done_nothing_is_known(place: Place) -> None:
    out = place.type("retrospective", "--env", "qa").out
    assert out.count("Nothing is known") == 4
    assert "The journal has no record." in out

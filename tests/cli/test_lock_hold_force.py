from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from emonk_ops.errors import ExitCode

if TYPE_CHECKING:
    from .conftest import Place


def test_a_lock_by_hand_refuses_every_run_until_it_is_released(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.pass_stage_0()
    taken = place.type("lock", "acquire", "-e", "qa", "--reason", "night freeze", "--for", "3h")
    assert taken.code == 0
    assert "acquired: ann holds it by hand since" in taken.out
    for actor in ("ann", "bob"):
        monkeypatch.setenv("EMONK_ACTOR", actor)
        refused = place.type("stage", "1", "-e", "qa")
        assert refused.code == ExitCode.REFUSED
        assert "locked: ann holds it by hand" in refused.err
        assert "night freeze" in refused.err
        assert "emonk-ops lock release" in refused.err
    assert place.type("stage", "1", "-e", "qa", "--force", "--reason", "now").code == 3
    assert place.serves == "a"
    assert "night freeze" in place.type("lock", "status", "-e", "qa").out
    assert "night freeze" in place.type("status", "-e", "qa").out
    others = place.type("lock", "release", "-e", "qa", "--reason", "it is morning")
    assert others.code == ExitCode.REFUSED
    assert "it is held: ann" in others.err
    monkeypatch.setenv("EMONK_ACTOR", "ann")
    assert place.type("lock", "release", "-e", "qa", "--reason", "it is morning").code == 0
    assert place.type("stage", "1", "-e", "qa").code == 0
    told = place.type("history", "-e", "qa").out
    assert "lock acquired by hand by ann: night freeze" in told
    assert "lock released by hand by ann: it is morning" in told


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ((), "wants to know why"),
        (("--reason", "x", "--for", "8d"), "7 days at most"),
        (("--reason", "x", "--for", "0s"), "7 days at most"),
        (("--reason", "x", "--for", "soon"), "is not a duration"),
    ],
)
def test_a_lock_by_hand_wants_a_reason_and_an_end(
    place: Place, given: tuple[str, ...], sentence: str
) -> None:
    answer = place.type("lock", "acquire", "-e", "qa", *given)
    assert answer.code == ExitCode.USAGE
    assert sentence in answer.err
    assert "free" in place.type("lock", "status", "-e", "qa").out


def test_a_hold_by_hand_stops_what_goes_forward_and_nothing_else(place: Place) -> None:
    place.pass_stage_0()
    assert place.type("stage", "1", "-e", "qa").code == 0
    assert place.type("hold", "-e", "qa").code == ExitCode.USAGE
    assert place.type("hold", "-e", "qa", "--reason", "an incident").code == 0
    again = place.type("hold", "-e", "qa", "--reason", "another")
    assert again.code == 0
    assert "already so: on hold since" in again.out
    assert "an incident" in again.out
    refused = place.type("stage", "1", "-e", "qa")
    assert refused.code == ExitCode.REFUSED
    assert "on hold since" in refused.err
    assert "ON HOLD since" in place.type("status", "-e", "qa").out
    assert place.type("rollback", "-e", "qa", "--reason", "to be sure").code == 0
    assert place.serves == "a"
    assert place.type("resume", "-e", "qa", "--reason", "it is over").code == 0
    assert place.type("stage", "1", "-e", "qa").code == 0
    told = place.type("history", "-e", "qa").out
    assert "put on hold by ann: an incident" in told
    assert "hold lifted by ann: it is over" in told


def test_a_hold_by_hand_is_lifted_by_resume(place: Place) -> None:
    place.pass_stage_0()
    place.type("hold", "-e", "qa", "--reason", "an incident")
    assert place.type("stage", "1", "-e", "qa").code == ExitCode.REFUSED
    assert place.type("resume", "-e", "qa", "--reason", "it is over").code == 0
    assert place.type("stage", "1", "-e", "qa").code == 0


def test_force_passes_a_closed_gate_and_is_shown_wherever_the_run_is(place: Place) -> None:
    refused = place.type("stage", "1", "-e", "qa")
    assert refused.code == ExitCode.REFUSED
    without = place.type("stage", "1", "-e", "qa", "--force")
    assert without.code == ExitCode.USAGE
    assert place.serves == "a"
    junit = place.folder / "report.xml"
    forced = place.type(
        *("stage", "1", "-e", "qa", "--force", "--reason", "the fix cannot wait"),
        *("--json", "--junit", str(junit)),
    )
    assert forced.code == 0
    assert place.serves == "b"
    (gate,) = forced.envelope["data"]["forced"]
    assert gate == "stage 1 needs stage 0, which has not passed in qa"
    assert "forced past a gate" in junit.read_text()
    told = place.type("history", "-e", "qa").out
    assert "stage 1: serve b by ann: the fix cannot wait -> done" in told
    assert f"FORCED past the gate: {gate}" in told


def test_force_passes_hold_and_order_at_once_and_leaves_the_hold(place: Place) -> None:
    place.type("hold", "-e", "qa", "--reason", "an incident")
    answer = place.type("stage", "1", "-e", "qa", "--force", "--reason", "it mends the incident")
    assert answer.code == 0
    assert answer.out.count("FORCED past the gate: ") == 4  # as it begins, and at the end
    assert "an incident" in answer.out
    assert "ON HOLD" in place.type("status", "-e", "qa").out


def test_a_forced_stage_that_waits_says_how_it_goes_on(place: Place) -> None:
    place.world(verdicts={"serving": "WAITING"})
    answer = place.type("stage", "1", "-e", "qa", "--force", "--reason", "now", "--no-wait")
    assert answer.code == ExitCode.WAITING
    assert answer.out.splitlines()[-1] == ('next: emonk-ops stage 1 --env qa --force --reason "…"')


def test_an_open_gate_is_not_forced(place: Place) -> None:
    place.pass_stage_0()
    answer = place.type("stage", "1", "-e", "qa", "--force", "--reason", "just in case", "--json")
    assert answer.envelope["data"]["forced"] == []


def test_force_never_passes_a_rollback_that_has_not_ended(place: Place) -> None:
    place.pass_stage_0()
    place.type("stage", "1", "-e", "qa")
    place.world(broken=["undo"])
    assert place.type("rollback", "-e", "qa").code == ExitCode.RESTORE_INCOMPLETE
    answer = place.type("stage", "1", "-e", "qa", "--force", "--reason", "I know better")
    assert answer.code == ExitCode.REFUSED
    assert "a rollback in qa has begun and not ended" in answer.err


def test_force_asks_in_production_as_ever(place: Place) -> None:
    answer = place.type("stage", "1", "-e", "production", "--force", "--reason", "now")
    assert answer.code == ExitCode.REFUSED
    assert "there is nobody to ask" in answer.err
    assert place.serves == "a"

"""Every verb in every state: its exit code, and the words that decide. The table is the data."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from emonk_ops.errors import ExitCode
from tests.cli.verb_states import STATES, Folder, copied, make

Cell = tuple[ExitCode, str]
DONE, USAGE, REFUSED = ExitCode.DONE, ExitCode.USAGE, ExitCode.REFUSED
CLOUD, WAITING = ExitCode.CLOUD, ExitCode.WAITING

HELD = REFUSED, 'emonk-ops resume --env qa --reason "why it may go on"'
NOT_ENDED = REFUSED, "next: emonk-ops rollback --env qa\n"
DAMAGED = REFUSED, "the journal is damaged"
FAULT = REFUSED, "next: emonk-ops inject restore --all --env qa"
BOBS = REFUSED, "locked: bob (pid"
BY_HAND = REFUSED, "locked: ann holds it by hand"
STOPPED: dict[str, Cell] = {
    "held": HELD,
    "rolled back": HELD,
    "rollback begun": NOT_ENDED,
    "damaged": DAMAGED,
}
LOCKED: dict[str, Cell] = {"locked, alive": BOBS, "locked by hand": BY_HAND}
FORWARD = {**STOPPED, **LOCKED, "fault open": FAULT}

ABOVE_PASSED = REFUSED, "stage 4 has passed in qa; running stage 1 now would undo part of it"
ABOVE_BEGUN = REFUSED, "stage 4 has begun and is not rolled back in qa; running stage 1 now"
NEEDS_0 = REFUSED, "needs stage 0, which has not passed in qa"
NOT_DRILLED = REFUSED, "a drill undoes stage 4 and does it again; it has not passed in qa"
NEW, SAME = (DONE, "(serve c for good) in qa passed\n"), (DONE, "passed: already so")
SOAKS = WAITING, "next: emonk-ops stage 4 --env qa"
SERVING = WAITING, "WAITING serving"
PLAN_4, UNDO_4 = "plan of the rollback of stage 4", "DONE: stage 4 is rolled back in qa"
NO_REASON = USAGE, "--force passes a closed gate, and the journal keeps why"
FORCED = DONE, "FORCED past the gate"
HELD_ALREADY = DONE, "already so: on hold since"
NOT_HELD, LIFTED = (DONE, "already so: there is no hold"), (DONE, "the hold is lifted")
FREE, DEAD = (DONE, "free"), (DONE, "(dead: the next command takes it over)")
TAKEN, RELEASED = (DONE, "acquired: ann holds it by hand"), (DONE, "released: ")
REPORTED = DONE, "/told/report.html in a browser"
NO_EVIDENCE = REFUSED, "the run run-1 kept no evidence"
LOOKED = DONE, "one path drives alone: waiting until both do"
LISTED = DONE, "digest                       daily_digest"


def row(usual: Cell, *exceptions: dict[str, Cell], **more: Cell) -> dict[str, Cell]:
    """A cell for every state. In a name `_` stands for a blank."""
    found = dict.fromkeys(STATES, usual)
    for one in (*exceptions, {name.replace("_", " "): cell for name, cell in more.items()}):
        assert set(one) <= set(STATES), one
        found |= one
    return found


# verb -> (words, a cell for every state)
TABLE: dict[str, tuple[str, dict[str, Cell]]] = {
    "stage, the earliest": (
        "stage 0",
        row((DONE, "stage 0 (look) in qa passed"), FORWARD, fresh=(REFUSED, "ASK word")),
    ),
    "stage, earlier": (
        "stage 1",
        row(
            ABOVE_PASSED,
            {"passed 1": SAME, "soaking": ABOVE_BEGUN, "waiting": ABOVE_BEGUN},
            {"stage killed": ABOVE_BEGUN, "fresh": NEEDS_0},
            FORWARD,
            {"locked, dead": ABOVE_PASSED, "locked, alive": ABOVE_PASSED},
            {"locked by hand": ABOVE_PASSED},
        ),
    ),
    "stage, next or the same": (
        "stage 4",
        row(
            SAME,
            FORWARD,
            {"fresh": NEEDS_0, "passed 1": NEW, "soaking": NEW, "stage killed": NEW},
            waiting=SERVING,
        ),
    ),
    "stage, not waiting": (
        "stage 4 --no-wait",
        row(
            SAME,
            FORWARD,
            {"fresh": NEEDS_0, "passed 1": SOAKS, "soaking": SOAKS, "stage killed": SOAKS},
            waiting=SERVING,
        ),
    ),
    "stage, later than there is": ("stage 3", row((USAGE, "stage 3 is not there yet"))),
    "plan": (
        "stage 4 --plan",
        row(
            (DONE, "next: emonk-ops stage 4 --env qa"),
            {"held": (DONE, HELD[1]), "rolled back": (DONE, HELD[1]), "damaged": DAMAGED},
            {"rollback begun": (DONE, NOT_ENDED[1]), "fault open": (DONE, FAULT[1])},
            fresh=(DONE, "not now: stage 4 needs stage 0"),
        ),
    ),
    "force without a reason": ("stage 4 --force", row(NO_REASON, damaged=DAMAGED)),
    "force": (
        "stage 4 --force --reason because",
        row(
            SAME,
            LOCKED,
            {"passed 1": NEW, "soaking": NEW, "stage killed": NEW, "waiting": SERVING},
            {"fresh": FORCED, "held": FORCED, "rolled back": FORCED, "fault open": FORCED},
            {"rollback begun": NOT_ENDED, "damaged": DAMAGED},
        ),
    ),
    "rollback": (
        "rollback --yes",
        row(
            (DONE, UNDO_4),
            LOCKED,
            {"passed 1": (DONE, "DONE: stage 1 is rolled back in qa"), "damaged": DAMAGED},
            {"held": (DONE, "DONE: stage 1 is rolled back in qa")},
            {"rolled back": (DONE, "nothing left to roll back (already rolled back at")},
            fresh=(DONE, "nothing left to roll back (no stage has changed anything"),
        ),
    ),
    "rollback, planned": (
        "rollback --plan",
        row(
            (DONE, PLAN_4),
            {"passed 1": (DONE, "plan of the rollback of stage 1"), "damaged": DAMAGED},
            {"held": (DONE, "plan of the rollback of stage 1")},
            {"rolled back": (DONE, "nothing left to roll back: already rolled back at")},
            fresh=(DONE, "nothing left to roll back: no stage has changed anything"),
        ),
    ),
    "drill": (
        "rollback drill",
        row(
            (DONE, "DONE: back in"),
            FORWARD,
            {"fresh": NOT_DRILLED, "passed 1": NOT_DRILLED, "soaking": NOT_DRILLED},
            {"waiting": NOT_DRILLED, "stage killed": NOT_DRILLED},
        ),
    ),
    "drill, planned": (
        "rollback drill --plan",
        row(
            (DONE, "a drill would do this, and then stage 4 again"),
            STOPPED,
            {"fresh": NOT_DRILLED, "passed 1": NOT_DRILLED, "soaking": NOT_DRILLED},
            {"waiting": NOT_DRILLED, "stage killed": NOT_DRILLED, "fault open": FAULT},
        ),
    ),
    "resume": (
        "resume --reason over",
        row(
            NOT_HELD,
            {"held": LIFTED, "rolled back": LIFTED},
            {"rollback begun": NOT_ENDED, "damaged": DAMAGED},
        ),
    ),
    "resume without a reason": ("resume", row((USAGE, "resume wants to know why"))),
    "hold": (
        "hold --reason to-be-sure",
        row(
            (DONE, "qa is on hold: to-be-sure"),
            {"held": HELD_ALREADY, "rolled back": HELD_ALREADY},
            {"rollback begun": (DONE, NOT_ENDED[1]), "damaged": DAMAGED},
        ),
    ),
    "lock status": (
        "lock status",
        row(
            FREE,
            {"locked, alive": (DONE, "bob (pid"), "locked, dead": DEAD, "stage killed": DEAD},
            {"locked by hand": (DONE, "ann holds it by hand"), "drill killed": DEAD},
        ),
    ),
    "lock acquire": ("lock acquire --reason mine", row(TAKEN, LOCKED, damaged=DAMAGED)),
    "lock release": (
        "lock release --reason done",
        row(
            (DONE, "already so: it is free"),
            {"locked, alive": (REFUSED, "its holder is at work: bob"), "locked, dead": RELEASED},
            {"locked by hand": RELEASED, "stage killed": RELEASED, "drill killed": RELEASED},
        ),
    ),
    "status": (
        "status",
        row(
            (DONE, "lock       free"),
            {"held": (DONE, "ON HOLD since"), "rolled back": (DONE, "ON HOLD since")},
            {"soaking": (DONE, "stage 4 (watch): 0 s of 10 m 0 s covered")},
            {"rollback begun": (DONE, "ROLLBACK NOT ENDED since")},
            {"stage killed": (DONE, "go on with: emonk-ops stage 4 --env qa")},
            {"drill killed": (DONE, "go on with: emonk-ops rollback drill --env qa")},
            {"locked, alive": (DONE, "lock       bob (pid"), "locked, dead": DEAD},
            {"locked by hand": (DONE, "ann holds it by hand"), "damaged": (CLOUD, DAMAGED[1])},
            {"fault open": (DONE, "finish it with: emonk-ops inject restore")},
        ),
    ),
    "history": (
        "history",
        row(
            (DONE, "stage 4: serve c for good by ann -> done (exit 0)"),
            {"fresh": (DONE, "nothing is recorded yet"), "damaged": DAMAGED},
            {"passed 1": (DONE, "stage 1: serve b by ann -> done (exit 0)")},
            {"soaking": (DONE, "stage 4: serve c for good by ann -> waiting (exit 75)")},
            {"waiting": (DONE, "stage 4: serve c for good by ann -> waiting (exit 75)")},
            {"held": (DONE, "put on hold by ann: an incident")},
            {"rolled back": (DONE, "rollback of stage 4 by ann -> done (exit 0)")},
            {"rollback begun": (DONE, "rollback did not complete, left: undo: serve as before")},
            {"stage killed": (DONE, "stage 4: serve c for good by ann -> not ended")},
            {"drill killed": (DONE, "rollback drill by ann -> not ended")},
        ),
    ),
    "report": (
        "report --out told",
        row(REPORTED, fresh=(REFUSED, "nothing is recorded yet in qa"), damaged=DAMAGED),
    ),
    "judge": (
        "judge run-1",
        row(NO_EVIDENCE, fresh=(USAGE, "there is no run 'run-1'"), damaged=DAMAGED),
    ),
    "inject restore": (
        "inject restore",
        row(
            (DONE, "already so: no injected fault is open"),
            {"fault open": (DONE, "the Cloud Scheduler job emonk-agent-tick: undone")},
            damaged=DAMAGED,
        ),
    ),
    "shadow watch": ("shadow watch --for 1", row(LOOKED)),
    "jobs list": ("jobs list", row(LISTED)),
}
# What an earlier command left is said first by every command that can read the journal.
LEFT = {
    "rollback begun": "unfinished: rollback of stage 4 by ann",
    "stage killed": "unfinished: stage 4: serve c for good by ann",
    "drill killed": "unfinished: rollback drill by ann",
    "fault open": "unfinished: the fault missed-ticks by ann",
}
SAY_IT_ELSEWHERE = ("status", "inject restore", "stage, later than there is")
SAY_IT_NOT = (*SAY_IT_ELSEWHERE, "resume without a reason")

Template = Callable[[str], Folder]


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Template:
    """The state in a folder of its own, made once."""
    made: dict[str, Folder] = {}

    def find(state: str) -> Folder:
        if state not in made:
            made[state] = make(state, tmp_path_factory.mktemp("state") / "env")
        return made[state]

    return find


@pytest.fixture(autouse=True)
def ann(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMONK_ACTOR", "ann")


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("verb", TABLE)
def test_a_verb_in_a_state(verb: str, state: str, template: Template, tmp_path: Path) -> None:
    words, cells = TABLE[verb]
    folder = copied(template(state), tmp_path / "env")
    before = folder.serves
    code, told = folder.type(*words.split())
    expected, word = cells[state]
    assert (code, word in told) == (expected, True), f"{verb} in {state}: {code}\n{told}"
    if code in (USAGE, REFUSED):
        assert folder.serves == before, told
    if state in LEFT and verb not in SAY_IT_NOT:
        assert LEFT[state] in told, told


def test_a_lock_that_cannot_be_recorded_is_neither_taken_nor_given_back(
    template: Template, tmp_path: Path
) -> None:
    folder = copied(template("locked by hand"), tmp_path / "env")
    journal = folder.desk.folder / "journal.jsonl"
    whole = journal.read_text()
    journal.write_text(whole.replace("run.started", "run.starred", 1))
    code, _ = folder.type("lock", "release", "--reason", "done")
    assert code == REFUSED
    assert "ann holds it by hand" in folder.type("lock", "status")[1]
    journal.write_text(whole)
    folder.must("lock", "release", "--reason", "done")
    journal.write_text(whole.replace("run.started", "run.starred", 1))
    code, _ = folder.type("lock", "acquire", "--reason", "mine")
    assert code == REFUSED
    assert "free" in folder.type("lock", "status")[1]


@pytest.mark.parametrize(
    ("state", "words"),
    [
        ("stage killed", "stage 4"),
        ("stage killed", "rollback --yes"),
        ("drill killed", "rollback drill"),
        ("drill killed", "stage 4"),
        ("drill killed", "rollback --yes"),
        ("rollback begun", "rollback --yes"),
    ],
)
def test_what_is_unfinished_ends_with_the_command_that_goes_on_or_back(
    state: str, words: str, template: Template, tmp_path: Path
) -> None:
    folder = copied(template(state), tmp_path / "env")
    assert "! unfinished" in folder.type("status")[1]
    folder.must(*words.split())
    assert "! unfinished" not in folder.type("status")[1]


def test_what_never_began_is_answered_by_a_rollback_of_the_stage_below(
    template: Template, tmp_path: Path
) -> None:
    folder = copied(template("passed 1"), tmp_path / "env")
    body = {"command": "stage", "stage": 4, "title": "stage 4", "reason": ""}
    folder.note("run.started", body)
    assert "unfinished: stage 4" in folder.type("history")[1]
    folder.must("rollback", "--yes")
    assert "unfinished: " not in folder.type("history")[1]

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING

from emonk_ops.errors import ExitCode

if TYPE_CHECKING:
    from .conftest import Place


def test_the_status_tells_what_the_cloud_says_and_what_the_journal_adds(place: Place) -> None:
    place.pass_stage_0()
    answer = place.type("status", "--env", "qa")
    assert answer.code == 0
    assert "serving 100 % agent-1" in answer.out
    assert "the legacy loop drives, epoch 3, through agent-1" in answer.out
    assert "there is no Cloud Scheduler job" in answer.out
    assert "2026-01-05 12:02:00Z" in answer.out
    assert "jobs_due=2," in answer.out
    assert "passed: 0 (" in answer.out
    assert "PINNED" not in answer.out


def test_a_pinned_revision_is_said_in_capitals(place: Place) -> None:
    place.world(pinned=True)
    answer = place.type("status", "--env", "qa")
    assert "PINNED to agent-1: later deployments get 0 %" in answer.out


def test_what_cannot_be_asked_is_an_error_and_the_rest_is_still_told(place: Place) -> None:
    place.world(unreachable=True)
    answer = place.type("status", "--env", "qa")
    assert answer.code == ExitCode.CLOUD
    assert "ERROR: Cloud Run did not answer" in answer.out
    assert "the legacy loop drives" in answer.out
    assert answer.out.splitlines()[-1] == "next: emonk-ops sandbox up"


def test_the_status_as_json_has_a_part_for_everything(place: Place) -> None:
    data = place.type("status", "--env", "qa", "--json").envelope["data"]
    assert set(data) == {
        *("service", "driver", "job", "last_tick"),
        *("journal", "stages", "hold", "lock"),
    }
    for part in data.values():
        assert set(part) == {"ok", "asked", "sentence", "facts", "hint"}


def test_a_damaged_journal_does_not_hide_what_the_cloud_says(place: Place) -> None:
    place.pass_stage_0()
    (place.folder / ".emonk-ops/qa-sandbox-emonk-qa/journal.jsonl").write_text("{}\n")
    answer = place.type("status", "--env", "qa")
    assert answer.code == ExitCode.CLOUD
    assert "journal.jsonl:1" in answer.out
    assert "the legacy loop drives" in answer.out


def test_a_hold_shows_in_the_status_with_the_way_out(place: Place) -> None:
    place.pass_stage_0()
    place.type("stage", "1", "--env", "qa")
    place.type("rollback", "--env", "qa", "--reason", "too many errors")
    out = place.type("status", "--env", "qa").out
    assert "ON HOLD since" in out
    assert "too many errors" in out
    assert "emonk-ops resume --env qa" in out


def test_ticks_are_shown_oldest_first_with_their_numbers(place: Place) -> None:
    lines = place.type("logs", "ticks", "--env", "qa", "--limit", "2").out.splitlines()
    assert [line[:20] for line in lines[1:3]] == ["2026-01-05 12:01:00Z", "2026-01-05 12:02:00Z"]
    assert "Scheduler tick completed jobs_due=1" in lines[1]


def test_the_log_of_a_job_is_asked_by_its_id_and_shown_as_it_is(place: Place) -> None:
    answer = place.type("logs", "job", "[red]", "--env", "qa")
    assert "Executing job [red]" in answer.out
    assert place.type("logs", "job", 'x" OR "', "--env", "qa").code == ExitCode.USAGE


def test_no_entries_is_an_answer(place: Place) -> None:
    answer = place.type("logs", "errors", "--env", "qa")
    assert answer.code == 0
    assert "no entries since" in answer.out


def test_a_followed_log_ends_quietly_when_its_reader_goes_away(place: Place) -> None:
    process = subprocess.Popen(
        place.command("logs", "ticks", "--env", "qa", "--follow", "--json"),
        cwd=place.folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert json.loads(process.stdout.readline())["message"] == "Scheduler tick completed"
    process.stdout.close()
    assert process.stderr is not None
    err = process.stderr.read()
    process.stderr.close()
    assert process.wait(timeout=20) == 0
    assert "Traceback" not in err
    assert "Exception ignored" not in err


def test_the_scheduler_job_by_hand_is_recorded(place: Place) -> None:
    assert place.type("scheduler", "describe", "--env", "qa").code == ExitCode.CLOUD
    place.world(job="ENABLED")
    paused = place.type("scheduler", "pause", "--env", "qa", "--reason", "too many ticks")
    assert paused.code == 0
    assert "PAUSED" in paused.out
    assert place.type("scheduler", "resume", "--env", "qa").code == 0
    assert place.type("scheduler", "run", "--env", "qa").code == 0
    told = place.type("history", "--env", "qa").out
    assert "scheduler pause by ann: too many ticks -> done" in told
    assert "scheduler resume by ann -> done" in told


def test_pausing_works_while_somebody_holds_the_lock_and_in_production(place: Place) -> None:
    place.pass_stage_0("production")
    place.world(job="ENABLED", seconds=60)
    process = subprocess.Popen(
        place.command("stage", "1", "--env", "production", "--yes"),
        cwd=place.folder,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    for line in process.stdout:
        if "... serve" in line:
            break
    try:
        assert place.type("scheduler", "pause", "--env", "production").code == 0
        going_on = place.type("history", "--env", "production").out
        assert "going on: ann (pid" in going_on
    finally:
        process.kill()
        process.communicate(timeout=20)


def test_a_paused_job_is_not_resumed_on_a_hold(place: Place) -> None:
    place.pass_stage_0()
    place.type("stage", "1", "--env", "qa")
    place.type("rollback", "--env", "qa")
    place.world(job="PAUSED")
    answer = place.type("scheduler", "resume", "--env", "qa")
    assert answer.code == ExitCode.REFUSED
    assert "emonk-ops resume --env qa" in answer.err


def test_the_cost_of_a_month_is_told_with_what_it_was_measured_from(place: Place) -> None:
    answer = place.type("cost", "--env", "qa")
    assert answer.code == 0
    assert "2 ticks; a slot reads 1.0 and writes 0.0 documents" in answer.out
    assert "288 slots, 288 reads (0.6% of the free quota)" in answer.out
    assert "$0.00 a month, by the list prices noted on" in answer.out
    more = place.type("cost", "--env", "qa", "--no-free", "--location", "multi-region", "--json")
    data = more.envelope["data"]
    assert (data["ticks"], data["scheduler_usd"], data["location"]) == (2, 0.1, "multi-region")
    assert data["firestore_usd"] == 0.0053

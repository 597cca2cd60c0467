"""The command line with its state in a Firestore: a laptop and a pipeline see one truth."""

from __future__ import annotations

import secrets
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from emonk_ops.errors import ExitCode
from emonk_ops.sandbox.endpoint import Endpoint
from tests.state_places import NOWHERE, FailingFirestore

if TYPE_CHECKING:
    from .conftest import Place

QA = ("--env", "qa")


class Team:
    """A laptop and a pipeline, each with a folder of its own for what it keeps."""

    def __init__(self, place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
        self.place = place
        self._monkeypatch = monkeypatch

    def laptop(self) -> Place:
        self._monkeypatch.delenv("CI", raising=False)
        return self._of("ann")

    def pipeline(self) -> Place:
        self._monkeypatch.setenv("CI", "true")
        return self._of("pipeline")

    def _of(self, actor: str) -> Place:
        self._monkeypatch.setenv("EMONK_ACTOR", actor)
        self._monkeypatch.setenv("EMONK_STATE_DIR", str(self.place.folder / actor))
        return self.place


@pytest.fixture
def project(monkeypatch: pytest.MonkeyPatch) -> str:
    project = f"state-{secrets.token_hex(6)}"
    monkeypatch.setenv("EMONK_STATE", f"firestore:{project}")
    return project


@pytest.fixture
def firestore(
    firestore_embedded: Endpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[FailingFirestore]:
    monkeypatch.setenv("EMONK_SANDBOX_GRPC", firestore_embedded.grpc)
    monkeypatch.setenv("EMONK_SANDBOX_HTTP", NOWHERE)  # only the database is asked here
    firestore = FailingFirestore(firestore_embedded, tmp_path)
    yield firestore
    firestore.is_back()


@pytest.fixture
def team(
    place: Place, project: str, firestore: FailingFirestore, monkeypatch: pytest.MonkeyPatch
) -> Team:
    return Team(place, monkeypatch)


def test_a_laptop_and_a_pipeline_see_one_truth(team: Team, project: str) -> None:
    team.laptop().pass_stage_0()
    pipeline = team.pipeline()
    assert pipeline.type("stage", "1", *QA).code == 0
    assert pipeline.type("hold", *QA, "--reason", "wait for ann").code == 0
    laptop = team.laptop()
    seen = laptop.type("status", *QA)
    assert seen.code == 0
    assert f"journal    firestore:{project}/(default), mirrored in " in seen.out
    assert "passed: 0 (" in seen.out
    assert "wait for ann" in seen.out
    assert laptop.type("stage", "1", *QA).code == ExitCode.REFUSED
    told = laptop.type("history", *QA).out
    assert "stage 1: serve b by pipeline -> done" in told
    laptop.type("lock", "acquire", *QA, "--reason", "looking into it")
    locked = team.pipeline().type("stage", "1", *QA, "--force", "--reason", "x")
    assert locked.code == ExitCode.REFUSED
    assert "ann holds it by hand" in locked.err


def test_while_it_is_down_nothing_goes_forward_and_the_way_back_works(
    team: Team, project: str, firestore: FailingFirestore
) -> None:
    laptop = team.laptop()
    laptop.pass_stage_0()
    assert laptop.type("stage", "1", *QA).code == 0
    laptop.world(job="ENABLED")
    with firestore.down():
        for words in (("stage", "1"), ("resume", "--reason", "x"), ("scheduler", "resume")):
            refused = laptop.type(*words, *QA)
            assert refused.code == ExitCode.CLOUD, words
            assert f"unreachable: the state in firestore:{project}/(default)" in refused.err
        assert laptop.type("scheduler", "pause", *QA, "--reason", "an incident").code == 0
        assert laptop.type("rollback", *QA, "--reason", "an incident").code == 0
        assert laptop.serves == "a"
        seen = laptop.type("status", *QA)
        assert seen.code == ExitCode.CLOUD
        assert f"SPOOLED 8 records, firestore:{project}/(default) unreachable since 20" in seen.out
        assert "passed: 0 (" in seen.out
        assert "ON HOLD since" in seen.out
        assert "lock       unknown: " in seen.out
        made = laptop.type("report", *QA, "--out", "told")
        assert made.code == 0
        assert "and is on hold" in (laptop.folder / "told" / "report.html").read_text()
        still = laptop.type("hold", *QA, "--reason", "x")
        assert (still.code, "already so" in still.out) == (0, True)
    assert "ON HOLD" not in team.pipeline().type("status", *QA).out
    assert team.laptop().type("history", *QA).code == 0
    pipeline = team.pipeline()
    seen = pipeline.type("status", *QA)
    assert seen.code == 0
    assert "ON HOLD since" in seen.out
    told = pipeline.type("history", *QA).out
    assert "locked on this machine only: the state in firestore:" in told
    assert told.count("written down on its machine and sent later") == 2
    assert pipeline.type("stage", "1", *QA).code == ExitCode.REFUSED


def test_a_hold_by_hand_is_set_while_it_is_down(team: Team, firestore: FailingFirestore) -> None:
    laptop = team.laptop()
    with firestore.down():
        assert laptop.type("hold", *QA, "--reason", "stop the line").code == 0
        assert laptop.type("lock", "acquire", *QA, "--reason", "x").code == ExitCode.CLOUD
    assert "stop the line" in laptop.type("status", *QA).out
    assert "stop the line" in team.pipeline().type("status", *QA).out


def test_a_run_that_was_killed_elsewhere_is_seen_and_goes_on(team: Team) -> None:
    laptop = team.laptop()
    laptop.pass_stage_0()
    laptop.world(seconds=60)
    process = subprocess.Popen(
        laptop.command("stage", "1", *QA), cwd=laptop.folder, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    for line in process.stdout:
        if "... serve" in line:
            break
    pipeline = team.pipeline()
    locked = pipeline.type("stage", "1", *QA)
    assert locked.code == ExitCode.REFUSED
    assert f"locked: ann (pid {process.pid}" in locked.err
    process.kill()
    process.communicate(timeout=20)
    pipeline.world(seconds=0)
    assert pipeline.type("stage", "1", *QA).code == 0
    assert "took over a dead lock: ann" in pipeline.type("history", *QA).out


def test_in_a_pipeline_only_a_file_is_refused(
    place: Place, project: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CI", "true")
    monkeypatch.setenv("EMONK_TARGET", "gcp")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NO_GCE_CHECK", "true")
    shared = place.type("stage", "0", *QA)
    assert shared.code == ExitCode.CLOUD
    assert f"firestore:{project}/(default)" in shared.err
    assert "gcloud auth application-default login" in shared.err
    monkeypatch.setenv("EMONK_STATE", "file")
    file = place.type("stage", "0", *QA)
    assert file.code == ExitCode.REFUSED
    assert 'place = "firestore:PROJECT"' in file.err


def test_a_journal_in_a_file_is_shared_and_comes_back(
    place: Place, firestore: FailingFirestore, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.pass_stage_0()
    monkeypatch.setenv("EMONK_STATE", f"firestore:state-{secrets.token_hex(6)}/team-state")
    assert place.type("stage", "1", *QA).code == 0
    monkeypatch.setenv("EMONK_STATE", "file")
    back = place.type("stage", "1", *QA)
    assert back.code == ExitCode.REFUSED
    assert "the journal of qa was shared" in back.err


@pytest.mark.parametrize(
    "place_of_state", ["firestore", "firestore:P", "s3://x", "firestore:a/b/c"]
)
def test_a_place_that_is_none_is_a_mistake_in_the_settings(
    place: Place, monkeypatch: pytest.MonkeyPatch, place_of_state: str
) -> None:
    monkeypatch.setenv("EMONK_STATE", place_of_state)
    answer = place.type("config", "check", *QA)
    assert answer.code == ExitCode.USAGE
    assert "expected file, firestore:PROJECT or firestore:PROJECT/DATABASE" in answer.out

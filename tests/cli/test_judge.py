"""`emonk-ops judge RUN`: as a process, from a journal and evidence that a day's acceptance left."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from emonk_ops.errors import ExitCode
from emonk_ops.operations.injection.catalogue import judged_again
from emonk_ops.operations.injection.ending import record, summary_of
from emonk_ops.operations.injection.model import Outcome
from emonk_ops.rollout.book import Book, Heading
from emonk_ops.rollout.evidence import EvidenceFolder
from emonk_ops.rollout.identity import Identity, identify
from emonk_ops.rollout.journal import Journal
from emonk_ops.rollout.lock import Lock
from emonk_ops.settings import Environment, Target
from emonk_ops.settings_sample import sample
from emonk_ops.testing import InMemoryPorts, InMemoryWorld, ManualClock
from emonk_ops.tick.jobs import canonical
from emonk_ops.toolbox import Toolbox
from tests.judging.day_model import Day
from tests.judging.test_day import Told
from tests.unit.operations.injection_evidence import duplicate, killed, strangers

RUN, BARE = "5f0c11d2aa70", "77aa00cc1122"


@dataclass(frozen=True)
class Judged:
    code: int
    data: Mapping[str, Any]
    told: str

    def verdicts(self) -> dict[str, str]:
        return {one["name"]: one["verdict"] for one in self.data["evidence"][0]["verdicts"]}


@dataclass(frozen=True)
class Place:
    """A folder in which a production day was accepted, and a run that kept nothing."""

    folder: Path
    who: Identity

    @property
    def state(self) -> Path:
        return self.folder / ".emonk-ops" / "production-sandbox-emonk-production"

    def live(self, day: Day) -> None:
        names = iter((RUN, BARE))
        clock = ManualClock()
        book = Book(
            journal=Journal(self.state / "journal.jsonl", clock=clock),
            lock=Lock(self.state / "lock.json", clock=clock),
            who=self.who,
            new_run_id=lambda: next(names),
        )
        with book.locked_run(Heading("stage", "stage 4", 4)) as run:
            told = Told(day, self.folder)

            def note(kind: str, body: Mapping[str, Any]) -> None:
                run.write(kind, body)

            told.tools = replace(
                told.tools,
                evidence=EvidenceFolder(self.state / "evidence"),
                run_id=run.id,
                note=note,
            )
            for name, found in told.findings().items():
                said = {"id": name, "verdict": found.verdict, "summary": found.summary}
                run.write("check", {"phase": "acceptance", "holds": True, **said})
        with book.locked_run(Heading("stage", "stage 1", 1)):
            pass

    def inject(self, evidence: Mapping[str, Any]) -> None:
        """A run that injected a fault, and kept this of it."""
        clock = ManualClock()
        book = Book(
            journal=Journal(self.state / "journal.jsonl", clock=clock),
            lock=Lock(self.state / "lock.json", clock=clock),
            who=self.who,
            new_run_id=lambda: RUN,
        )
        with book.locked_run(Heading("inject", "inject")) as run:

            def note(kind: str, body: Mapping[str, Any]) -> None:
                run.write(kind, body)

            tools = Toolbox(
                Environment("production", Target.SANDBOX, "emonk-production"),
                InMemoryPorts(InMemoryWorld()),
                self.folder / "keep",
                evidence=EvidenceFolder(self.state / "evidence"),
                note=note,
            )
            verdict, observations = judged_again(evidence)
            summary = summary_of(verdict, evidence, observations, ())
            name, kept = str(evidence["injection"]), f"injection-{RUN}-1.json"
            found = Outcome(f"{RUN}-1", name, verdict, summary, observations, evidence=kept)
            record(tools, found, evidence)

    def judge(self, *words: str) -> Judged:
        argv = [sys.executable, "-m", "emonk_ops", "judge", *words, "--env", "production"]
        ended = subprocess.run(
            [*argv, "--json"],
            cwd=self.folder,
            env={**os.environ, "EMONK_ACTOR": "ann"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        envelope = json.loads(ended.stdout or "{}")
        return Judged(ended.returncode, envelope.get("data", {}), ended.stderr)

    def evidence(self) -> Path:
        (path,) = (self.state / "evidence").iterdir()
        return path


@pytest.fixture
def place(tmp_path: Path) -> Place:
    (tmp_path / "emonk-ops.toml").write_text(sample(Target.SANDBOX))
    return Place(tmp_path, identify({"EMONK_ACTOR": "ann"}, ("emonk-ops",)))


def test_a_run_is_judged_again_offline(place: Place) -> None:
    place.live(Day(1))
    found = place.judge(RUN)
    assert found.code == ExitCode.DONE, found.told
    assert found.data["same"] is True
    assert set(found.verdicts().values()) == {"PASS"}
    assert "all verdicts are as recorded" in found.told
    assert place.judge(RUN[:4]).data == found.data


def test_other_thresholds_are_tried_on_history(place: Place) -> None:
    place.live(Day(1))
    tighter = place.folder / "tighter.toml"
    tighter.write_text("[production]\nlatency_p99_seconds = 0.1\n")
    found = place.judge(RUN, "--with", str(tighter))
    assert found.code == ExitCode.CHECK_FAILED
    assert found.verdicts()["latency-p99"] == "FAIL"
    assert found.verdicts()["no-duplicates"] == "PASS"
    assert "(was PASS" in found.told


@pytest.mark.parametrize(
    ("made", "verdict"), [(duplicate, "PASS"), (killed, "PASS"), (strangers, "PASS")]
)
def test_an_injection_is_judged_again_offline(
    place: Place, made: Callable[[], dict[str, Any]], verdict: str
) -> None:
    place.inject(made())
    found = place.judge(RUN)
    assert found.code == ExitCode.DONE, found.told
    assert found.data["same"] is True
    assert found.verdicts()["verdict"] == verdict
    assert len(found.verdicts()) == 1 + len(judged_again(made())[1])


def test_an_injection_that_the_journal_tells_better_than_it_was_is_contradicted(
    place: Place,
) -> None:
    twice = duplicate()
    twice["observed"]["lines"] *= 2
    place.inject(twice)
    assert place.judge(RUN).verdicts()["verdict"] == "FAIL"
    _rewritten(place.state / "journal.jsonl", "injection.ended", '"FAIL"', '"PASS"')
    found = place.judge(RUN)
    assert found.code == ExitCode.CHECK_FAILED
    assert found.data["same"] is False
    (place.folder / "tighter.toml").write_text("[production]\nlatency_p99_seconds = 0.1\n")
    tried = place.judge(RUN, "--with", "tighter.toml")
    assert tried.code == ExitCode.USAGE
    assert "no threshold decides" in tried.told


def test_a_journal_that_says_otherwise_is_contradicted(place: Place) -> None:
    """A verdict nobody could have reached by this evidence."""
    place.live(Day(1, 8.0, "duplicate"))
    path = place.state / "journal.jsonl"
    _rewritten(path, '"summary":"3 slots twice', '"verdict":"FAIL"', '"verdict":"PASS"')
    found = place.judge(RUN)
    assert found.code == ExitCode.CHECK_FAILED
    assert found.data["same"] is False
    assert found.verdicts()["no-duplicates"] == "FAIL"


def _rewritten(path: Path, of: str, old: str, new: str) -> None:
    """The journal with every such record changed and the chain made anew."""
    import hashlib

    head, lines = "0" * 64, []
    for line in path.read_text().splitlines():
        changed = line.replace(old, new) if of in line else line
        document = {**json.loads(changed), "prev": head}
        document.pop("hash")
        head = hashlib.sha256(canonical(document).encode()).hexdigest()
        lines.append(canonical({**document, "hash": head}))
    path.write_text("\n".join(lines) + "\n")


def test_evidence_that_is_gone_or_another_is_refused(place: Place) -> None:
    place.live(Day(1, 2.0))
    path = place.evidence()
    whole = path.read_bytes()
    path.write_bytes(whole[:-1] + b"x")
    changed = place.judge(RUN)
    assert changed.code == ExitCode.REFUSED
    assert "state-damaged" in changed.told
    assert "is not what was saved" in changed.told
    path.unlink()
    gone = place.judge(RUN)
    assert gone.code == ExitCode.REFUSED
    assert path.name in gone.told


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (("5f0c11d2aa71",), ExitCode.USAGE, f"did you mean {RUN}"),
        (("zzz",), ExitCode.USAGE, f"With evidence, the newest first: {RUN}"),
        ((BARE,), ExitCode.REFUSED, "kept no evidence"),
        ((RUN, "--with", "none.toml"), ExitCode.USAGE, "none.toml cannot be read"),
        ((RUN, "--with", "near.toml"), ExitCode.USAGE, "did you mean error_rate"),
        ((RUN, "--with", "text.toml"), ExitCode.USAGE, "is no number above 0"),
        ((RUN, "--with", "empty.toml"), ExitCode.USAGE, "names no threshold"),
    ],
)
def test_bad_input_is_named(place: Place, words: tuple[str, ...], code: int, told: str) -> None:
    place.live(Day(1, 2.0))
    (place.folder / "near.toml").write_text("[production]\nerror_rat = 0.5\n")
    (place.folder / "text.toml").write_text('[production]\nerror_rate = "few"\n')
    (place.folder / "empty.toml").write_text("")
    found = place.judge(*words)
    assert found.code == code, found.told
    assert told in found.told

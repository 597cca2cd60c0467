"""The retrospective: every sentence by records that are there, and silence where there are none."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from emonk_ops.operations.acceptance.stretch import Counted
from emonk_ops.operations.review.digest import SUMS, VERSION, DayDigest, Latency
from emonk_ops.rollout.records import BEGINNING, Record, sealed
from emonk_ops.rollout.retrospective import NOTHING, Part, Retrospective, retrospective
from emonk_ops.rollout.retrospective_told import Sentence

START = datetime(2026, 1, 5, 12, tzinfo=UTC)
TITLES = (
    "Issues encountered and resolutions",
    "Unexpected edge cases",
    "Performance improvements identified",
    "Recommendations for future migrations",
)
EVIDENCE = re.compile(r"\[((?:run [\w-]+, records? [\d, ]+(?:; )?)+(?:and \d+ more records)?)\]$")


class Journal:
    """Records as a rollout leaves them, ten minutes apart."""

    def __init__(self) -> None:
        self.records: list[Record] = []

    def write(self, run: str, kind: str, **body: Any) -> Record:
        at = START + timedelta(minutes=10 * len(self.records))
        prev = self.records[-1].hash if self.records else BEGINNING
        seq = len(self.records) + 1
        who = {"actor": "ann"}
        made = sealed(seq=seq, prev=prev, run=run, at=at, kind=kind, who=who, body=body)
        self.records.append(made)
        return made

    def starts(self, run: str, stage: int, **more: Any) -> None:
        title = f"stage {stage}: of a test"
        self.write(run, "run.started", command="stage", stage=stage, title=title, **more)

    def ends(self, run: str, status: str = "done", code: int = 0) -> None:
        self.write(run, "run.ended", status=status, exit_code=code, summary="", changed=True)

    def check(self, run: str, name: str, verdict: str, said: str, phase: str = "checks") -> None:
        body = {"id": name, "verdict": verdict, "holds": verdict == "PASS", "summary": said}
        self.write(run, "check", phase=phase, **body)

    def told(self) -> Retrospective:
        return retrospective(self.records, env="production", service="emonk-agent")

    def part(self, title: str) -> Part:
        return next(one for one in self.told().parts if one.title == title)

    def texts(self, title: str) -> list[str]:
        return [one.text for one in self.part(title).sentences]


@pytest.fixture
def journal() -> Journal:
    return Journal()


def a_day(journal: Journal, number: int, p99: float, **sums: float) -> Record:
    begin = datetime(2026, 1, 6, tzinfo=UTC) + timedelta(days=number)
    counted = {name: getattr(Counted(), name) for name in SUMS}
    counted |= {"expected": 1440, "arrived": 1440, "told": 1440, **sums}
    latency = Latency(1440, 0.1, p99, 2 * p99)
    digest = DayDigest(begin, "* * * * *", 1440, 0, 0, 5.0, counted, (), latency)
    return journal.write("rev1", "review.day", version=VERSION, digest=digest.to_dict())


def lived(journal: Journal) -> None:
    """A rollout in which much went as it should not."""
    journal.starts("r1", 2, took_over="bob (pid 7)")
    journal.check("r1", "iam", "FAIL", "roles/run.invoker is missing")
    journal.ends("r1", "failed", 1)
    journal.starts("r2", 2)
    journal.check("r2", "iam", "PASS", "granted")
    attested: Mapping[str, Any] = {"stage": 2, "check": "code-review", "word": "PR 41"}
    journal.write("r2", "attested", over="ASK", per_run=False, **attested)
    journal.ends("r2")
    journal.starts("r3", 4)
    journal.write("r3", "soak.ended", stage=4, soak="production", how="began anew: image was a")
    journal.write(
        "r3",
        "soak.ended",
        stage=4,
        soak="production",
        how="breached",
        criterion="latency",
        summary="3 of 5 ticks took more than 2 s",
    )
    journal.write("r3", "rollback.started", stage=4, capture_seq=1, reason="breached", steps=[])
    journal.write("r3", "rollback.ended", stage=4, capture_seq=1, ok=True, left=[], seconds=12.5)
    journal.ends("r3", "rolled_back", 6)
    journal.write("h1", "hold.lifted", reason="the slow query is gone", was="stage 4")
    journal.starts("r4", 4)
    journal.check("r4", "latency-p99", "PASS", "p99 0.210 s", "acceptance")
    journal.ends("r4")
    injection = {"name": "restart", "id": "i1", "verdict": "FAIL", "summary": "one job was lost"}
    journal.write("x1", "injection.ended", **injection)


def test_an_issue_has_its_resolution_and_the_records_of_both(journal: Journal) -> None:
    lived(journal)
    breach, check = journal.texts(TITLES[0])
    assert "soak production breached: latency: 3 of 5 ticks" in breach
    assert "rolled back in 12.5 s" in breach
    assert "lifted: the slow query is gone" in breach
    assert "stage 4 passed on 2026-01-05 14:40Z" in breach
    assert check == (
        "Stage 2: iam failed on 2026-01-05 12:10Z: roles/run.invoker is missing. "
        "Resolution: it held on 2026-01-05 12:40Z: granted."
    )


def test_a_criterion_of_the_review_that_failed_is_an_issue(journal: Journal) -> None:
    journal.write("v1", "run.started", command="validate", stage=None, title="validate 30 days")
    journal.check("v1", "success-rate", "FAIL", "60 of 43,200 ticks failed", "review")
    assert journal.texts(TITLES[0]) == [
        "The review: success-rate failed on 2026-01-05 12:10Z: 60 of 43,200 ticks failed. "
        "Resolution: how it was resolved is not in the journal."
    ]


def test_what_was_not_resolved_is_not_said_to_be(journal: Journal) -> None:
    journal.write("h1", "hold.set", reason="posts went out twice")
    (only,) = journal.texts(TITLES[0])
    assert only.endswith("Resolution: how it was resolved is not in the journal.")


def test_edge_cases_are_told(journal: Journal) -> None:
    lived(journal)
    a_day(journal, 0, 0.2, lost_race=3)
    a_day(journal, 1, 0.2, lost_race=1, arrived=0, told=0)
    texts = " ".join(journal.texts(TITLES[1]))
    assert "took over the lock of a process that had died: bob" in texts
    assert "began anew: image was a" in texts
    assert "the injection restart ended FAIL: one job was lost" in texts
    assert "4 claims lost a race and ran nothing, on 2 of 2 reviewed days" in texts
    assert "The log of 2026-01-07 does not cover the day: the log is silent" in texts


def test_performance_is_measured_and_an_improvement_has_a_limit_behind_it(
    journal: Journal,
) -> None:
    lived(journal)
    a_day(journal, 0, 0.2)
    quick = journal.texts(TITLES[2])
    assert any("p99 was 0.200 to 0.200 s by the day, over 1 days" in one for one in quick)
    assert any("latency-p99, measured on" in one for one in quick)
    assert not any("Improvement" in one for one in quick)
    slow = a_day(journal, 1, 1.4)
    budget = {"summary": "", "changed": True, "seconds": 14.0, "budget_seconds": 10.0}
    journal.write("r5", "step.ended", id="pause", **budget)
    found = journal.part(TITLES[2]).sentences
    near = [one for one in found if one.text.startswith("Improvement: on 2026-01-07 the p99")]
    assert [one.records for one in near] == [(slow,)]
    assert any("step pause took longer than its budget once" in one.text for one in found)


def test_recommendations_follow_from_what_happened(journal: Journal) -> None:
    lived(journal)
    texts = journal.texts(TITLES[3])
    assert "See to these before stage 2: iam." in texts
    assert "Have words ready for stage 2, for only a person can say: code-review." in texts
    assert "Let nothing of this happen during a soak: image was a." in texts
    assert "Watch latency from the first hour on: it ended a soak." in texts
    assert "Inject restart early: here it once ended FAIL." in texts
    assert texts[-1].startswith("Plan 2 h 40 m for the way from stage 2 to the end of stage 4")


def test_every_line_names_records_that_are_there(journal: Journal) -> None:
    lived(journal)
    a_day(journal, 0, 1.4, transient=2)
    runs = {one.seq: one.run for one in journal.records}
    lines = [line for line in journal.told().markdown().splitlines() if line.startswith("- ")]
    assert len(lines) > 12
    for line in lines:
        named = EVIDENCE.search(line)
        assert named, line
        for run, seqs in re.findall(r"run ([\w-]+), records? ([\d, ]+)", named.group(1)):
            assert {runs[int(seq)] for seq in seqs.split(",") if seq.strip()} == {run}


def test_nothing_is_invented_where_nothing_is_known(journal: Journal) -> None:
    text = journal.told().markdown()
    assert [line[3:] for line in text.splitlines() if line.startswith("## ")] == list(TITLES)
    assert text.count(NOTHING) == 4
    journal.starts("r1", 0)
    journal.ends("r1")
    assert journal.told().markdown().count(NOTHING) == 4
    with pytest.raises(ValueError, match="nothing is known by no record"):
        Sentence("All went well.", ())


def test_a_faultless_drill_is_performance_and_no_issue(journal: Journal) -> None:
    drill = {"ok": True, "why": "", "version": "1", "back_seconds": 4.0, "forth_seconds": 9.0}
    journal.write("d1", "drill.ended", **drill)
    assert journal.texts(TITLES[0]) == []
    assert journal.texts(TITLES[2]) == [
        "The drill of 2026-01-05 12:00Z went back in 4.0 s and forth in 9.0 s."
    ]


def test_words_of_the_journal_cannot_become_markdown(journal: Journal) -> None:
    journal.write("h1", "hold.set", reason="*/5 <b>bold</b> [a](b)\n## no heading")
    text = journal.told().markdown()
    assert r"\*/5 \<b\>bold\</b\> \[a\](b) \#\# no heading" in text
    assert text.count("\n## ") == 4
